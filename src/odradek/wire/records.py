"""Record batches, format 2 (magic 2), read and patched in place without decoding a record.

Layout, big-endian (Kafka documentation, "Record Batch"):

    0 base offset i64 | 8 length i32 (of what follows it) | 12 partition leader epoch i32 | 16 magic i8 | 17 CRC-32C u32
    21 attributes i16 | 23 last offset delta i32 | 27 base timestamp i64 | 35 max timestamp i64 | 43 producer id i64
    51 producer epoch i16 | 53 base sequence i32 | 57 record count i32 | 61 records

The CRC covers everything from the attributes on, so base offset and leader epoch change without recomputing it.
"""

from collections.abc import Iterator
from struct import Struct
from typing import NamedTuple

from crc32c import crc32c

from odradek.host.files import Buffer
from odradek.wire.errors import InvalidBatchError, UnsupportedMagicError

HEADER = Struct(">qiibIhiqqqhii")
HEADER_SIZE = HEADER.size
"""61 bytes: a batch without records is exactly this long."""

LOG_OVERHEAD = 12
"""Bytes of base offset and length, which `length` does not count."""

MAGIC_OFFSET = 16
CRC_OFFSET = 17
ATTRIBUTES_OFFSET = 21
MAX_TIMESTAMP_OFFSET = 35
COUNT_OFFSET = 57
MAGIC = 2

NO_TIMESTAMP = -1
NO_PRODUCER_ID = -1
NO_SEQUENCE = -1

COMPRESSION_MASK = 0x07
CODEC_MAX = 4
"""zstd (KIP-110), the last there is."""
TIMESTAMP_TYPE_FLAG = 0x08
TRANSACTIONAL_FLAG = 0x10
CONTROL_FLAG = 0x20
DELETE_HORIZON_FLAG = 0x40

_MINIMUM_LENGTH = 14  # The shortest length any format has had; Kafka calls anything below it corrupt.
_OFFSET_AND_LENGTH = Struct(">qi")
_BASE_OFFSET = Struct(">q")
_LEADER_EPOCH = Struct(">i")
_CRC = Struct(">I")
_ATTRIBUTES = Struct(">h")


class BatchHeader(NamedTuple):
    """The fixed part of a batch, in the order of its bytes."""

    base_offset: int
    length: int
    leader_epoch: int
    magic: int
    crc: int
    attributes: int
    last_offset_delta: int
    base_timestamp: int
    max_timestamp: int
    producer_id: int
    producer_epoch: int
    base_sequence: int
    count: int  # type: ignore[assignment]  # the protocol calls it so; nobody counts the fields of a header

    @property
    def size(self) -> int:
        """Bytes of the whole batch."""
        return self.length + LOG_OVERHEAD

    @property
    def last_offset(self) -> int:
        return self.base_offset + self.last_offset_delta

    @property
    def last_sequence(self) -> int:
        """Sequences wrap from 2^31 - 1 to 0."""
        if self.base_sequence < 0:
            return NO_SEQUENCE
        return (self.base_sequence + self.last_offset_delta) & 0x7FFFFFFF

    @property
    def compression(self) -> int:
        """Codec number: 0 none, 1 gzip, 2 snappy, 3 lz4, 4 zstd."""
        return self.attributes & COMPRESSION_MASK

    @property
    def is_log_append_time(self) -> bool:
        return bool(self.attributes & TIMESTAMP_TYPE_FLAG)

    @property
    def is_transactional(self) -> bool:
        return bool(self.attributes & TRANSACTIONAL_FLAG)

    @property
    def is_control(self) -> bool:
        return bool(self.attributes & CONTROL_FLAG)

    @property
    def has_delete_horizon(self) -> bool:
        return bool(self.attributes & DELETE_HORIZON_FLAG)


def read_header(buffer: Buffer, position: int = 0) -> BatchHeader:
    """The header at `position`, whatever its content. Raises InvalidBatchError when fewer than 61 bytes are there."""
    if len(buffer) - position < HEADER_SIZE:
        raise InvalidBatchError(f"{len(buffer) - position} bytes are no batch header ({HEADER_SIZE})")
    return BatchHeader._make(HEADER.unpack_from(buffer, position))


def batches(buffer: Buffer, position: int = 0) -> Iterator[tuple[int, BatchHeader]]:
    """(position, header) of each whole batch; an incomplete last one is left out, as readers of a log expect.

    Whoever must know that nothing was left out compares the last position + size with the buffer's length.
    Raises InvalidBatchError for an impossible length, UnsupportedMagicError for a format other than 2.
    """
    end = len(buffer)
    while end - position >= LOG_OVERHEAD:
        _, length = _OFFSET_AND_LENGTH.unpack_from(buffer, position)
        if length < _MINIMUM_LENGTH:
            raise InvalidBatchError(f"batch length {length} is below the smallest possible")
        if end - position - LOG_OVERHEAD < length:
            return
        if buffer[position + MAGIC_OFFSET] != MAGIC:
            raise UnsupportedMagicError(f"record format {buffer[position + MAGIC_OFFSET]} is not supported, only 2")
        if length < HEADER_SIZE - LOG_OVERHEAD:
            raise InvalidBatchError(f"batch length {length} is shorter than its header")
        header = BatchHeader._make(HEADER.unpack_from(buffer, position))
        yield position, header
        position += length + LOG_OVERHEAD


def crc_is_valid(buffer: Buffer, position: int, header: BatchHeader) -> bool:
    """Whether the batch's CRC-32C matches its bytes, all of which must be in the buffer."""
    return crc32c(_checked_part(buffer, position, header.length)) == header.crc


def set_base_offset(buffer: bytearray | memoryview, position: int, base_offset: int, leader_epoch: int) -> None:
    """Place a batch in a log. Neither field is covered by the CRC."""
    _BASE_OFFSET.pack_into(buffer, position, base_offset)
    _LEADER_EPOCH.pack_into(buffer, position + LOG_OVERHEAD, leader_epoch)


def set_log_append_time(buffer: bytearray | memoryview, position: int, timestamp_ms: int) -> None:
    """Mark the batch as LogAppendTime and give all its records this time: attributes, max timestamp and CRC change."""
    (attributes,) = _ATTRIBUTES.unpack_from(buffer, position + ATTRIBUTES_OFFSET)
    _ATTRIBUTES.pack_into(buffer, position + ATTRIBUTES_OFFSET, attributes | TIMESTAMP_TYPE_FLAG)
    _BASE_OFFSET.pack_into(buffer, position + MAX_TIMESTAMP_OFFSET, timestamp_ms)
    set_crc(buffer, position)


def set_crc(buffer: bytearray | memoryview, position: int) -> None:
    """Recompute the CRC of the whole batch at `position`."""
    _, length = _OFFSET_AND_LENGTH.unpack_from(buffer, position)
    _CRC.pack_into(buffer, position + CRC_OFFSET, crc32c(_checked_part(buffer, position, length)))


def _checked_part(buffer: Buffer, position: int, length: int) -> memoryview:
    return memoryview(buffer)[position + ATTRIBUTES_OFFSET : position + LOG_OVERHEAD + length]
