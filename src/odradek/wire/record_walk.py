"""Over a batch's records without making an object of their content: is each well-formed, and what a log wants to know.

Time is per record: beyond a few of them this belongs into the executor.
"""

from collections.abc import Iterator
from typing import NamedTuple

from odradek.wire.compression import decompress
from odradek.wire.errors import InvalidBatchError
from odradek.wire.record_codec import RECORD_SIZE_MIN, read_varint
from odradek.wire.records import HEADER_SIZE, MAGIC, BatchHeader, read_header


class RecordFacts(NamedTuple):
    """`timestamp_ms` since the epoch, -1 for none."""

    timestamp_ms: int
    has_key: bool


def walk_records(batch: memoryview | bytes | bytearray) -> Iterator[RecordFacts]:
    """The records of the one whole batch at the start of the buffer, in memory that does not grow with their number.

    Raises InvalidBatchError where they are not exactly the number of well-formed records the header states.
    """
    header = read_header(batch)
    if header.magic != MAGIC or not HEADER_SIZE <= header.size <= len(batch):
        raise InvalidBatchError(f"no whole batch of format {MAGIC}")
    blob = bytes(decompress(header.compression, memoryview(batch)[HEADER_SIZE : header.size]))
    if not 0 <= header.count * RECORD_SIZE_MIN <= len(blob):
        raise InvalidBatchError(f"{header.count} records do not fit into {len(blob)} bytes")
    position = 0
    for _ in range(header.count):
        try:
            facts, position = _walk_record(blob, position, header)
        except IndexError as error:
            raise InvalidBatchError(f"a record is malformed: {error}") from error
        yield facts
    if position != len(blob):
        raise InvalidBatchError(f"{len(blob) - position} bytes follow the last record")


def _walk_record(blob: bytes, position: int, header: BatchHeader) -> tuple[RecordFacts, int]:
    size, position = read_varint(blob, position)
    end = position + size
    if size < 0 or end > len(blob):
        raise InvalidBatchError(f"a record of {size} bytes ends beyond its batch")
    timestamp_delta, position = read_varint(blob, position + 1)
    _, position = read_varint(blob, position)
    key_size, position = read_varint(blob, position)
    position = _skip(position, key_size, end)
    value_size, position = read_varint(blob, position)
    position = _skip(position, value_size, end)
    count, position = read_varint(blob, position)
    if not 0 <= count <= end - position:
        raise InvalidBatchError(f"a record with {count} headers")
    for _ in range(count):
        position = _walk_header(blob, position, end)
    if position != end:
        raise InvalidBatchError(f"a record ends at {position}, not at {end}")
    timestamp_ms = header.max_timestamp if header.is_log_append_time else header.base_timestamp + timestamp_delta
    return RecordFacts(timestamp_ms, key_size >= 0), end


def _walk_header(blob: bytes, position: int, end: int) -> int:
    name_size, position = read_varint(blob, position)
    if name_size < 0:
        raise InvalidBatchError("a header's key is null")
    name_end = _skip(position, name_size, end)
    try:
        blob[position:name_end].decode()
    except UnicodeDecodeError as error:
        raise InvalidBatchError(f"a header's key is malformed: {error}") from error
    value_size, position = read_varint(blob, name_end)
    return _skip(position, value_size, end)


def _skip(position: int, size: int, end: int) -> int:
    """After a field of that size; a negative one is null."""
    if size < 0:
        return position
    if position + size > end:
        raise InvalidBatchError(f"a field of {size} bytes ends beyond its record")
    return position + size
