"""What becomes of a batch: its records, its header, its delete horizon."""

from collections.abc import Sequence
from typing import Any

import pytest

from odradek.log.cleaning.filtering import GONE, UNTOUCHED, BatchFilter, Fate
from odradek.log.cleaning.job import LastBatch
from odradek.log.cleaning.offset_map import OffsetMap
from odradek.log.cleaning.transactions import CleanedTransactions
from odradek.log.transaction_index import AbortedTransaction
from odradek.wire.compression import GZIP, LZ4, NONE, SNAPPY, ZSTD
from odradek.wire.errors import InvalidBatchError
from odradek.wire.record_codec import Record, decode_batch, encode_batch
from odradek.wire.records import BatchHeader, crc_is_valid, read_header, set_log_append_time

NOW_MS, RETENTION_MS = 1_000_000, 500
PRODUCER: dict[str, Any] = {"producer_id": 9, "producer_epoch": 1, "base_sequence": 4}


def record(offset: int, key: str | None, value: str | None = "value", timestamp: int = 100) -> Record:
    return Record(
        offset,
        timestamp + offset,
        None if key is None else key.encode(),
        None if value is None else value.encode(),
        (("header", b"content"),),
    )


def marker(offset: int, kind: int, producer_id: int = 9) -> bytes:
    """0 aborts, 1 commits."""
    key = b"\x00\x00" + kind.to_bytes(2, "big")
    return encode_batch(
        [Record(offset, 100, key, b"\x00" * 6)], base_offset=offset, producer_id=producer_id, producer_epoch=1,
        is_transactional=True, is_control=True,
    )  # fmt: skip


class Cleaning:
    """One filter over some batches. `newer`: keys that a later record, at offset 1000, has."""

    def __init__(
        self,
        newer: Sequence[str] = (),
        *,
        latest_offset: int = 2000,
        producers: Sequence[LastBatch] = (),
        aborted: Sequence[AbortedTransaction] = (),
        now_ms: int = NOW_MS,
    ) -> None:
        offsets = OffsetMap(10_000, 0.9, 100)
        for key in newer:
            offsets.put(key.encode(), 1000)
        offsets.latest_offset = latest_offset
        self.transactions = CleanedTransactions()
        self.transactions.add_aborted(aborted)
        self.filter = BatchFilter(offsets, self.transactions, producers, now_ms, RETENTION_MS)

    def fate(self, batch: bytes | bytearray) -> Fate:
        return self.filter.fate(memoryview(batch), read_header(batch))

    def kept(self, batch: bytes | bytearray) -> tuple[BatchHeader, list[Record]]:
        """Of a batch that does not stay as it is."""
        fate = self.fate(batch)
        assert isinstance(fate, bytearray), fate
        header = read_header(fate)
        assert crc_is_valid(fate, 0, header)
        assert header.size == len(fate)
        return header, decode_batch(fate)


@pytest.mark.parametrize("codec", [NONE, GZIP, SNAPPY, LZ4, ZSTD])
def test_superseded_records_go_and_the_others_keep_all_they_have(codec: int) -> None:
    records = [record(offset, f"key-{offset}") for offset in range(10, 200)]
    batch = encode_batch(records, base_offset=10, keep_offsets=True, leader_epoch=3, codec=codec, **PRODUCER)
    header, kept = Cleaning([f"key-{offset}" for offset in range(10, 200, 2)]).kept(batch)
    assert kept == records[1::2]
    before = read_header(batch)
    changed = header._replace(
        length=before.length, crc=before.crc, count=before.count, max_timestamp=before.max_timestamp
    )
    assert changed == before


def test_the_largest_timestamp_is_that_of_the_records_left() -> None:
    batch = encode_batch([record(0, "a", timestamp=900), record(1, "b", timestamp=100)], base_offset=0)
    header, _ = Cleaning(["a"]).kept(batch)
    assert header.max_timestamp == 101


def test_a_batch_stamped_at_its_append_keeps_that_timestamp() -> None:
    batch = bytearray(encode_batch([record(0, "a"), record(1, "b")], base_offset=0))
    set_log_append_time(batch, 0, 7777)
    header, kept = Cleaning(["a"]).kept(batch)
    assert header.is_log_append_time
    assert header.max_timestamp == 7777
    assert [each.timestamp for each in kept] == [7777]


def test_a_batch_of_which_all_survive_is_not_touched_and_one_of_which_none_do_is_gone() -> None:
    batch = encode_batch([record(0, "a"), record(1, "b")])
    assert Cleaning().fate(batch) is UNTOUCHED
    assert Cleaning(["a", "b"]).fate(batch) is GONE


def test_of_two_records_of_a_key_in_one_batch_the_last_stays() -> None:
    cleaning = Cleaning()
    cleaning.filter._offsets.put(b"a", 1)
    cleaning.filter._offsets.latest_offset = 5
    _, kept = cleaning.kept(encode_batch([record(0, "a", "old"), record(1, "a", "new")]))
    assert [each.value for each in kept] == [b"new"]


def test_records_beyond_the_map_stay() -> None:
    batch = encode_batch([record(offset, "a") for offset in range(3)], base_offset=8)
    _, kept = Cleaning(["a"], latest_offset=9).kept(batch)
    assert [each.offset for each in kept] == [10]
    assert Cleaning(["a"], latest_offset=7).fate(batch) is UNTOUCHED


def test_records_without_key_go() -> None:
    cleaning = Cleaning()
    _, kept = cleaning.kept(encode_batch([record(0, None), record(1, "a")]))
    assert [each.key for each in kept] == [b"a"]
    assert cleaning.filter.records_without_key == 1


def test_the_last_batch_of_an_active_producer_stays_without_its_records() -> None:
    batch = encode_batch([record(0, "a"), record(1, "b")], base_offset=0, leader_epoch=3, codec=LZ4, **PRODUCER)
    header, kept = Cleaning(["a", "b"], producers=[LastBatch(9, 1, 1)]).kept(batch)
    assert kept == []
    assert (header.size, header.count, header.compression, header.base_timestamp) == (61, 0, 0, -1)
    before = read_header(batch)
    assert (header.base_offset, header.last_offset, header.last_sequence) == (0, 1, before.last_sequence)
    assert (header.producer_id, header.producer_epoch, header.leader_epoch) == (9, 1, 3)
    assert header.max_timestamp == before.max_timestamp
    assert Cleaning(["a", "b"], producers=[LastBatch(9, 1, 99)]).fate(batch) is GONE
    assert Cleaning(["a", "b"], producers=[LastBatch(8, 1, 1)]).fate(batch) is GONE


def test_an_empty_batch_stays_only_as_long_as_its_producer_needs_it() -> None:
    _, _ = cleaned = Cleaning(["a"], producers=[LastBatch(9, 1, 0)]).kept(encode_batch([record(0, "a")], **PRODUCER))
    empty = encode_batch([], base_offset=0, **PRODUCER)
    assert cleaned[1] == []
    assert Cleaning(producers=[LastBatch(9, 1, 0)]).fate(empty) is UNTOUCHED
    assert Cleaning().fate(empty) is GONE


# -- tombstones --------------------------------------------------------------------------------------------------------


def test_a_tombstone_gets_a_delete_horizon_when_it_is_first_seen_and_its_batch_stays_readable() -> None:
    records = [record(0, "a", None), record(1, "b", "1" * 100), record(2, "c")]
    header, kept = Cleaning(["c"]).kept(encode_batch(records, codec=GZIP))
    assert header.has_delete_horizon
    assert header.base_timestamp == NOW_MS + RETENTION_MS
    assert kept == records[:2]
    assert header.max_timestamp == 101


def test_a_tombstone_stays_until_its_horizon_and_then_goes() -> None:
    _, records = Cleaning().kept(batch := encode_batch([record(0, "a", None), record(1, "b")]))
    marked = Cleaning().fate(batch)
    assert isinstance(marked, bytearray)
    assert Cleaning(now_ms=NOW_MS + RETENTION_MS - 1).fate(marked) is UNTOUCHED
    header, kept = Cleaning(now_ms=NOW_MS + RETENTION_MS).kept(marked)
    assert kept == records[1:]
    assert header.has_delete_horizon
    assert header.base_timestamp == NOW_MS + RETENTION_MS


def test_a_tombstone_whose_key_has_a_newer_record_goes_at_once() -> None:
    assert Cleaning(["a"]).fate(encode_batch([record(0, "a", None)])) is GONE


def test_a_tombstone_beyond_the_map_stays_even_past_its_horizon() -> None:
    marked = Cleaning(latest_offset=-1).fate(encode_batch([record(0, "a", None)]))
    assert isinstance(marked, bytearray)
    assert Cleaning(latest_offset=-1, now_ms=NOW_MS * 2).fate(marked) is UNTOUCHED


# -- transactions ------------------------------------------------------------------------------------------------------

ABORTED = AbortedTransaction(9, 0, 5, 5)


def transactional(offset: int, key: str = "a") -> bytes:
    return encode_batch([record(offset, key)], base_offset=offset, is_transactional=True, **PRODUCER)


def test_records_of_an_aborted_transaction_go_and_its_marker_stays_for_one_more_time() -> None:
    cleaning = Cleaning(aborted=[ABORTED])
    assert cleaning.fate(transactional(0)) is GONE
    assert cleaning.fate(marker(5, kind=0)) is UNTOUCHED
    assert cleaning.transactions.retained == [ABORTED]


def test_a_marker_of_nothing_gets_a_horizon_and_goes_when_that_has_passed() -> None:
    for kind in (0, 1):
        cleaning = Cleaning(aborted=[ABORTED] if kind == 0 else [])
        header, kept = cleaning.kept(marker(5, kind))
        assert header.is_control
        assert header.has_delete_horizon
        assert len(kept) == 1
        assert cleaning.transactions.retained == []
        marked = Cleaning().fate(marker(5, kind))
        assert isinstance(marked, bytearray)
        assert Cleaning(now_ms=NOW_MS + RETENTION_MS - 1).fate(marked) is UNTOUCHED
        assert Cleaning(now_ms=NOW_MS + RETENTION_MS).fate(marked) is GONE


def test_a_commit_marker_stays_while_a_batch_of_its_transaction_does() -> None:
    cleaning = Cleaning()
    assert cleaning.fate(transactional(0)) is UNTOUCHED
    assert cleaning.fate(marker(5, kind=1)) is UNTOUCHED
    assert cleaning.fate(marker(6, kind=1)) is not UNTOUCHED


def test_a_transaction_after_an_aborted_one_of_the_same_producer_is_not_taken_for_it() -> None:
    cleaning = Cleaning(aborted=[ABORTED])
    assert cleaning.fate(transactional(0)) is GONE
    assert cleaning.fate(marker(5, kind=0)) is UNTOUCHED
    assert cleaning.fate(transactional(6)) is UNTOUCHED
    assert cleaning.fate(marker(7, kind=1)) is UNTOUCHED


def test_the_marker_with_an_active_producers_epoch_stays_as_a_header() -> None:
    marked = Cleaning().fate(marker(5, kind=1))
    assert isinstance(marked, bytearray)
    late = NOW_MS + RETENTION_MS
    header, kept = Cleaning(now_ms=late, producers=[LastBatch(9, 1, -1)]).kept(marked)
    assert kept == []
    assert header.is_control
    assert header.is_transactional
    assert Cleaning(now_ms=late, producers=[LastBatch(9, 0, -1)]).fate(marked) is GONE
    assert Cleaning().fate(encode_batch([], base_offset=5, is_control=True, **PRODUCER)) is GONE


@pytest.mark.parametrize("damage", [b"\x02", b"\xff\xff", b""])
def test_records_that_are_none_are_not_rewritten(damage: bytes) -> None:
    batch = bytearray(encode_batch([record(0, "a")]))
    batch[61:] = damage
    batch[8:12] = (len(batch) - 12).to_bytes(4, "big")
    with pytest.raises(InvalidBatchError):
        Cleaning().fate(batch)
