"""Requests of any API and version from plain values, and the first error in any response."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import MISSING, fields, is_dataclass
from datetime import timedelta
from types import ModuleType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints
from uuid import UUID

from kio.schema.errors import ErrorCode

from tests.support.wire_client import WireClient, schema

Address = tuple[str, int]
Answer = tuple[ErrorCode, str | None]

BLANKS: Mapping[type, object] = {
    bool: False, int: 0, float: 0.0, str: "", bytes: b"", timedelta: timedelta(seconds=10), UUID: None,
}  # fmt: skip
"""What a field has that nobody sets: nothing, or ten seconds."""


def request(api: str, version: int, /, **values: object) -> Any:
    """kio's request with these values: dictionaries stand for nested structures, lists for arrays."""
    module = schema(api, version)
    camel = "".join(part.capitalize() for part in api.split("_"))
    return _build(module, getattr(module, f"{camel}Request"), values)


def talk(address: Address, script: Callable[[WireClient], Awaitable[Any]]) -> Any:
    """What the script returns, run with a connection of its own."""

    async def connected() -> Any:
        async with await WireClient.connect(*address) as client:
            return await script(client)

    return asyncio.run(connected())


def answer(response: Any) -> Answer:
    """The first error of a response, depth first, with its message; no error where it has none."""
    found = list(_errors(response))
    return next((each for each in found if each[0] is not ErrorCode.none), (ErrorCode.none, None))


def _build(module: ModuleType, cls: type, values: Mapping[str, object]) -> Any:
    hints = get_type_hints(cls, vars(module))
    known = {field.name: field for field in fields(cls)}
    unknown = values.keys() - known.keys()
    assert not unknown, f"{cls.__name__} has no {unknown}"
    built = {name: _value(module, hints[name], value) for name, value in values.items()}
    for name, field in known.items():
        if name not in built and field.default is MISSING:
            built[name] = _blank(hints[name])
    return cls(**built)


def _value(module: ModuleType, hint: Any, value: Any) -> Any:
    if isinstance(value, Mapping):
        return _build(module, _plain(hint), value)
    if isinstance(value, list):
        (item, *_) = get_args(_plain(hint))
        return tuple(_value(module, item, each) for each in value)
    return value


def _blank(hint: Any) -> object:
    if get_origin(hint) in (Union, UnionType):
        return None
    if get_origin(hint) is tuple:
        return ()
    plain = _plain(hint)
    return next((blank for kind, blank in BLANKS.items() if issubclass(plain, kind)), None)


def _plain(hint: Any) -> Any:
    """The type behind `X | None` and behind a named type."""
    if get_origin(hint) in (Union, UnionType):
        hint = next(each for each in get_args(hint) if each is not type(None))
    while hasattr(hint, "__supertype__"):
        hint = hint.__supertype__
    return hint


def _errors(value: Any) -> Iterator[Answer]:
    if isinstance(value, tuple):
        for item in value:
            yield from _errors(item)
    elif is_dataclass(value):
        if hasattr(value, "error_code"):
            yield value.error_code, getattr(value, "error_message", None)
        for field in fields(value):
            yield from _errors(getattr(value, field.name))
