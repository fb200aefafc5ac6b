"""The file `<offset>.snapshot`: producer state as of an offset (Kafka's ProducerSnapshot, version 1).

Big-endian: version (i16), CRC-32C of what follows it (u32), number of entries (i32), then per producer id (i64),
epoch (i16), last sequence (i32), last offset (i64), offset delta (i32), timestamp (i64), coordinator epoch (i32) and
first offset of the open transaction (i64, -1 when there is none). Only the last batch of each producer is kept.
"""

from struct import Struct

from crc32c import crc32c

from odradek.log.errors import CorruptFileError
from odradek.log.producer_state import NO_OFFSET, NO_SEQUENCE, BatchMetadata, ProducerEntry, ProducerState

VERSION = 1
HEADER = Struct(">hIi")
ENTRY = Struct(">qhiqiqiq")
_COUNT = Struct(">i")
_CRC_COVERS_FROM = 6


def encode(state: ProducerState) -> bytes:
    """The file's content."""
    entries = [_encode_entry(entry) for entry in state.entries.values()]
    checked = _COUNT.pack(len(entries)) + b"".join(entries)
    return HEADER.pack(VERSION, crc32c(checked), len(entries)) + checked[_COUNT.size :]


def decode(content: bytes) -> ProducerState:
    """The state. Raises CorruptFileError."""
    if len(content) < HEADER.size:
        raise CorruptFileError(f"a producer snapshot of {len(content)} bytes is too short")
    version, crc, count = HEADER.unpack_from(content)
    if version != VERSION:
        raise CorruptFileError(f"producer snapshot version {version} is unknown")
    if len(content) - HEADER.size != count * ENTRY.size or crc != crc32c(content[_CRC_COVERS_FROM:]):
        raise CorruptFileError("producer snapshot does not match its checksum")
    state = ProducerState()
    for fields in ENTRY.iter_unpack(content[HEADER.size :]):
        entry = _decode_entry(*fields)
        state.entries[entry.producer_id] = entry
    return state


def _encode_entry(entry: ProducerEntry) -> bytes:
    last = entry.batches[-1] if entry.batches else BatchMetadata(NO_SEQUENCE, NO_OFFSET, 0, -1)
    return ENTRY.pack(
        entry.producer_id,
        entry.producer_epoch,
        last.last_sequence,
        last.last_offset,
        last.offset_delta,
        entry.last_timestamp_ms,
        entry.coordinator_epoch,
        entry.current_transaction_first_offset,
    )


def _decode_entry(
    producer_id: int,
    producer_epoch: int,
    last_sequence: int,
    last_offset: int,
    offset_delta: int,
    timestamp_ms: int,
    coordinator_epoch: int,
    transaction_first_offset: int,
) -> ProducerEntry:
    entry = ProducerEntry(producer_id, producer_epoch)
    if last_offset >= 0:
        entry.batches = (BatchMetadata(last_sequence, last_offset, offset_delta, timestamp_ms),)
    entry.last_timestamp_ms = timestamp_ms
    entry.coordinator_epoch = coordinator_epoch
    entry.current_transaction_first_offset = transaction_first_offset
    return entry
