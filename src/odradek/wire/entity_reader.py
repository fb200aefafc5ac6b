"""Requests into kio's dataclasses, driven by their fields, for bytes that nobody vouches for.

kio's own reader is native and believes the counts it reads: a request of a few bytes makes it ask for more memory than
there is, which ends the process. Here every count and size is checked against the bytes that are left first, and how
many items there may be in all is bounded, because a few bytes become an object of a hundred.

A reader takes (buffer, position, end) and returns (value, next position); it raises MalformedRequestError.
"""

from collections.abc import Callable
from dataclasses import MISSING, Field, fields, is_dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from struct import Struct
from types import NoneType, UnionType
from typing import Any, NamedTuple, Union, get_args, get_origin
from uuid import UUID

from kio.schema.errors import ErrorCode

from odradek.wire.errors import MalformedRequestError
from odradek.wire.primitives import (
    checked_end,
    read_array_size,
    read_nullable_string,
    read_tagged_count,
    read_unsigned_varint,
    skip_tagged_fields,
)

ITEMS_MAX = 250_000
"""In all arrays of one request together."""


class Content(bytes):
    """The bytes of one request, and how many more array items may be read from them."""

    items_left = ITEMS_MAX


Reader = Callable[[Content, int, int], tuple[Any, int]]

NUMBERS = {
    "int8": ">b",
    "int16": ">h",
    "int32": ">i",
    "int64": ">q",
    "uint8": ">B",
    "uint16": ">H",
    "uint32": ">I",
    "uint64": ">Q",
    "float64": ">d",
}
NO_UUID = UUID(int=0)
_MILLISECOND = timedelta(milliseconds=1)
_LONGEST_MS = timedelta.max // _MILLISECOND
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NULL_ENTITY = -1


class _Type(NamedTuple):
    """What a field's annotation says."""

    inner: Any
    is_array: bool
    is_nullable: bool


@cache
def reader_of(entity_type: type) -> Reader:
    """A reader of whole entities of this type."""
    flexible: bool = entity_type.__flexible__  # type: ignore[attr-defined]
    plain = [(each.name, _field_reader(each, flexible)) for each in fields(entity_type) if "tag" not in each.metadata]
    tagged = {
        each.metadata["tag"]: (each.name, _field_reader(each, flexible, is_tagged=True))
        for each in fields(entity_type)
        if "tag" in each.metadata
    }
    defaults = {each.name: _tagged_default(each) for each in fields(entity_type) if "tag" in each.metadata}

    def read(buffer: Content, position: int, end: int) -> tuple[Any, int]:
        values = {}
        for name, read_field in plain:
            values[name], position = read_field(buffer, position, end)
        if flexible:
            if tagged:
                values.update(defaults)
                position = _read_tagged(buffer, position, end, tagged, values)
            else:
                position = skip_tagged_fields(buffer, position, end)
        return entity_type(**values), position

    return read


def _read_tagged(
    buffer: Content, position: int, end: int, tagged: dict[int, tuple[str, Reader]], values: dict[str, Any]
) -> int:
    count, position = read_tagged_count(buffer, position, end)
    for _ in range(count):
        tag, position = read_unsigned_varint(buffer, position, end)
        size, position = read_unsigned_varint(buffer, position, end)
        after = checked_end(position, size, end)
        if tag in tagged:
            name, read_field = tagged[tag]
            values[name], position = read_field(buffer, position, after)
            if position != after:
                raise MalformedRequestError(f"tagged field {name} is shorter than its {size} bytes")
        position = after
    return position


def _field_reader(field: Field[Any], flexible: bool, *, is_tagged: bool = False) -> Reader:
    kind = _type_of(field.type)
    is_nullable = kind.is_nullable and not is_tagged
    if kind.is_array:
        return _array_reader(_item_reader(field, kind, flexible), flexible, kind.is_nullable)
    if is_dataclass(kind.inner):
        whole = reader_of(kind.inner)  # type: ignore[arg-type]
        return _nullable_entity_reader(whole) if is_nullable else whole
    return _primitive_reader(field.metadata["kafka_type"], flexible, kind.is_nullable)


def _item_reader(field: Field[Any], kind: _Type, flexible: bool) -> Reader:
    if is_dataclass(kind.inner):
        return reader_of(kind.inner)  # type: ignore[arg-type]
    return _primitive_reader(field.metadata["kafka_type"], flexible, is_nullable=False)


def is_array(field: Field[Any]) -> bool:
    """Whether it holds an array."""
    return _type_of(field.type).is_array


def _type_of(annotation: Any) -> _Type:
    is_nullable = get_origin(annotation) in (UnionType, Union)
    if is_nullable:
        (annotation,) = (each for each in get_args(annotation) if each is not NoneType)
    if get_origin(annotation) is tuple:
        return _Type(get_args(annotation)[0], True, is_nullable)
    return _Type(annotation, False, is_nullable)


def _tagged_default(field: Field[Any]) -> Any:
    if field.default is not MISSING:
        return field.default
    annotation: Any = field.type
    return annotation()


def _array_reader(read_item: Reader, flexible: bool, is_nullable: bool) -> Reader:
    def read(buffer: Content, position: int, end: int) -> tuple[Any, int]:
        count, position = read_array_size(buffer, position, end, flexible)
        if count < 0:
            if count == -1 and is_nullable:
                return None, position
            raise MalformedRequestError(f"an array of {count} items")
        if count > end - position:
            raise MalformedRequestError(f"an array of {count} items ends beyond the request")
        buffer.items_left -= count
        if buffer.items_left < 0:
            raise MalformedRequestError(f"it has more than {ITEMS_MAX} items")
        items = []
        for _ in range(count):
            item, position = read_item(buffer, position, end)
            items.append(item)
        return tuple(items), position

    return read


def _nullable_entity_reader(read_entity: Reader) -> Reader:
    read_marker = _number_reader("int8")

    def read(buffer: Content, position: int, end: int) -> tuple[Any, int]:
        marker, position = read_marker(buffer, position, end)
        return (None, position) if marker == _NULL_ENTITY else read_entity(buffer, position, end)

    return read


def _primitive_reader(kafka_type: str, flexible: bool, is_nullable: bool) -> Reader:
    if kafka_type in NUMBERS:
        return _number_reader(kafka_type)
    if kafka_type == "string":
        return _string_reader(flexible, is_nullable)
    if kafka_type in ("bytes", "records"):
        return _bytes_reader(flexible, is_nullable)
    return _CONVERTED[kafka_type]


def _number_reader(kafka_type: str) -> Reader:
    layout = Struct(NUMBERS[kafka_type])

    def read(buffer: Content, position: int, end: int) -> tuple[Any, int]:
        after = position + layout.size
        if after > end:
            raise MalformedRequestError("a number ends beyond the request")
        return layout.unpack_from(buffer, position)[0], after

    return read


def _string_reader(flexible: bool, is_nullable: bool) -> Reader:
    def read(buffer: Content, position: int, end: int) -> tuple[Any, int]:
        value, position = read_nullable_string(buffer, position, end, flexible)
        if value is None and not is_nullable:
            raise MalformedRequestError("a string that must be present is null")
        return value, position

    return read


def _bytes_reader(flexible: bool, is_nullable: bool) -> Reader:
    def read(buffer: Content, position: int, end: int) -> tuple[Any, int]:
        size, position = read_array_size(buffer, position, end, flexible)
        if size < 0:
            if size == -1 and is_nullable:
                return None, position
            raise MalformedRequestError("bytes that must be present are null")
        after = checked_end(position, size, end)
        return buffer[position:after], after

    return read


def _converted(kafka_type: str, convert: Callable[[Any], Any]) -> Reader:
    read_number = _number_reader(kafka_type)

    def read(buffer: Content, position: int, end: int) -> tuple[Any, int]:
        number, position = read_number(buffer, position, end)
        try:
            return convert(number), position
        except (ValueError, OverflowError) as error:
            raise MalformedRequestError(f"a field has the impossible value {number}") from error

    return read


def _read_uuid(buffer: Content, position: int, end: int) -> tuple[UUID | None, int]:
    after = checked_end(position, 16, end)
    value = UUID(bytes=buffer[position:after])
    return (None if value == NO_UUID else value), after


def _datetime_of(milliseconds: int) -> datetime | None:
    return None if milliseconds == -1 else _EPOCH + milliseconds * _MILLISECOND


def _duration_of(milliseconds: int) -> timedelta:
    """Some clients write the largest number for ever, which is longer than Python counts: 2.7 million years will do."""
    return max(-_LONGEST_MS, min(milliseconds, _LONGEST_MS)) * _MILLISECOND


_CONVERTED: dict[str, Reader] = {
    "bool": _converted("int8", bool),
    "error_code": _converted("int16", ErrorCode),
    "timedelta_i32": _converted("int32", lambda milliseconds: milliseconds * _MILLISECOND),
    "timedelta_i64": _converted("int64", _duration_of),
    "datetime_i64": _converted("int64", _datetime_of),
    "uuid": _read_uuid,
}
