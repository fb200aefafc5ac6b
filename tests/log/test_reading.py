"""Finding offsets and timestamps, with everything in memory and with nothing there."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from odradek.host.posix import PosixFiles
from odradek.log.errors import DamagedLogError, OffsetOutOfRangeError
from odradek.log.log import Log
from odradek.wire.records import batches
from tests.support.faulty_files import FaultyFiles
from tests.support.logs import (
    NOW_MS,
    LogDirectory,
    append,
    append_many,
    batch,
    flush_all,
    headers_in,
    offsets_in,
    read_from,
    topic_config,
)

SMALL = topic_config(segment_bytes=2000, index_interval_bytes=200)


def first_offset(content: bytes) -> int:
    return next(batches(content))[1].base_offset


def test_every_offset_is_found_in_its_batch(tmp_path: Path) -> None:
    log = LogDirectory(tmp_path, PosixFiles(), SMALL).open()
    for _ in range(40):
        append(log, batch(b"a", b"b", bytes(50)))
    assert len(log.segments) > 2
    for offset in range(log.log_end_offset):
        assert first_offset(read_from(log, offset)) == offset - offset % 3


def test_a_read_ends_at_the_upper_offset(tmp_path: Path) -> None:
    log = LogDirectory(tmp_path, PosixFiles()).open()
    append_many(log, 10)
    content = read_from(log, 2, upper_offset=5)
    assert [header.base_offset for _, header in batches(content)] == [2, 3, 4]
    assert read_from(log, 5, upper_offset=5) == b""
    assert read_from(log, 7, upper_offset=5) == b""
    assert read_from(log, 10) == b""


def test_a_read_takes_no_more_than_asked_except_one_large_batch(tmp_path: Path) -> None:
    log = LogDirectory(tmp_path, PosixFiles()).open()
    append(log, batch(bytes(1000)))
    append(log, batch(b"b"))
    size = len(batch(bytes(1000)))
    assert len(read_from(log, 0, size + 10)) <= size + 10
    assert len(read_from(log, 0, 100)) == size
    assert read_from(log, 0, 100, minimum_one_batch=False) == b""
    assert len(read_from(log, 0, 0)) == size


@pytest.mark.parametrize("offset", [1, 11])
def test_offsets_outside_of_the_log_are_refused(tmp_path: Path, offset: int) -> None:
    log = LogDirectory(tmp_path, PosixFiles()).open()
    append_many(log, 10)
    log.advance_log_start(2)
    with pytest.raises(OffsetOutOfRangeError):
        log.locate(offset, 100)


def test_a_reader_at_the_tail_needs_no_search(tmp_path: Path) -> None:
    files = FaultyFiles()
    log = LogDirectory(tmp_path, files).open()
    append_many(log, 5)
    assert len(headers_in(log, 0)) == 5
    append_many(log, 5)
    files.is_cold = True
    files.calls.clear()
    assert log.locate(5, 1 << 20) is not None
    assert "preadv" not in files.calls


def test_a_reader_that_waits_at_the_end_needs_no_search(tmp_path: Path) -> None:
    files = FaultyFiles()
    log = LogDirectory(tmp_path, files).open()
    append_many(log, 5)
    assert read_from(log, 5) == b""
    append_many(log, 1)
    files.is_cold = True
    found = log.locate(5, 1 << 20)
    assert found is not None
    assert found.length == len(batch(bytes(100)))


def test_a_reader_from_the_start_goes_on_where_it_ended(tmp_path: Path) -> None:
    files = FaultyFiles()
    log = LogDirectory(tmp_path, files).open()
    append_many(log, 10)
    found = log.locate(0, 400)
    assert found is not None
    content = bytearray(found.length)
    files.preadv(found.fd, [content], found.position)
    used = log.note_read(found, memoryview(content))
    found.release()
    assert used == 2 * len(batch(bytes(100)))
    files.is_cold = True
    assert log.locate(2, 1 << 20) is not None


def test_of_large_batches_only_what_fits_is_read_and_the_next_is_known(tmp_path: Path) -> None:
    files = FaultyFiles()
    log = LogDirectory(tmp_path, files).open()
    size = len(batch(bytes(900)))
    for _ in range(5):
        append(log, batch(bytes(900)))
    for offset, limit in ((0, size), (1, size + 100), (2, 2 * size - 1)):
        assert len(read_from(log, offset, limit)) == size
    assert len(read_from(log, 0, 2 * size)) == 2 * size, "both fit"
    assert len(read_from(log, 0, 2 * size + 9)) == 2 * size + 9, "batches below half of the limit are not looked at"
    read_from(log, 2, size)
    files.calls.clear()
    assert len(read_from(log, 3, 2 * size)) == 2 * size
    assert files.calls == ["preadv"], "no search and no look: it was known where to begin, and everything fits"


class ColdBehind(FaultyFiles):
    """In memory is only what lies before a position."""

    def __init__(self) -> None:
        super().__init__()
        self.cold_from = 1 << 60

    def preadv(self, fd: int, buffers: Sequence[bytearray | memoryview], offset: int, flags: int = 0) -> int:
        self.is_cold = offset >= self.cold_from
        return super().preadv(fd, buffers, offset, flags)


def test_a_large_batch_behind_that_is_not_in_memory_holds_up_no_reader(tmp_path: Path) -> None:
    files = ColdBehind()
    log = LogDirectory(tmp_path, files).open()
    for _ in range(3):
        append(log, batch(bytes(900)))
    files.cold_from = size = len(batch(bytes(900)))
    found = log.locate(0, size + 100)
    assert found is not None
    assert found.length == size + 100
    found.release()


def test_noted_reads_lead_over_the_ends_of_segments(tmp_path: Path) -> None:
    log = LogDirectory(tmp_path, PosixFiles(), SMALL).open()
    append_many(log, 40)
    offset, found = 0, []
    while offset < 40:
        located = log.locate(offset, 700)
        assert located is not None
        content = bytearray(located.length)
        log.storage.files.preadv(located.fd, [content], located.position)
        located.release()
        headers = [header for _, header in batches(content[: log.note_read(located, memoryview(content))])]
        found += [header.base_offset for header in headers]
        offset = headers[-1].last_offset + 1
    assert found == list(range(40))


def test_a_reader_at_the_end_follows_a_roll(tmp_path: Path) -> None:
    log = LogDirectory(tmp_path, PosixFiles(), SMALL).open()
    append_many(log, 3)
    assert read_from(log, 3) == b""
    log.roll(NOW_MS)
    append_many(log, 1)
    assert first_offset(read_from(log, 3)) == 3


def test_a_cold_search_goes_to_the_executor(tmp_path: Path) -> None:
    files = FaultyFiles()
    directory = LogDirectory(tmp_path, files, SMALL)
    log = directory.open()
    append_many(log, 40)
    log = directory.reopen(log)
    files.is_cold = True
    assert log.locate(7, 1 << 20) is None

    async def read() -> bytes:
        found = await log.locate_cold(7, 1 << 20, upper_offset=9)
        content = bytearray(found.length)
        files.preadv(found.fd, [content], found.position)
        found.release()
        return bytes(content)

    assert [header.base_offset for _, header in batches(asyncio.run(read()))] == [7, 8]


def test_a_cold_read_with_a_limit_smaller_than_the_batch(tmp_path: Path) -> None:
    files = FaultyFiles()
    log = LogDirectory(tmp_path, files).open()
    append_many(log, 3)
    files.is_cold = True
    assert log.locate(0, 10) is None
    found = asyncio.run(log.locate_cold(0, 10))
    assert found.length == len(batch(bytes(100)))
    found.release()


def test_a_damaged_index_is_made_anew(tmp_path: Path) -> None:
    directory = LogDirectory(tmp_path, PosixFiles(), SMALL)
    log = directory.open()
    append_many(log, 40)
    log = directory.reopen(log)
    index = tmp_path / "00000000000000000000.index"
    intact = index.read_bytes()
    index.write_bytes(b"\x00" * (len(intact) - 4) + b"\x01\x02\x03\x04")
    assert log.locate(5, 1 << 20) is None

    async def read() -> int:
        found = await log.locate_cold(5, 1 << 20)
        found.release()
        return found.position

    position = asyncio.run(read())
    assert first_offset(directory.content("00000000000000000000.log")[position:]) == 5
    assert index.read_bytes() == intact


def test_a_range_keeps_its_file_open_while_the_segment_is_deleted(tmp_path: Path) -> None:
    directory = LogDirectory(tmp_path, PosixFiles(), SMALL)
    log = directory.open()
    append_many(log, 40)
    found = log.locate(0, 1 << 20)
    assert found is not None
    log.advance_log_start(log.segments[1].base_offset)
    assert log.delete_old_segments(NOW_MS)
    content = bytearray(found.length)
    assert directory.files.preadv(found.fd, [content], found.position) == found.length
    assert first_offset(bytes(content)) == 0
    found.release()


def test_damage_met_by_a_search_is_reported_with_its_place(tmp_path: Path) -> None:
    directory = LogDirectory(tmp_path, PosixFiles())
    log = directory.open()
    append_many(log, 3)
    size = len(batch(bytes(100)))
    content = bytearray(directory.content("00000000000000000000.log"))
    content[size + 16] = 9
    (tmp_path / "00000000000000000000.log").write_bytes(content)
    with pytest.raises(DamagedLogError) as damage:
        log.locate(2, 100)
    assert (damage.value.position, damage.value.intact_offset) == (size, 1)


# -- timestamps -------------------------------------------------------------------------------------------------------


def found_at(log: Log, timestamp_ms: int) -> int | None:
    found = asyncio.run(log.offset_for_timestamp(timestamp_ms))
    return None if found is None else found.offset


def test_the_first_record_with_at_least_the_timestamp_is_found(tmp_path: Path) -> None:
    directory = LogDirectory(tmp_path, PosixFiles(), SMALL)
    log = directory.open()
    for index in range(40):
        append(log, batch(b"a", bytes(80), timestamp_ms=NOW_MS + 10 * index), leader_epoch=2)
    for reopened in (False, True):
        if reopened:
            log = directory.reopen(log)
        assert len(log.segments) > 2
        assert found_at(log, 0) == 0
        assert [found_at(log, NOW_MS + 10 * index) for index in range(40)] == [2 * index for index in range(40)]
        assert [found_at(log, NOW_MS + 10 * index - 5) for index in range(40)] == [2 * index for index in range(40)]
        assert found_at(log, NOW_MS + 391) is None
    found = asyncio.run(log.offset_for_timestamp(NOW_MS))
    assert found == (NOW_MS, 0, 2)


def test_timestamps_may_go_back(tmp_path: Path) -> None:
    log = LogDirectory(tmp_path, PosixFiles(), SMALL).open()
    for delta in (5, 50, 10, 20, 50, 60):
        append(log, batch(bytes(90), timestamp_ms=NOW_MS + delta))
    assert found_at(log, NOW_MS + 10) == 1
    assert found_at(log, NOW_MS + 55) == 5


def test_records_below_the_log_start_do_not_count(tmp_path: Path) -> None:
    log = LogDirectory(tmp_path, PosixFiles()).open()
    append(log, batch(b"a", b"b", b"c"))
    log.advance_log_start(1)
    assert found_at(log, 0) == 1


def test_the_largest_timestamp_belongs_to_the_first_record_that_has_it(tmp_path: Path) -> None:
    log = LogDirectory(tmp_path, PosixFiles(), SMALL).open()
    assert asyncio.run(log.max_timestamp_offset()) is None
    for delta in (5, 50, 10, 50, 20):
        append(log, batch(bytes(900), timestamp_ms=NOW_MS + delta))
    found = asyncio.run(log.max_timestamp_offset())
    assert found == (NOW_MS + 50, 1, 0)


def test_unflushed_index_entries_are_searched_too(tmp_path: Path) -> None:
    log = LogDirectory(tmp_path, PosixFiles(), topic_config(index_interval_bytes=0)).open()
    append_many(log, 20)
    flush_all(log)
    append_many(log, 20, start=100)
    assert log.active.pending_offsets
    assert [first_offset(read_from(log, offset)) for offset in range(40)] == list(range(40))
    assert found_at(log, NOW_MS + 105) == 25
    assert len(offsets_in(log)) == 40
