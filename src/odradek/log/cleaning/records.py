"""A batch's records where they lie: found in one tight loop, left out, given another base timestamp, never decoded."""

from collections.abc import Sequence
from typing import NamedTuple

from odradek.wire.compression import NONE, compress, decompress
from odradek.wire.errors import InvalidBatchError
from odradek.wire.record_codec import RECORD_SIZE_MIN, read_varint
from odradek.wire.records import (
    COMPRESSION_MASK,
    CONTROL_FLAG,
    DELETE_HORIZON_FLAG,
    HEADER,
    HEADER_SIZE,
    LOG_OVERHEAD,
    MAGIC,
    NO_TIMESTAMP,
    TIMESTAMP_TYPE_FLAG,
    TRANSACTIONAL_FLAG,
    BatchHeader,
    set_crc,
)

DECOMPRESSED_BYTES_MAX = 256 << 20
"""Of one batch. Brokers store what they are sent unread, so that it may be more than they would unpack themselves."""


class RecordSpan(NamedTuple):
    """A record in a batch's decompressed blob: where it begins and ends, and what compaction asks about it."""

    begin: int
    end: int
    timestamp_delta: int
    offset_delta: int
    key: bytes | None
    has_value: bool


def blob_of(batch: memoryview, header: BatchHeader) -> bytes:
    """The batch's records, decompressed. Raises InvalidBatchError."""
    return bytes(decompress(header.compression, batch[HEADER_SIZE : header.size], DECOMPRESSED_BYTES_MAX))


def spans_of(blob: bytes, count: int) -> list[RecordSpan]:
    """All records of a blob. Raises InvalidBatchError when it is not exactly `count` of them.

    Varints of one byte, which most are, are read in place.
    """
    if not 0 <= count * RECORD_SIZE_MIN <= len(blob):
        raise InvalidBatchError(f"{count} records do not fit into {len(blob)} bytes")
    spans: list[RecordSpan] = []
    position = 0
    try:
        for _ in range(count):
            begin = position
            byte = blob[position]
            if byte < 0x80:
                size, position = (byte >> 1) ^ -(byte & 1), position + 1
            else:
                size, position = read_varint(blob, position)
            end, position = position + size, position + 1
            byte = blob[position]
            if byte < 0x80:
                timestamp_delta, position = (byte >> 1) ^ -(byte & 1), position + 1
            else:
                timestamp_delta, position = read_varint(blob, position)
            byte = blob[position]
            if byte < 0x80:
                offset_delta, position = (byte >> 1) ^ -(byte & 1), position + 1
            else:
                offset_delta, position = read_varint(blob, position)
            byte = blob[position]
            if byte < 0x80:
                key_size, position = (byte >> 1) ^ -(byte & 1), position + 1
            else:
                key_size, position = read_varint(blob, position)
            key = None
            if key_size >= 0:
                key = blob[position : position + key_size]
                position += key_size
            has_value = not blob[position] & 1  # The sign of a zigzag integer is its lowest bit.
            if size < 0 or position >= end or end > len(blob):
                raise InvalidBatchError(f"a record of {size} bytes ends beyond its batch")
            spans.append(RecordSpan(begin, end, timestamp_delta, offset_delta, key, has_value))
            position = end
    except IndexError as error:
        raise InvalidBatchError(f"a record is malformed: {error}") from error
    if position != len(blob):
        raise InvalidBatchError(f"{len(blob) - position} bytes follow the last record")
    return spans


def rebuilt(header: BatchHeader, blob: bytes, spans: Sequence[RecordSpan], delete_horizon_ms: int | None) -> bytearray:
    """The batch with only these of its records, in its own codec; offsets, sequences and epochs stay.

    With a delete horizon that becomes the base timestamp, and the records' deltas change with it (KIP-534).
    """
    attributes, base_ms = header.attributes, header.base_timestamp
    if delete_horizon_ms is None:
        kept = b"".join([blob[span.begin : span.end] for span in spans])
    else:
        attributes |= DELETE_HORIZON_FLAG
        shift_ms, base_ms = header.base_timestamp - delete_horizon_ms, delete_horizon_ms
        kept = b"".join([_shifted(blob, span, shift_ms) for span in spans])
    max_ms = header.max_timestamp
    if not header.is_log_append_time:
        max_ms = header.base_timestamp + max(span.timestamp_delta for span in spans)
    payload = kept if header.compression == NONE else compress(header.compression, kept)
    return _batch(header, attributes, base_ms, max_ms, len(spans), payload)


def emptied(header: BatchHeader) -> bytearray:
    """The batch without records: what is left where its offsets or its producer's sequence must not be forgotten."""
    attributes = header.attributes & (TIMESTAMP_TYPE_FLAG | TRANSACTIONAL_FLAG | CONTROL_FLAG) & ~COMPRESSION_MASK
    return _batch(header, attributes, NO_TIMESTAMP, header.max_timestamp, 0, b"")


def _batch(header: BatchHeader, attributes: int, base_ms: int, max_ms: int, count: int, payload: bytes) -> bytearray:
    batch = bytearray(HEADER_SIZE)
    HEADER.pack_into(
        batch, 0, header.base_offset, HEADER_SIZE - LOG_OVERHEAD + len(payload), header.leader_epoch, MAGIC, 0,
        attributes, header.last_offset_delta, base_ms, max_ms, header.producer_id, header.producer_epoch,
        header.base_sequence, count,
    )  # fmt: skip
    batch += payload
    set_crc(batch, 0)
    return batch


def _shifted(blob: bytes, span: RecordSpan, shift_ms: int) -> bytes:
    """The record with its timestamp delta changed, and its length with that."""
    _, attributes_at = read_varint(blob, span.begin)
    _, rest_at = read_varint(blob, attributes_at + 1)
    body = blob[attributes_at : attributes_at + 1] + _varint(span.timestamp_delta + shift_ms) + blob[rest_at : span.end]
    return _varint(len(body)) + body


def _varint(value: int) -> bytes:
    encoded, written = (value << 1) ^ (value >> 63), bytearray()
    while encoded >= 0x80:
        written.append(encoded & 0x7F | 0x80)
        encoded >>= 7
    written.append(encoded)
    return bytes(written)
