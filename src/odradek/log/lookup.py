"""From timestamps to offsets (ListOffsets). Searched in the executor, by time indexes, then records."""

import asyncio
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, NamedTuple

from odradek.host.files import FileSystem
from odradek.log import offset_index, reading, time_index
from odradek.log.batch_walk import BatchWalk, Located, MalformedBatchError
from odradek.log.errors import CorruptIndexError, DamagedLogError, DirectoryFailedError
from odradek.log.storage import read_at

if TYPE_CHECKING:
    from odradek.log.log import Log
    from odradek.log.segment import Segment

LARGEST = -1
"""In place of a timestamp: the largest there is."""


class FoundTimestamp(NamedTuple):
    """A record: its timestamp and offset, and the leader epoch of its batch (-1 for none)."""

    timestamp_ms: int
    offset: int
    leader_epoch: int


class LookupTask(NamedTuple):
    """One segment as plain values."""

    search: reading.SearchTask
    time_index_path: str
    pending_times: bytes
    largest_ms: int
    """No timestamp in the segment is larger; compaction may have left an empty batch of it only."""


async def first_at_or_after(log: "Log", timestamp_ms: int) -> FoundTimestamp | None:
    """As `Log.offset_for_timestamp`."""
    return await _search(log, lambda: [each for each in log.segments if _may_hold(each, timestamp_ms)], timestamp_ms)


async def with_largest_timestamp(log: "Log") -> FoundTimestamp | None:
    """As `Log.max_timestamp_offset`."""
    return await _search(log, lambda: sorted(log.segments, key=_largest_ms, reverse=True), LARGEST)


def _largest_ms(segment: "Segment") -> int:
    return segment.largest_timestamp_ms()


def _may_hold(segment: "Segment", timestamp_ms: int) -> bool:
    return segment.largest_timestamp_ms() >= timestamp_ms


async def _search(log: "Log", choose: "Callable[[], list[Segment]]", timestamp_ms: int) -> FoundTimestamp | None:
    """Search the segments chosen; anew when the log is cut meanwhile."""
    loop = asyncio.get_running_loop()
    while True:
        generation = log.generation
        try:
            tasks = tuple(_task(segment) for segment in choose() if segment.size)
            found = await loop.run_in_executor(
                None, find_timestamp, log.storage.files, tasks, timestamp_ms, log.log_start_offset
            )
        except FileNotFoundError:
            if log.generation == generation:
                raise DirectoryFailedError(f"a segment of {log.directory} is missing") from None
        except OSError as error:
            raise DirectoryFailedError(f"reading {log.directory}: {error}") from error
        if log.generation == generation:
            return found


def _task(segment: "Segment") -> LookupTask:
    pending = bytes(segment.pending_times or b"")
    return LookupTask(reading.search_task(segment), segment.time_index_path, pending, segment.max_timestamp_ms)


def find_timestamp(
    files: FileSystem, tasks: Iterable[LookupTask], timestamp_ms: int, log_start_offset: int
) -> FoundTimestamp | None:
    """The first record, at or above the log start, with at least the timestamp (or LARGEST). Runs in the executor.

    Raises FileNotFoundError when a segment is gone, DamagedLogError, OSError.
    """
    best: FoundTimestamp | None = None
    for task in tasks:
        if best is not None and (timestamp_ms != LARGEST or best.timestamp_ms >= task.largest_ms):
            break
        found = _find_in_segment(files, task, timestamp_ms, log_start_offset)
        if found is not None and (best is None or found.timestamp_ms > best.timestamp_ms):
            best = found
    return best


def _find_in_segment(
    files: FileSystem, task: LookupTask, timestamp_ms: int, log_start_offset: int
) -> FoundTimestamp | None:
    search = task.search
    fd = files.open(search.log_path, 0)
    try:
        walk = BatchWalk(files, fd, search.size, wait=True)
        if timestamp_ms == LARGEST:
            headers = (each.header for each in _batches(walk, search, 0))
            largest = max((header.max_timestamp for header in headers if header.count), default=-1)
            if largest < 0:
                return None
            return _find_from(files, fd, walk, search, 0, largest, log_start_offset)
        start = _start_position(files, task, walk, timestamp_ms)
        return _find_from(files, fd, walk, search, start, timestamp_ms, log_start_offset)
    finally:
        files.close(fd)


def _start_position(files: FileSystem, task: LookupTask, walk: BatchWalk, timestamp_ms: int) -> int:
    """Of a batch before which none has the timestamp; 0 when the indexes are of no use."""
    try:
        found = _time_floor(files, task, timestamp_ms)
        if found == time_index.NONE:
            return 0
        entry = reading.floor_cold(files, task.search, found.relative_offset)
        if entry != offset_index.START:
            reading.check_entry(entry, task.search.base_offset, next(walk.batches(entry.position)))
    except (CorruptIndexError, MalformedBatchError, StopIteration):
        return 0
    return entry.position


def _time_floor(files: FileSystem, task: LookupTask, timestamp_ms: int) -> time_index.TimestampOffset:
    pending = time_index.entries_of(task.pending_times)
    if pending and pending[0].timestamp_ms <= timestamp_ms:
        return max(entry for entry in pending if entry.timestamp_ms <= timestamp_ms)
    try:
        fd = files.open(task.time_index_path, 0)
    except FileNotFoundError:
        return time_index.NONE
    try:
        count = files.size(fd) // time_index.ENTRY_SIZE
        return time_index.floor(
            lambda position, length: read_at(files, fd, position, length, wait=True), count, timestamp_ms
        )
    finally:
        files.close(fd)


def _batches(walk: BatchWalk, search: reading.SearchTask, position: int) -> Iterable[Located]:
    intact_offset = search.base_offset
    try:
        for located in walk.batches(position):
            yield located
            intact_offset = located.header.last_offset + 1
    except MalformedBatchError as error:
        raise DamagedLogError(search.log_path, error.position, intact_offset, error.reason) from error


def _find_from(
    files: FileSystem,
    fd: int,
    walk: BatchWalk,
    search: reading.SearchTask,
    position: int,
    timestamp_ms: int,
    log_start_offset: int,
) -> FoundTimestamp | None:
    for located in _batches(walk, search, position):
        header = located.header
        if header.max_timestamp < timestamp_ms or header.last_offset < log_start_offset:
            continue
        content = memoryview(read_at(files, fd, located.position, header.size, wait=True))
        found = _find_record(content, timestamp_ms, log_start_offset, header.leader_epoch)
        if found is not None:
            return found
    return None


def _find_record(
    batch: memoryview, timestamp_ms: int, log_start_offset: int, leader_epoch: int
) -> FoundTimestamp | None:
    from odradek.wire.record_codec import decode_batch  # Compression libraries are loaded when first needed.

    for record in decode_batch(batch):
        if record.timestamp >= timestamp_ms and record.offset >= log_start_offset:
            return FoundTimestamp(record.timestamp, record.offset, leader_epoch)
    return None
