"""Records as text and text as records: pure functions from bytes to bytes.

The JSON shape is one object a line: `{"topic", "partition", "offset", "timestamp", "key", "value", "headers"}`. Bytes
that are UTF-8 are strings; others are `{"base64": "..."}`, so that what `consume` writes, `produce` can store again
byte for byte.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple

from odradek.cli.checks import INT32_MAX, INT64_MAX

if TYPE_CHECKING:
    from odradek.cli.kafka import Message

Headers = list[tuple[str, str | bytes | None]]


class Format(StrEnum):
    """How a key and a value are written as text."""

    RAW = "raw"
    JSON = "json"
    HEX = "hex"
    BASE64 = "base64"


class FormatError(ValueError):
    """A line that is not what its format says."""


class Parsed(NamedTuple):
    """One record read from text; None where the line says nothing."""

    value: bytes | None
    key: bytes | None = None
    headers: Headers | None = None
    partition: int | None = None
    timestamp_ms: int | None = None


def line_parser(form: Format, key_separator: bytes | None, null: bytes | None) -> Callable[[bytes], Parsed]:
    """A function from one line, without its end, to a record. It raises FormatError."""
    if form is Format.JSON:
        return _parse_json
    decode = _DECODERS[form]

    def field(text: bytes) -> bytes | None:
        return None if null is not None and text == null else decode(text)

    def parse(line: bytes) -> Parsed:
        if key_separator is None:
            return Parsed(field(line))
        key, found, value = line.partition(key_separator)
        if not found:
            raise FormatError(f"no key separator {key_separator.decode(errors='replace')!r}")
        return Parsed(field(value), field(key))

    return parse


def record_writer(
    form: Format, key_separator: bytes | None, null: bytes, separator: bytes
) -> Callable[[Message], bytes]:
    """A function from a consumed record to its text, separator included."""
    if form is Format.JSON:
        return lambda message: json.dumps(as_json(message), ensure_ascii=False).encode() + separator
    encode = _ENCODERS[form]

    def field(data: bytes | None) -> bytes:
        return null if data is None else encode(data)

    if key_separator is None:
        return lambda message: field(message.value()) + separator
    return lambda message: field(message.key()) + key_separator + field(message.value()) + separator


def as_json(message: Message) -> dict[str, Any]:
    """A consumed record in the JSON shape."""
    timestamp_type, timestamp_ms = message.timestamp()
    return {
        "topic": message.topic(),
        "partition": message.partition(),
        "offset": message.offset(),
        "timestamp": timestamp_ms if timestamp_type else None,
        "key": _json_bytes(message.key()),
        "value": _json_bytes(message.value()),
        "headers": [[name, _json_bytes(_bytes(value))] for name, value in _header_pairs(message)],
    }


def _header_pairs(message: Message) -> list[tuple[str, Any]]:
    headers: Any = message.headers() or []
    return list(headers)


def _bytes(value: str | bytes | None) -> bytes | None:
    return value.encode() if isinstance(value, str) else value


def _json_bytes(data: bytes | None) -> str | dict[str, str] | None:
    if data is None:
        return None
    try:
        return data.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(data).decode()}


def _parse_json(line: bytes) -> Parsed:
    try:
        found = json.loads(line)
    except ValueError as error:
        raise FormatError(f"not JSON ({error})") from None
    except RecursionError:
        raise FormatError("JSON nested too deeply") from None
    if not isinstance(found, dict) or "value" not in found:
        raise FormatError('expected an object with "value" and optionally "key", "headers", "partition", "timestamp"')
    return Parsed(
        _from_json(found["value"]),
        _from_json(found.get("key")),
        _headers(found.get("headers")),
        _integer(found, "partition", INT32_MAX),
        _integer(found, "timestamp", INT64_MAX),
    )


def _integer(found: dict[str, Any], name: str, most: int) -> int | None:
    value = found.get(name)
    if value is not None and (not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= most):
        raise FormatError(f'"{name}" must be a number from 0 to {most}')
    return value


def _from_json(value: Any) -> bytes | None:
    """Strings as UTF-8, `{"base64": ...}` decoded, null as null; any other JSON value as compact JSON text."""
    if value is None:
        return None
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, dict) and list(value) == ["base64"]:
        return _decode_base64(str(value["base64"]).encode())
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def _headers(value: Any) -> Headers | None:
    if value is None:
        return None
    pairs = list(value.items()) if isinstance(value, dict) else value
    if not isinstance(pairs, list) or not all(isinstance(pair, list | tuple) and len(pair) == 2 for pair in pairs):
        raise FormatError('"headers" must be an object or a list of [name, value] pairs')
    return [(str(name), _from_json(content)) for name, content in pairs]


def _decode_hex(text: bytes) -> bytes:
    try:
        return bytes.fromhex(text.decode("ascii"))
    except ValueError:
        raise FormatError("not hexadecimal") from None


def _decode_base64(text: bytes) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        raise FormatError("not base64") from None


_DECODERS: dict[Format, Callable[[bytes], bytes]] = {
    Format.RAW: bytes,
    Format.HEX: _decode_hex,
    Format.BASE64: _decode_base64,
}
_ENCODERS: dict[Format, Callable[[bytes], bytes]] = {
    Format.RAW: bytes,
    Format.HEX: lambda data: data.hex().encode(),
    Format.BASE64: base64.b64encode,
}


def unescape(text: str) -> bytes:
    r"""A separator as typed: `\t`, `\n`, `\0`, `\x1f` and `\\` mean what they mean in Python."""
    try:
        return text.encode("latin-1", "backslashreplace").decode("unicode_escape").encode()
    except UnicodeDecodeError:
        return text.encode()
