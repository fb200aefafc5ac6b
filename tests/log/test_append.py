"""What a log takes, what it refuses and with which of Kafka's errors, and what a failing disk does to it."""

import errno
from pathlib import Path
from typing import Any

import pytest
from kio.schema.errors import ErrorCode

from odradek.host.posix import PosixFiles
from odradek.log.append import AppendPlan
from odradek.log.appending import UNUSUAL
from odradek.log.errors import DirectoryFailedError, DiskFullError, UnexpectedOffsetError
from odradek.wire.records import ATTRIBUTES_OFFSET, CONTROL_FLAG, TRANSACTIONAL_FLAG, batches, crc_is_valid, set_crc
from tests.support.faulty_files import FaultyFiles
from tests.support.logs import (
    NOW_MS,
    LogDirectory,
    append,
    batch,
    headers_in,
    offsets_in,
    placed,
    read_from,
    topic_config,
)

HOUR_MS = 3_600_000
MAX_TIMESTAMP_OFFSET = 35
"""Of a batch's header."""


@pytest.fixture
def directory(tmp_path: Path) -> LogDirectory:
    return LogDirectory(tmp_path, PosixFiles())


def directory_with(tmp_path: Path, **changes: Any) -> LogDirectory:
    return LogDirectory(tmp_path, PosixFiles(), topic_config(**changes))


def with_field(records: bytearray, position: int, value: bytes) -> bytearray:
    """Some bytes replaced, and the CRC right again."""
    records[position : position + len(value)] = value
    set_crc(records, 0)
    return records


def test_batches_get_the_next_offsets(directory: LogDirectory) -> None:
    log = directory.open()
    first, second = append(log, batch(b"a", b"b")), append(log, batch(b"c"))
    assert (first.error, first.base_offset, first.last_offset) == (ErrorCode.none, 0, 1)
    assert (second.base_offset, second.last_offset, second.log_start_offset) == (2, 2, 0)
    assert log.log_end_offset == 3
    assert offsets_in(log) == [(0, 1), (2, 2)]


def test_a_batch_is_stored_as_sent_but_for_offset_and_epoch(directory: LogDirectory) -> None:
    log = directory.open()
    append(log, batch(b"a"))
    sent = batch(b"b", b"c")
    append(log, bytearray(sent), leader_epoch=9)
    stored = directory.content("00000000000000000000.log")[-len(sent) :]
    assert stored[:8] == (1).to_bytes(8, "big")
    assert stored[12:16] == (9).to_bytes(4, "big")
    assert stored[8:12] + stored[16:] == sent[8:12] + sent[16:]
    assert log.epochs.entries == ((0, 0), (9, 1))


def test_the_careful_way_stores_the_same(tmp_path: Path) -> None:
    """It is that of writes through a thread, and of whatever is unusual."""
    logs = []
    for name in ("plain", "careful"):
        (tmp_path / name).mkdir()
        directory = LogDirectory(tmp_path / name, PosixFiles(), topic_config(index_interval_bytes=200))
        logs.append((directory, directory.open()))
    (plain_directory, plain), (careful_directory, careful) = logs
    for i in range(9):
        records = batch(b"%d" % i, b"v" * 100, producer_id=3 if i % 2 else -1, base_sequence=i - 1 if i % 2 else -1)
        result = append(plain, bytearray(records), leader_epoch=i // 4)
        plan = careful.plan_append(memoryview(records), leader_epoch=i // 4, now_ms=NOW_MS)
        assert isinstance(plan, AppendPlan)
        careful.storage.files.pwritev(plan.segment.open_log().fd, [plan.buffer], plan.position)
        assert careful.commit_append(plan).base_offset == result.base_offset == 2 * i
    assert careful.epochs.entries == plain.epochs.entries
    plain_directory.stopped(plain)
    careful_directory.stopped(careful)
    assert careful_directory.names() == plain_directory.names()
    assert [careful_directory.content(name) for name in careful_directory.names()] == [
        plain_directory.content(name) for name in plain_directory.names()
    ]


@pytest.mark.parametrize(
    ("position", "value"),
    [
        (0, b"\x01"),
        (16, b"\x01"),
        (22, b"\x08"),
        (22, b"\x10"),
        (22, b"\x20"),
        (26, b"\x07"),
        (35, b"\x7f"),
        (57, b"\xff"),
    ],
    ids=["offset", "magic", "append time", "transactional", "control", "count", "timestamp", "no records"],
)
def test_an_unusual_batch_is_left_to_the_careful_way(directory: LogDirectory, position: int, value: bytes) -> None:
    log = directory.open()
    records = with_field(batch(b"a", b"b"), position, value)
    assert log.append_plain(memoryview(records), 0, NOW_MS) == UNUSUAL
    assert (log.log_end_offset, directory.content("00000000000000000000.log")) == (0, b"")


def test_log_append_time_is_written_into_the_batch(tmp_path: Path) -> None:
    log = directory_with(tmp_path, message_timestamp_type="LogAppendTime").open()
    result = append(log, batch(b"a", timestamp_ms=5), now_ms=NOW_MS)
    assert result.log_append_time_ms == NOW_MS
    (header,) = headers_in(log)
    assert header.is_log_append_time
    assert header.max_timestamp == NOW_MS
    assert crc_is_valid(read_from(log, 0), 0, header)


def test_a_producer_may_not_claim_log_append_time(tmp_path: Path) -> None:
    log = directory_with(tmp_path, message_timestamp_type="LogAppendTime").open()
    assert append(log, with_field(batch(b"a"), 22, b"\x08")).error is ErrorCode.invalid_timestamp


def test_the_claim_is_taken_back_in_a_create_time_topic(directory: LogDirectory) -> None:
    log = directory.open()
    assert append(log, with_field(batch(b"a"), 22, b"\x08")).error is ErrorCode.none
    (header,) = headers_in(log)
    assert not header.is_log_append_time
    assert crc_is_valid(read_from(log, 0), 0, header)


@pytest.mark.parametrize(
    ("records", "error"),
    [
        (bytearray(), ErrorCode.invalid_record),
        (bytearray(40), ErrorCode.corrupt_message),
        (batch(b"a")[:-1], ErrorCode.invalid_record),
        (batch(b"a") + batch(b"b"), ErrorCode.invalid_record),
        (with_field(batch(b"a"), 16, b"\x01"), ErrorCode.invalid_record),
        (with_field(batch(b"a"), 16, b"\x03"), ErrorCode.corrupt_message),
        (batch(b"a", base_offset=1), ErrorCode.invalid_record),
        (batch(b"a")[:-1] + b"\xff", ErrorCode.corrupt_message),
        (with_field(batch(b"a"), 57, bytes(4)), ErrorCode.invalid_record),
        (with_field(batch(b"a"), 57, b"\0\0\0\2"), ErrorCode.invalid_record),
        (with_field(batch(b"a"), 23, b"\xff\xff\xff\xff"), ErrorCode.invalid_record),
        (with_field(batch(b"a"), 22, bytes([CONTROL_FLAG])), ErrorCode.invalid_record),
        (with_field(batch(b"a"), 22, bytes([TRANSACTIONAL_FLAG])), ErrorCode.invalid_txn_state),
        (batch(b"a", producer_id=1, producer_epoch=0), ErrorCode.invalid_record),
        (batch(b"a", timestamp_ms=NOW_MS + HOUR_MS + 1), ErrorCode.invalid_timestamp),
        (batch(bytes(1_048_588)), ErrorCode.message_too_large),
    ],
)
def test_a_bad_batch_is_refused_and_leaves_no_trace(
    directory: LogDirectory, records: bytearray, error: ErrorCode
) -> None:
    log = directory.open()
    append(log, batch(b"before"))
    result = append(log, records)
    assert result.error is error
    assert result.base_offset == -1
    assert result.error_message
    assert append(log, batch(b"after")).base_offset == 1
    assert offsets_in(log) == [(0, 0), (1, 1)]


@pytest.mark.parametrize("codec", [5, 6, 7])
def test_a_codec_that_no_consumer_can_read_is_neither_taken_nor_stored(directory: LogDirectory, codec: int) -> None:
    log = directory.open()
    records = with_field(batch(b"a"), ATTRIBUTES_OFFSET, codec.to_bytes(2, "big"))
    assert log.append_plain(memoryview(records), 0, NOW_MS) == UNUSUAL
    result = append(log, records)
    assert (result.error, result.error_message) == (ErrorCode.invalid_record, f"compression codec {codec} is unknown")
    assert log.log_end_offset == 0


def test_a_header_whose_largest_timestamp_lies_before_the_first_record_is_refused(directory: LogDirectory) -> None:
    """Retention and lookup go by it."""
    log = directory.open()
    records = with_field(batch(b"a"), MAX_TIMESTAMP_OFFSET, (5).to_bytes(8, "big"))
    assert log.append_plain(memoryview(records), 0, NOW_MS) == UNUSUAL
    assert append(log, records).error is ErrorCode.invalid_record
    assert log.log_end_offset == 0


def test_an_incomplete_second_batch_is_cut_off(directory: LogDirectory) -> None:
    log = directory.open()
    assert append(log, batch(b"a") + batch(b"b")[:-1]).error is ErrorCode.none
    assert len(directory.content("00000000000000000000.log")) == len(batch(b"a"))


def test_a_batch_larger_than_a_segment_is_refused(tmp_path: Path) -> None:
    log = directory_with(tmp_path, segment_bytes=1000).open()
    assert append(log, batch(bytes(1000))).error is ErrorCode.record_list_too_large


def test_timestamps_too_old_are_named_by_record(tmp_path: Path) -> None:
    log = directory_with(tmp_path, message_timestamp_before_max_ms=1000).open()
    result = append(log, batch(b"a", b"b", timestamp_ms=NOW_MS - 1001))
    assert result.error is ErrorCode.invalid_timestamp
    assert [index for index, _ in result.record_errors] == [0, 1]
    assert append(log, batch(b"a", timestamp_ms=-1)).error is ErrorCode.none


def test_a_compacted_topic_refuses_records_without_key(tmp_path: Path) -> None:
    log = directory_with(tmp_path, cleanup_policy=frozenset({"compact"})).open()
    result = append(log, batch(b"a", key=None))
    assert result.error is ErrorCode.invalid_record
    assert [index for index, _ in result.record_errors] == [0]
    assert append(log, batch(b"a", key=b"k")).error is ErrorCode.none


@pytest.mark.parametrize(("compression_type", "codec"), [("gzip", 1), ("snappy", 2), ("lz4", 3), ("zstd", 4)])
def test_a_topic_with_its_own_compression_compresses_anew(tmp_path: Path, compression_type: str, codec: int) -> None:
    log = directory_with(tmp_path, compression_type=compression_type).open()
    assert append(log, batch(bytes(5000))).error is ErrorCode.none
    (header,) = headers_in(log)
    assert header.compression == codec
    assert header.size < 5000
    assert crc_is_valid(read_from(log, 0), 0, header)


def test_a_topic_without_compression_unpacks(tmp_path: Path) -> None:
    log = directory_with(tmp_path, compression_type="uncompressed").open()
    assert append(log, batch(bytes(5000), codec=4)).error is ErrorCode.none
    (header,) = headers_in(log)
    assert header.compression == 0
    assert header.size > 5000


def test_records_that_cannot_be_unpacked_are_refused(tmp_path: Path) -> None:
    log = directory_with(tmp_path, compression_type="lz4").open()
    assert append(log, with_field(batch(b"a"), 22, b"\x04")).error is ErrorCode.invalid_record


@pytest.mark.parametrize("settings", [{"compression_type": "lz4"}, {"cleanup_policy": frozenset({"compact"})}])
@pytest.mark.parametrize("said", [1, 3])
def test_as_many_records_as_the_header_says_must_be_there(tmp_path: Path, settings: dict[str, Any], said: int) -> None:
    log = directory_with(tmp_path, **settings).open()
    lying = with_field(batch(b"a", b"b", key=b"k"), 57, said.to_bytes(4, "big"))
    lying = with_field(lying, 23, (said - 1).to_bytes(4, "big"))
    assert append(log, lying).error is ErrorCode.invalid_record
    assert append(log, batch(b"a", b"b", key=b"k")).error is ErrorCode.none


def test_records_are_looked_at_only_where_it_is_said_that_they_have_not_been(tmp_path: Path) -> None:
    log = directory_with(tmp_path, cleanup_policy=frozenset({"compact"})).open()
    keyless = memoryview(batch(b"a", key=None))
    other = topic_config(retention_ms=1)
    for config, error in [(None, ErrorCode.invalid_record), (other, ErrorCode.invalid_record),
                          (log.config, ErrorCode.none)]:  # fmt: skip
        assert log.append(keyless, leader_epoch=0, now_ms=NOW_MS, checked_for=config).error is error


# -- idempotent producers --------------------------------------------------------------------------------------------


def from_producer(sequence: int, *values: bytes, epoch: int = 0) -> bytearray:
    return batch(*(values or (b"v",)), producer_id=7, producer_epoch=epoch, base_sequence=sequence)


def test_a_repeated_batch_is_answered_with_its_first_offsets(directory: LogDirectory) -> None:
    log = directory.open()
    append(log, batch(b"other"))
    append(log, from_producer(0, b"a", b"b"))
    append(log, from_producer(2))
    again = append(log, from_producer(0, b"a", b"b"))
    assert (again.error, again.base_offset, again.last_offset, again.duplicate) == (ErrorCode.none, 1, 2, True)
    assert log.log_end_offset == 4


def test_gaps_and_old_epochs_are_refused(directory: LogDirectory) -> None:
    log = directory.open()
    append(log, from_producer(0, epoch=1))
    assert append(log, from_producer(2, epoch=1)).error is ErrorCode.out_of_order_sequence_number
    assert append(log, from_producer(1, epoch=0)).error is ErrorCode.invalid_producer_epoch
    assert log.log_end_offset == 1


def test_producers_are_known_after_a_clean_stop(directory: LogDirectory) -> None:
    log = directory.open()
    append(log, from_producer(0))
    log = directory.reopen(log)
    assert append(log, from_producer(0)).duplicate
    assert append(log, from_producer(2)).error is ErrorCode.out_of_order_sequence_number
    assert append(log, from_producer(1)).base_offset == 1


def test_a_refused_write_does_not_count_for_the_producer(tmp_path: Path) -> None:
    files = FaultyFiles()
    log = LogDirectory(tmp_path, files).open()
    append(log, from_producer(0))
    files.fail("pwritev", errno.ENOSPC)
    with pytest.raises(DiskFullError):
        append(log, from_producer(1))
    result = append(log, from_producer(1))
    assert (result.base_offset, result.duplicate) == (1, False)


# -- failing disks ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_refuses_and_changes_nothing(tmp_path: Path, error: int) -> None:
    files = FaultyFiles()
    directory = LogDirectory(tmp_path, files)
    log = directory.open()
    append(log, batch(b"a"))
    before = directory.content("00000000000000000000.log")
    files.write_short(30, then=error)
    with pytest.raises(DiskFullError):
        append(log, batch(b"b"), leader_epoch=4)
    assert directory.content("00000000000000000000.log") == before
    assert log.log_end_offset == 1
    assert log.epochs.latest_epoch == 0
    assert append(log, batch(b"c")).base_offset == 1


def test_any_other_error_fails_the_directory(tmp_path: Path) -> None:
    files = FaultyFiles()
    log = LogDirectory(tmp_path, files).open()
    files.fail("pwritev", errno.EIO)
    with pytest.raises(DirectoryFailedError):
        append(log, batch(b"a"))
    assert log.log_end_offset == 0


def test_a_full_disk_that_cannot_be_cut_back_fails_the_directory(tmp_path: Path) -> None:
    files = FaultyFiles()
    log = LogDirectory(tmp_path, files).open()
    files.write_short(30)
    files.fail("truncate", errno.EIO)
    with pytest.raises(DirectoryFailedError):
        append(log, batch(b"a"))


def test_a_short_write_is_completed(tmp_path: Path) -> None:
    files = FaultyFiles()
    log = LogDirectory(tmp_path, files).open()
    files.write_short(30, then=None)
    append(log, batch(b"a"))
    assert offsets_in(log) == [(0, 0)]


def test_a_full_disk_at_a_roll_keeps_the_old_segment(tmp_path: Path) -> None:
    files = FaultyFiles()
    log = LogDirectory(tmp_path, files, topic_config(segment_bytes=300)).open()
    append(log, batch(bytes(100)))
    files.fail("open", errno.ENOSPC)
    with pytest.raises(DiskFullError):
        append(log, batch(bytes(200)))
    assert len(log.segments) == 1
    assert append(log, batch(bytes(200))).base_offset == 1
    assert len(log.segments) == 2


# -- replicated batches ----------------------------------------------------------------------------------------------


def test_a_follower_keeps_offsets_and_epochs(directory: LogDirectory) -> None:
    log = directory.open()
    records = placed(0, b"a", b"b", leader_epoch=3) + placed(2, b"c", leader_epoch=5) + placed(7, b"d", leader_epoch=5)
    result = append(log, records + placed(8, b"e")[:-1], origin="replication")
    assert (result.base_offset, result.last_offset) == (0, 7)
    assert log.log_end_offset == 8
    assert directory.content("00000000000000000000.log") == bytes(records)
    assert log.epochs.entries == ((3, 0), (5, 2))


def test_a_follower_refuses_what_does_not_follow(directory: LogDirectory) -> None:
    log = directory.open()
    append(log, placed(0, b"a", b"b"), origin="replication")
    with pytest.raises(UnexpectedOffsetError):
        append(log, placed(1, b"b"), origin="replication")
    with pytest.raises(UnexpectedOffsetError):
        append(log, placed(2, b"b") + placed(2, b"c"), origin="replication")
    assert log.log_end_offset == 2


def test_a_follower_refuses_damaged_batches(directory: LogDirectory) -> None:
    log = directory.open()
    damaged = placed(0, b"abc")
    damaged[-1] ^= 1
    assert append(log, damaged, origin="replication").error is ErrorCode.corrupt_message
    assert append(log, bytearray(10), origin="replication").error is ErrorCode.corrupt_message


def test_a_follower_refuses_batches_of_an_earlier_epoch_than_its_last(directory: LogDirectory) -> None:
    log = directory.open()
    append(log, placed(0, b"a", leader_epoch=3), origin="replication")
    for records in (placed(1, b"b", leader_epoch=2), placed(1, b"b", leader_epoch=4) + placed(2, b"c", leader_epoch=3)):
        assert append(log, records, origin="replication").error is ErrorCode.corrupt_message
    assert log.log_end_offset == 1


def test_a_follower_learns_of_producers(directory: LogDirectory) -> None:
    log = directory.open()
    append(log, placed(0, b"a", producer_id=7, producer_epoch=0, base_sequence=0), origin="replication")
    assert [entry.producer_id for entry in log.active_producers()] == [7]
    assert append(log, from_producer(0, b"a")).duplicate


def test_every_batch_of_a_set_is_indexed_where_due(tmp_path: Path) -> None:
    directory = directory_with(tmp_path, index_interval_bytes=100)
    log = directory.open()
    records = bytearray().join(placed(offset, bytes(100)) for offset in range(4))
    append(log, records, origin="replication")
    log.seal()
    size = len(placed(0, bytes(100)))
    expected = b"".join(offset.to_bytes(4, "big") + (offset * size).to_bytes(4, "big") for offset in (1, 2, 3))
    assert directory.content("00000000000000000000.index") == expected
    assert len(list(batches(records))) == 4
