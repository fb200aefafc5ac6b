"""Single records, for coordinators, tools and compacted topics. The produce and fetch paths never come here.

A record, all integers zigzag varints: length, attributes i8, timestamp delta, offset delta, key (length or -1, bytes),
value (the same), header count, headers (key length, key, value length or -1, value).
"""

from collections.abc import Sequence
from typing import NamedTuple

from odradek.host.files import Buffer
from odradek.wire.compression import NONE, compress, decompress
from odradek.wire.errors import InvalidBatchError
from odradek.wire.records import (
    CONTROL_FLAG,
    HEADER,
    HEADER_SIZE,
    LOG_OVERHEAD,
    MAGIC,
    NO_PRODUCER_ID,
    NO_SEQUENCE,
    NO_TIMESTAMP,
    TRANSACTIONAL_FLAG,
    BatchHeader,
    read_header,
    set_crc,
)

Header = tuple[str, bytes | None]

RECORD_SIZE_MIN = 7
"""Bytes of a record with nothing in it."""
_VARINT_BITS_MAX = 63


class Record(NamedTuple):
    """One record. `timestamp` in milliseconds since the epoch, -1 for none; a `value` of None is a tombstone."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: tuple[Header, ...] = ()


def encode_batch(
    records: Sequence[Record],
    *,
    base_offset: int = 0,
    keep_offsets: bool = False,
    leader_epoch: int = -1,
    producer_id: int = NO_PRODUCER_ID,
    producer_epoch: int = -1,
    base_sequence: int = NO_SEQUENCE,
    codec: int = NONE,
    level: int | None = None,
    is_transactional: bool = False,
    is_control: bool = False,
) -> bytes:
    """A whole batch with its CRC. Records are numbered from `base_offset` on, whatever their own offset says.

    With `keep_offsets` they keep their own instead, which must rise from `base_offset` on (a compacted batch).
    """
    timestamps = [record.timestamp for record in records]
    base_timestamp = timestamps[0] if timestamps else NO_TIMESTAMP
    blob, offset_delta = bytearray(), -1
    for index, record in enumerate(records):
        offset_delta = record.offset - base_offset if keep_offsets else index
        _write_record(blob, record, record.timestamp - base_timestamp, offset_delta)
    payload = compress(codec, blob, level)
    attributes = codec | (TRANSACTIONAL_FLAG if is_transactional else 0) | (CONTROL_FLAG if is_control else 0)
    batch = bytearray(HEADER_SIZE)
    HEADER.pack_into(
        batch, 0, base_offset, HEADER_SIZE - LOG_OVERHEAD + len(payload), leader_epoch, MAGIC, 0, attributes,
        max(offset_delta, 0), base_timestamp, max(timestamps, default=NO_TIMESTAMP), producer_id, producer_epoch,
        base_sequence, len(records),
    )  # fmt: skip
    batch += payload
    set_crc(batch, 0)
    return bytes(batch)


def decode_batch(batch: memoryview | bytes | bytearray) -> list[Record]:
    """The records of the one whole batch at the start of the buffer. The CRC is not looked at.

    Raises InvalidBatchError for anything that is not exactly the number of well-formed records the header states.
    """
    header = read_header(batch)
    if header.magic != MAGIC or not HEADER_SIZE <= header.size <= len(batch):
        raise InvalidBatchError(f"no whole batch of format {MAGIC}")
    blob = bytes(decompress(header.compression, memoryview(batch)[HEADER_SIZE : header.size]))
    if not 0 <= header.count * RECORD_SIZE_MIN <= len(blob):
        raise InvalidBatchError(f"{header.count} records do not fit into {len(blob)} bytes")
    records, position = [], 0
    try:
        for _ in range(header.count):
            record, position = _read_record(blob, position, header)
            records.append(record)
    except (IndexError, UnicodeDecodeError) as error:
        raise InvalidBatchError(f"a record is malformed: {error}") from error
    if position != len(blob):
        raise InvalidBatchError(f"{len(blob) - position} bytes follow the last record")
    return records


def _read_record(blob: bytes, position: int, header: BatchHeader) -> tuple[Record, int]:
    size, position = read_varint(blob, position)
    end = position + size
    if size < 0 or end > len(blob):
        raise InvalidBatchError(f"a record of {size} bytes ends beyond its batch")
    timestamp_delta, position = read_varint(blob, position + 1)
    offset_delta, position = read_varint(blob, position)
    key, position = _read_bytes(blob, position, end)
    value, position = _read_bytes(blob, position, end)
    count, position = read_varint(blob, position)
    if not 0 <= count <= end - position:
        raise InvalidBatchError(f"a record with {count} headers")
    headers = []
    for _ in range(count):
        name, position = _read_bytes(blob, position, end)
        content, position = _read_bytes(blob, position, end)
        if name is None:
            raise InvalidBatchError("a header's key is null")
        headers.append((name.decode(), content))
    if position != end:
        raise InvalidBatchError(f"a record ends at {position}, not at {end}")
    timestamp = header.max_timestamp if header.is_log_append_time else header.base_timestamp + timestamp_delta
    return Record(header.base_offset + offset_delta, timestamp, key, value, tuple(headers)), end


def _read_bytes(blob: bytes, position: int, end: int) -> tuple[bytes | None, int]:
    size, position = read_varint(blob, position)
    if size < 0:
        return None, position
    if position + size > end:
        raise InvalidBatchError(f"a field of {size} bytes ends beyond its record")
    return blob[position : position + size], position + size


def read_varint(blob: Buffer, position: int) -> tuple[int, int]:
    """The zigzag integer there and the position after it. Raises IndexError, InvalidBatchError."""
    value = shift = 0
    while True:
        byte = blob[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return (value >> 1) ^ -(value & 1), position
        shift += 7
        if shift > _VARINT_BITS_MAX:
            raise InvalidBatchError("a variable-length integer is longer than ten bytes")


def _write_record(blob: bytearray, record: Record, timestamp_delta: int, offset_delta: int) -> None:
    body = bytearray(1)
    _write_varint(body, timestamp_delta)
    _write_varint(body, offset_delta)
    _write_bytes(body, record.key)
    _write_bytes(body, record.value)
    _write_varint(body, len(record.headers))
    for name, content in record.headers:
        _write_bytes(body, name.encode())
        _write_bytes(body, content)
    _write_varint(blob, len(body))
    blob += body


def _write_bytes(body: bytearray, content: bytes | None) -> None:
    if content is None:
        _write_varint(body, -1)
    else:
        _write_varint(body, len(content))
        body += content


def _write_varint(body: bytearray, value: int) -> None:
    encoded = (value << 1) ^ (value >> 63)
    while encoded >= 0x80:
        body.append(encoded & 0x7F | 0x80)
        encoded >>= 7
    body.append(encoded)
