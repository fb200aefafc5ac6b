"""Requests of any API and version as frames, from plain values."""

from __future__ import annotations

from dataclasses import fields
from importlib import import_module
from io import BytesIO
from struct import pack
from types import ModuleType
from typing import Any, get_args, get_type_hints

from kio.serial import entity_writer

from odradek.benchmark.frames import CLIENT_ID
from odradek.wire.apis import BY_KEY

_KEYS = {api.name: key for key, api in BY_KEY.items()}


def encoded(api: str, version: int, /, **values: object) -> bytes:
    """The frame. Dictionaries stand for structures, lists for arrays; what is not given has the schema's default."""
    module = import_module(f"kio.schema.{api}.v{version}.request")
    name = "".join(part.capitalize() for part in api.split("_")) + "Request"
    body = BytesIO()
    request = _built(module, getattr(module, name), values)
    entity_writer(type(request))(body, request)
    header = pack(">hhih", _KEYS[api], version, 1, len(CLIENT_ID)) + CLIENT_ID
    header += b"\x00" * type(request).__flexible__
    content: bytes = header + body.getvalue()
    return pack(">i", len(content)) + content


def _built(module: ModuleType, cls: Any, values: Any) -> Any:
    hints, known = get_type_hints(cls, vars(module)), {field.name for field in fields(cls)}
    return cls(**{name: _value(module, hints[name], value) for name, value in values.items() if name in known})


def _value(module: ModuleType, hint: Any, value: object) -> object:
    if not isinstance(value, list):
        return value
    item = next(each for each in (hint, *get_args(hint)) if getattr(each, "__origin__", None) is tuple).__args__[0]
    return tuple(_built(module, item, each) if isinstance(each, dict) else each for each in value)
