"""Requests written and responses read by kio, with nothing left out and nothing left over."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from types import ModuleType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from kio.serial import entity_reader

from tests.golden.case import CLIENT_ID, Golden, Values
from tests.support.wire_client import schema
from tests.wire.kio_frames import request_content, write

CORRELATION_ID = 0x0601DE41


def request_bytes(golden: Golden) -> bytes:
    """The frame's content: header and body."""
    entity = _entity(golden, "Request", golden.case.request(golden.place()))
    return request_content(entity, correlation_id=CORRELATION_ID, client_id=CLIENT_ID)


def response_class(api: str, version: int) -> Any:
    return getattr(schema(api, version, "response"), f"{_camel(api)}Response")


def read_response(api: str, version: int, content: bytes) -> Any:
    """The response's body. Fails on another correlation id, on bytes left over and when kio writes it differently."""
    cls = response_class(api, version)
    header, header_size = entity_reader(cls.__header_schema__)(content, 0)
    entity, size = entity_reader(cls)(content, header_size)
    assert header.correlation_id == CORRELATION_ID
    assert header_size + size == len(content), f"{len(content) - header_size - size} bytes are left over"
    assert write(entity) == content[header_size:], "kio writes the same values differently"
    return entity


def _entity(golden: Golden, suffix: str, values: Values) -> Any:
    module = schema(golden.case.api, golden.version, suffix.lower())
    return build(module, getattr(module, f"{_camel(golden.case.api)}{suffix}"), values)


def build(module: ModuleType, cls: type, values: Values) -> Any:
    """kio's entity: every field of this version must be given, fields of other versions are passed over."""
    hints = get_type_hints(cls, vars(module))
    missing = [each.name for each in fields(cls) if each.name not in values]
    assert not missing, f"{cls.__module__}.{cls.__name__}: no value for {missing}"
    return cls(**{each.name: _value(module, hints[each.name], values[each.name]) for each in fields(cls)})


def _value(module: ModuleType, hint: Any, value: Any) -> Any:
    if isinstance(value, Mapping):
        return build(module, _plain(hint), value)
    if isinstance(value, list):
        (item, *_) = get_args(_plain(hint))
        return tuple(_value(module, item, each) for each in value)
    return value


def _plain(hint: Any) -> Any:
    """The type behind `X | None`."""
    if get_origin(hint) in (Union, UnionType):
        return next(each for each in get_args(hint) if each is not type(None))
    return hint


def differences(expected: Any, found: Any, path: str = "") -> Iterator[str]:
    """Where a response is not as expected. Every field that it has must be expected; a function expects by itself."""
    if is_dataclass(found):
        yield from _different_fields(expected, found, path)
    elif isinstance(found, tuple) and isinstance(expected, list):
        if len(found) != len(expected):
            yield f"{path}: {len(found)} instead of {len(expected)}: {found}"
        for index, (one, other) in enumerate(zip(expected, found, strict=False)):
            yield from differences(one, other, f"{path}[{index}]")
    elif isinstance(expected, Callable):  # type: ignore[arg-type]
        if not expected(found):
            yield f"{path}: {found!r} is not as it should be"
    elif expected != found:
        yield f"{path}: {found!r} instead of {expected!r}"


def _different_fields(expected: Any, found: Any, path: str) -> Iterator[str]:
    if expected is None or callable(expected):
        if expected is None or not expected(found):
            yield f"{path}: {found!r} is not as it should be"
        return
    for each in fields(found):
        if each.name not in expected:
            yield f"{path}.{each.name}: nothing is expected, found {getattr(found, each.name)!r}"
        else:
            yield from differences(expected[each.name], getattr(found, each.name), f"{path}.{each.name}")


def containing(*items: Values) -> Callable[[Any], bool]:
    """Expects an array that has each of these items, and maybe others."""

    def holds(found: Any) -> bool:
        return all(any(not list(differences(item, each)) for each in found) for item in items)

    return holds


def _camel(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_"))
