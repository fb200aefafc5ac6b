"""When a new segment begins, which old ones go, and what the files hold byte for byte."""

from pathlib import Path
from typing import Any

import pytest

from odradek.host.posix import PosixFiles
from odradek.log.segment import RELATIVE_OFFSET_MAX
from tests.support.faulty_files import FaultyFiles
from tests.support.logs import (
    NOW_MS,
    LogDirectory,
    append,
    append_many,
    batch,
    flush_all,
    offsets_in,
    placed,
    topic_config,
)

SIZE = len(batch(bytes(100)))


def directory_with(tmp_path: Path, **changes: Any) -> LogDirectory:
    return LogDirectory(tmp_path, PosixFiles(), topic_config(**changes))


def test_a_segment_never_exceeds_its_size(tmp_path: Path) -> None:
    log = directory_with(tmp_path, segment_bytes=2 * SIZE).open()
    append_many(log, 5)
    assert [segment.base_offset for segment in log.segments] == [0, 2, 4]
    assert log.size_bytes == 5 * SIZE


def test_a_segment_ends_when_its_records_span_too_much_time(tmp_path: Path) -> None:
    log = directory_with(tmp_path, segment_ms=1000).open()
    for delta in (0, 1000, 1001):
        append(log, batch(b"a", timestamp_ms=NOW_MS + delta))
    assert [segment.base_offset for segment in log.segments] == [0, 2]


def test_without_timestamps_the_clock_decides(tmp_path: Path) -> None:
    log = directory_with(tmp_path, segment_ms=1000).open()
    for delta in (0, 1000, 1001):
        append(log, batch(b"a", timestamp_ms=-1), now_ms=NOW_MS + delta)
    assert [segment.base_offset for segment in log.segments] == [0, 2]


def test_jitter_ends_segments_earlier(tmp_path: Path) -> None:
    log = directory_with(tmp_path, segment_ms=1000, segment_jitter_ms=500).open()
    assert 0 <= log.active.jitter_ms < 500
    append(log, batch(b"a"))
    append(log, batch(b"a", timestamp_ms=NOW_MS + 1001 - log.active.jitter_ms))
    assert len(log.segments) == 2


def test_a_segment_ends_when_its_index_is_full(tmp_path: Path) -> None:
    log = directory_with(tmp_path, segment_index_bytes=48, index_interval_bytes=0).open()
    append_many(log, 6)
    assert [segment.base_offset for segment in log.segments] == [0, 4]


def test_a_segment_ends_before_relative_offsets_overflow(tmp_path: Path) -> None:
    log = directory_with(tmp_path).open()
    append(log, placed(0, b"a"), origin="replication")
    append(log, placed(RELATIVE_OFFSET_MAX, b"b"), origin="replication")
    append(log, placed(RELATIVE_OFFSET_MAX + 1, b"c"), origin="replication")
    append(log, placed(5 * RELATIVE_OFFSET_MAX, b"d"), origin="replication")
    assert [segment.base_offset for segment in log.segments] == [0, RELATIVE_OFFSET_MAX + 1, 5 * RELATIVE_OFFSET_MAX]


def test_a_log_without_appends_is_one_empty_file(tmp_path: Path) -> None:
    directory = directory_with(tmp_path)
    log = directory.open()
    assert directory.names() == ["00000000000000000000.log"]
    assert log.roll(NOW_MS) is log.active
    assert len(log.segments) == 1


def test_the_files_of_two_segments_byte_for_byte(tmp_path: Path) -> None:
    directory = directory_with(tmp_path, segment_bytes=3 * SIZE, index_interval_bytes=SIZE)
    log = directory.open()
    for delta in (5, 3, 9, 9):
        append(log, batch(bytes(100), timestamp_ms=delta), leader_epoch=1)
    log.seal()
    flush_all(log)
    assert directory.names() == [
        "00000000000000000000.index",
        "00000000000000000000.log",
        "00000000000000000000.timeindex",
        "00000000000000000003.index",
        "00000000000000000003.log",
        "00000000000000000003.snapshot",
        "00000000000000000003.timeindex",
        "leader-epoch-checkpoint",
    ]
    batches = [
        batch(bytes(100), timestamp_ms=delta, base_offset=offset, leader_epoch=1)
        for offset, delta in enumerate((5, 3, 9, 9))
    ]
    assert directory.content("00000000000000000000.log") == b"".join(batches[:3])
    assert directory.content("00000000000000000003.log") == bytes(batches[3])
    assert directory.content("00000000000000000000.index") == bytes.fromhex("00000002") + (2 * SIZE).to_bytes(4, "big")
    assert directory.content("00000000000000000000.timeindex") == bytes.fromhex("0000000000000009 00000002")
    assert directory.content("00000000000000000003.index") == b""
    assert directory.content("00000000000000000003.timeindex") == bytes.fromhex("0000000000000009 00000000")
    assert directory.content("leader-epoch-checkpoint") == b"0\n1\n1 0\n"
    assert len(directory.content("00000000000000000003.snapshot")) == 10


def test_preallocated_space_is_given_back(tmp_path: Path) -> None:
    directory = directory_with(tmp_path, segment_bytes=4 * SIZE, preallocate=True)
    log = directory.open()
    append(log, batch(bytes(100)))
    assert len(directory.content("00000000000000000000.log")) == 4 * SIZE
    log = directory.reopen(log)
    assert len(directory.content("00000000000000000000.log")) == SIZE
    assert offsets_in(log) == [(0, 0)]


def test_an_idle_log_holds_no_descriptors(tmp_path: Path) -> None:
    directory = directory_with(tmp_path)
    log = directory.open()
    append(log, batch(b"a"))
    directory.reopen(log)
    assert len(directory.storage.descriptors) == 0


def test_index_entries_wait_for_room(tmp_path: Path) -> None:
    files = FaultyFiles()
    directory = LogDirectory(tmp_path, files, topic_config(index_interval_bytes=0))
    log = directory.open()
    append_many(log, 5)
    files.fail("pwritev", 28)
    assert not log.active.write_pending()
    assert offsets_in(log) == [(offset, offset) for offset in range(5)]
    log.seal()
    assert len(directory.content("00000000000000000000.index")) == 4 * 8


# -- retention --------------------------------------------------------------------------------------------------------


def test_segments_beyond_the_size_go_from_the_oldest(tmp_path: Path) -> None:
    directory = directory_with(tmp_path, segment_bytes=2 * SIZE, retention_bytes=5 * SIZE)
    log = directory.open()
    append_many(log, 9)
    removed = log.delete_old_segments(NOW_MS)
    assert log.log_start_offset == 4
    assert log.size_bytes == 5 * SIZE
    assert sorted(Path(path).name for path in removed if ".log" in path) == [
        "00000000000000000000.log.deleted",
        "00000000000000000002.log.deleted",
    ]
    assert offsets_in(log) == [(offset, offset) for offset in range(4, 9)]


def test_segments_go_when_their_newest_record_is_too_old(tmp_path: Path) -> None:
    log = directory_with(tmp_path, segment_bytes=2 * SIZE, retention_ms=100).open()
    append_many(log, 5)
    assert log.delete_old_segments(NOW_MS + 101) == []
    assert log.delete_old_segments(NOW_MS + 102)
    assert log.log_start_offset == 2


def test_the_active_segment_goes_too_after_a_new_one_began(tmp_path: Path) -> None:
    log = directory_with(tmp_path, retention_ms=100).open()
    append_many(log, 5)
    assert log.delete_old_segments(NOW_MS + 1000)
    assert (log.log_start_offset, log.log_end_offset, log.size_bytes) == (5, 5, 0)
    assert append(log, batch(b"a")).base_offset == 5


def test_nothing_goes_above_the_high_watermark(tmp_path: Path) -> None:
    log = directory_with(tmp_path, segment_bytes=2 * SIZE, retention_ms=100).open()
    append_many(log, 5)
    log.delete_old_segments(NOW_MS + 1000, upper_offset=3)
    assert log.log_start_offset == 2


def test_nothing_goes_without_the_delete_policy_but_what_is_below_the_log_start(tmp_path: Path) -> None:
    config = {"segment_bytes": 2 * SIZE, "retention_ms": 100, "cleanup_policy": frozenset({"compact"})}
    log = directory_with(tmp_path, **config).open()
    append_many(log, 5)
    assert log.delete_old_segments(NOW_MS + 1000) == []
    log.advance_log_start(3)
    assert log.delete_old_segments(NOW_MS + 1000)
    assert log.segments[0].base_offset == 2
    assert log.log_start_offset == 3


def test_a_damaged_time_index_deletes_nothing_too_early(tmp_path: Path) -> None:
    directory = directory_with(tmp_path, segment_bytes=2 * SIZE, retention_ms=100)
    log = directory.open()
    append_many(log, 5)
    log = directory.reopen(log)
    index = tmp_path / "00000000000000000000.timeindex"
    index.write_bytes((5).to_bytes(8, "big") + bytes(4))
    assert log.delete_old_segments(NOW_MS + 50) == []


def test_deleted_files_of_an_earlier_process_are_removed(tmp_path: Path) -> None:
    directory = directory_with(tmp_path, segment_bytes=2 * SIZE, retention_bytes=SIZE)
    log = directory.open()
    append_many(log, 5)
    assert log.delete_old_segments(NOW_MS)
    directory.reopen(log)
    assert not [name for name in directory.names() if name.endswith(".deleted")]


# -- truncation and log start -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("offset", range(7))
def test_truncation_leaves_what_lies_below(tmp_path: Path, offset: int) -> None:
    directory = directory_with(tmp_path, segment_bytes=2 * SIZE, index_interval_bytes=0)
    log = directory.open()
    append_many(log, 6)
    assert log.truncate_to(offset) == offset
    assert offsets_in(log) == [(each, each) for each in range(offset)]
    assert append(log, batch(b"new"), leader_epoch=5).base_offset == offset
    log = directory.reopen(log)
    assert offsets_in(log) == [(each, each) for each in range(offset + 1)]


def test_truncation_inside_a_batch_removes_all_of_it(tmp_path: Path) -> None:
    log = directory_with(tmp_path).open()
    append(log, batch(b"a"))
    append(log, batch(b"b", b"c", b"d"))
    assert log.truncate_to(3) == 1


def test_truncation_rolls_epochs_and_producers_back(tmp_path: Path) -> None:
    log = directory_with(tmp_path).open()
    for sequence in range(4):
        records = batch(b"v", producer_id=7, producer_epoch=0, base_sequence=sequence)
        append(log, records, leader_epoch=sequence)
    log.truncate_to(2)
    assert log.epochs.entries == ((0, 0), (1, 1))
    assert log.producers.entries[7].last_sequence == 1
    assert log.end_offset_for_epoch(1) == (1, 2)


def test_truncation_lowers_what_counts_as_flushed(tmp_path: Path) -> None:
    log = directory_with(tmp_path).open()
    append_many(log, 4)
    flush_all(log)
    assert (log.flushed_offset, log.recovery_point, log.dirty) == (4, 4, False)
    log.truncate_to(2)
    assert (log.flushed_offset, log.recovery_point, log.dirty) == (2, 2, True)
    flush_all(log)
    assert (log.flushed_offset, log.recovery_point, log.dirty) == (2, 2, False)


def test_a_log_can_begin_anew_at_any_offset(tmp_path: Path) -> None:
    directory = directory_with(tmp_path, segment_bytes=2 * SIZE)
    log = directory.open()
    append_many(log, 5)
    log.truncate_fully_and_start_at(100, NOW_MS)
    assert (log.log_start_offset, log.log_end_offset, log.size_bytes) == (100, 100, 0)
    assert append(log, batch(b"a")).base_offset == 100
    log = directory.reopen(log)
    assert offsets_in(log) == [(100, 100)]


def test_the_log_start_moves_forward_only(tmp_path: Path) -> None:
    log = directory_with(tmp_path).open()
    append_many(log, 5)
    assert log.advance_log_start(3)
    assert not log.advance_log_start(2)
    assert log.log_start_offset == 3


def test_a_log_start_beyond_the_end_begins_a_log_anew(tmp_path: Path) -> None:
    directory = directory_with(tmp_path)
    log = directory.open()
    append_many(log, 2)
    directory.reopen(log).close()
    log = directory.open(log_start_offset=10)
    assert (log.log_start_offset, log.log_end_offset) == (10, 10)
