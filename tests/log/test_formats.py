"""Each file format against bytes worked out by hand from Kafka's documentation."""

from uuid import UUID

import pytest
from crc32c import crc32c
from hypothesis import given
from hypothesis import strategies as st

from odradek.log import (
    epoch_cache,
    offset_index,
    partition_metadata,
    paths,
    producer_snapshot,
    time_index,
    transaction_index,
)
from odradek.log.errors import CorruptFileError, CorruptIndexError
from odradek.log.producer_state import ProducerState
from odradek.log.transaction_index import AbortedTransaction


def reader(content: bytes) -> offset_index.ReadAt:
    return lambda position, length: content[position : position + length]


def test_an_offset_index_entry_is_relative_offset_and_position() -> None:
    assert offset_index.ENTRY.pack(5, 4096) == bytes.fromhex("00000005 00001000")
    assert offset_index.entries_of(bytes.fromhex("00000005 00001000 00000009 00002001")) == [(5, 4096), (9, 8193)]


def test_offset_index_entries_must_rise() -> None:
    with pytest.raises(CorruptIndexError):
        offset_index.entries_of(bytes.fromhex("00000005 00001000 00000005 00002000"))
    with pytest.raises(CorruptIndexError):
        offset_index.entries_of(bytes(16))


@given(st.integers(0, 2000), st.integers(-1, 5000))
def test_the_floor_of_an_offset_index_is_what_a_linear_search_finds(count: int, target: int) -> None:
    entries = [(2 * slot + 1, 100 * (slot + 1)) for slot in range(count)]
    content = b"".join(offset_index.ENTRY.pack(*entry) for entry in entries)
    below = [entry for entry in entries if entry[0] <= target]
    slot, found = offset_index.floor_by(0, reader(content), count, target)
    assert (slot, found) == ((len(below) - 1, below[-1]) if below else (-1, offset_index.START))


def test_a_search_refuses_an_index_that_is_shorter_than_it_was() -> None:
    with pytest.raises(CorruptIndexError):
        offset_index.floor_by(0, reader(b""), 3, 1)


def test_a_time_index_entry_is_timestamp_and_relative_offset() -> None:
    assert time_index.ENTRY.pack(1_700_000_000_000, 7) == bytes.fromhex("0000018bcfe56800 00000007")


@given(st.integers(0, 300), st.integers(0, 700))
def test_the_floor_of_a_time_index_is_what_a_linear_search_finds(count: int, timestamp_ms: int) -> None:
    entries = [(2 * slot + 1, slot) for slot in range(count)]
    content = b"".join(time_index.ENTRY.pack(*entry) for entry in entries)
    below = [entry for entry in entries if entry[0] <= timestamp_ms]
    assert time_index.floor(reader(content), count, timestamp_ms) == (below[-1] if below else time_index.NONE)


def test_a_transaction_index_entry_has_34_bytes() -> None:
    entry = AbortedTransaction(producer_id=9, first_offset=10, last_offset=20, last_stable_offset=15)
    content = transaction_index.encode(entry)
    assert content.hex(" ", 8) == bytes.fromhex(
        "0000 0000000000000009 000000000000000a 0000000000000014 000000000000000f"
    ).hex(" ", 8)
    assert transaction_index.decode(content) == [entry]
    with pytest.raises(CorruptIndexError):
        transaction_index.decode(content[:-1])
    with pytest.raises(CorruptIndexError):
        transaction_index.decode(content + content)


def test_aborted_transactions_that_touch_the_range_are_reported() -> None:
    early, late = AbortedTransaction(1, 0, 9, 0), AbortedTransaction(2, 12, 20, 10)
    assert transaction_index.overlapping([early, late], 9, 12) == [early]
    assert transaction_index.overlapping([early, late], 10, 13) == [late]


def test_the_epoch_checkpoint_is_kafkas_text() -> None:
    assert epoch_cache.encode(((0, 0), (3, 42))) == b"0\n2\n0 0\n3 42\n"
    assert epoch_cache.decode(b"0\n2\n0 0\n3 42\n") == [(0, 0), (3, 42)]


@pytest.mark.parametrize(
    "content", [b"", b"1\n0\n", b"0\n2\n0 0\n", b"0\n1\n0\n", b"0\n2\n3 0\n3 5\n", b"0\n1\nx 0\n", b"\xff"]
)
def test_a_damaged_epoch_checkpoint_is_recognized(content: bytes) -> None:
    with pytest.raises(CorruptFileError):
        epoch_cache.decode(content)


def test_partition_metadata_holds_the_id_as_kafka_prints_it() -> None:
    topic_id = UUID("00112233-4455-6677-8899-aabbccddeeff")
    content = partition_metadata.encode(topic_id)
    assert content == b"version: 0\ntopic_id: ABEiM0RVZneImaq7zN3u_w"
    assert partition_metadata.decode(content) == topic_id


@pytest.mark.parametrize(
    "content", [b"", b"version: 0", b"version: 1\ntopic_id: AA", b"version: 0\ntopic_id: !", b"\xff"]
)
def test_damaged_partition_metadata_is_recognized(content: bytes) -> None:
    with pytest.raises(CorruptFileError):
        partition_metadata.decode(content)


def test_a_producer_snapshot_is_kafkas_version_1() -> None:
    state = ProducerState()
    state.update(7, 2, 11, 104, 3, 1_700_000_000_000)
    entry = bytes.fromhex(
        "0000000000000007 0002 0000000b 0000000000000068 00000003 0000018bcfe56800 ffffffff ffffffffffffffff"
    )
    checked = bytes.fromhex("00000001") + entry
    assert producer_snapshot.encode(state) == bytes.fromhex("0001") + crc32c(checked).to_bytes(4, "big") + checked


def test_a_snapshot_brings_back_the_last_batch_of_each_producer() -> None:
    state = ProducerState()
    for sequence in range(3):
        state.update(7, 0, sequence, 10 + sequence, 0, 5)
    state.update(8, 1, 4, 20, 4, 6)
    restored = producer_snapshot.decode(producer_snapshot.encode(state))
    assert list(restored.entries) == [7, 8]
    assert restored.entries[7].batches == state.entries[7].batches[-1:]
    assert restored.entries[8].last_timestamp_ms == 6


@given(st.integers(0, 200), st.integers(1, 255))
def test_a_changed_byte_of_a_snapshot_is_noticed(position: int, change: int) -> None:
    state = ProducerState()
    state.update(7, 2, 11, 104, 3, 5)
    content = bytearray(producer_snapshot.encode(state))
    content[position % len(content)] ^= change
    with pytest.raises(CorruptFileError):
        producer_snapshot.decode(bytes(content))


def test_files_are_named_by_their_base_offset_in_20_digits() -> None:
    assert paths.path_of("/d", 42, ".log") == "/d/00000000000000000042.log"
    names = ["00000000000000000042.log", "00000000000000000007.log", "7.log", "00000000000000000007.index", "x.log"]
    assert paths.base_offsets(names, ".log") == [7, 42]
