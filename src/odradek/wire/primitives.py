"""The protocol's primitive types, for the hand-written codecs.

Readers take (buffer, position, end) and return (value, next position); they raise MalformedRequestError for whatever
does not fit between position and end. A count of items is checked against the bytes that are left, so that no claim
of a client decides how much is allocated.
"""

from struct import Struct
from uuid import UUID

from odradek.host.files import Buffer
from odradek.wire.errors import MalformedRequestError

INT16 = Struct(">h")
INT32 = Struct(">i")
INT64 = Struct(">q")
_unpack_int16 = INT16.unpack_from
_unpack_int32 = INT32.unpack_from

UUID_SIZE = 16
TAGGED_FIELDS_MAX = 32
"""In one section; the published schemas have fewer than ten anywhere."""

STRING_BYTES_MAX = 32_767
"""In every version, although compact strings could say more."""

_VARINT_BITS_MAX = 28
_UINT32_MAX = 0xFFFF_FFFF


def read_unsigned_varint(buffer: Buffer, position: int, end: int) -> tuple[int, int]:
    """Up to five bytes, seven bits each, least significant first."""
    if position < end and (byte := buffer[position]) < 0x80:
        return byte, position + 1
    value = shift = 0
    while position < end:
        byte = buffer[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & _UINT32_MAX, position
        shift += 7
        if shift > _VARINT_BITS_MAX:
            raise MalformedRequestError("a variable-length integer is longer than five bytes")
    raise MalformedRequestError("a variable-length integer ends beyond the request")


def write_unsigned_varint(value: int) -> bytes:
    """The shortest encoding of a value of at most 32 bits."""
    if value < 0x80:
        return bytes((value,))
    encoded = bytearray()
    while value >= 0x80:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def skip_tagged_fields(buffer: Buffer, position: int, end: int) -> int:
    """Position after a section of tagged fields, none of which is looked at."""
    if position < end and buffer[position] == 0:
        return position + 1
    count, position = read_tagged_count(buffer, position, end)
    for _ in range(count):
        _, position = read_unsigned_varint(buffer, position, end)
        size, position = read_unsigned_varint(buffer, position, end)
        position = checked_end(position, size, end)
    return position


def read_tagged_count(buffer: Buffer, position: int, end: int) -> tuple[int, int]:
    """How many tagged fields follow."""
    count, position = read_unsigned_varint(buffer, position, end)
    if count > TAGGED_FIELDS_MAX:
        raise MalformedRequestError(f"{count} tagged fields in one place")
    return count, position


def checked_end(position: int, size: int, end: int) -> int:
    """position + size, which must not lie beyond the end."""
    if size > end - position:
        raise MalformedRequestError(f"a field of {size} bytes ends beyond the request")
    return position + size


def checked_count(count: int, position: int, end: int, item_size_min: int) -> int:
    """The count of an array whose items take at least so many bytes each."""
    if count * item_size_min > end - position:
        raise MalformedRequestError(f"an array of {count} items ends beyond the request")
    return count


def read_array_size(buffer: Buffer, position: int, end: int, flexible: bool) -> tuple[int, int]:
    """Number of items, -1 for null."""
    if flexible:
        size, position = read_unsigned_varint(buffer, position, end)
        return size - 1, position
    if end - position < 4:
        checked_end(position, 4, end)
    return _unpack_int32(buffer, position)[0], position + 4


def read_array(buffer: Buffer, position: int, end: int, flexible: bool, item_size_min: int) -> tuple[int, int]:
    """Number of items of an array that cannot be null."""
    if flexible or end - position < 4:
        size, position = read_array_size(buffer, position, end, flexible)
    else:
        size, position = _unpack_int32(buffer, position)[0], position + 4
    if size < 0:
        raise MalformedRequestError("an array that must be present is null")
    if size * item_size_min > end - position:
        checked_count(size, position, end, item_size_min)
    return size, position


def read_nullable_string(buffer: Buffer, position: int, end: int, flexible: bool) -> tuple[str | None, int]:
    """A string of UTF-8 bytes behind its length, or null."""
    if flexible:
        size, position = read_unsigned_varint(buffer, position, end)
        size -= 1
    else:
        if end - position < 2:
            checked_end(position, 2, end)
        (size,) = _unpack_int16(buffer, position)
        position += 2
    if size < 0:
        return None, position
    after = position + size
    if size > STRING_BYTES_MAX:
        raise MalformedRequestError(f"a string of {size} bytes")
    if after > end:
        checked_end(position, size, end)
    try:
        return str(buffer[position:after], "utf-8"), after
    except UnicodeDecodeError as error:
        raise MalformedRequestError("a string is not UTF-8") from error


def read_string(buffer: Buffer, position: int, end: int, flexible: bool) -> tuple[str, int]:
    """As `read_nullable_string`; null is malformed."""
    value, position = read_nullable_string(buffer, position, end, flexible)
    if value is None:
        raise MalformedRequestError("a string that must be present is null")
    return value, position


def read_uuid(buffer: Buffer, position: int, end: int) -> tuple[UUID, int]:
    """16 bytes; the zero UUID stands for none."""
    after = checked_end(position, UUID_SIZE, end)
    return UUID(bytes=bytes(buffer[position:after])), after


def write_string(value: str, flexible: bool) -> bytes:
    """A string that is present."""
    encoded = value.encode()
    if flexible:
        return write_unsigned_varint(len(encoded) + 1) + encoded
    return INT16.pack(len(encoded)) + encoded


def write_nullable_string(value: str | None, flexible: bool) -> bytes:
    """A string or null."""
    if value is None:
        return b"\x00" if flexible else b"\xff\xff"
    return write_string(value, flexible)


def write_array_size(count: int, flexible: bool) -> bytes:
    """The number before an array's items."""
    return write_unsigned_varint(count + 1) if flexible else INT32.pack(count)
