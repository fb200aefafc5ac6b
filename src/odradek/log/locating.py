"""From offsets to byte ranges: the part of reading that knows a whole log."""

import asyncio
from typing import TYPE_CHECKING

from odradek.log import index_rebuild, reading
from odradek.log.errors import (
    ColdError,
    CorruptIndexError,
    DirectoryFailedError,
    DiskFullError,
    OffsetOutOfRangeError,
    disk_error,
)
from odradek.log.reading import ReadRange
from odradek.wire.records import HEADER_SIZE

if TYPE_CHECKING:
    from odradek.log.log import Log
    from odradek.log.segment import Segment


def locate(log: "Log", offset: int, max_bytes: int, upper_offset: int | None, minimum_one_batch: bool) -> ReadRange:
    """As `Log.locate`. Raises ColdError and CorruptIndexError where that answers None."""
    end_offset = log.log_end_offset
    if not log.log_start_offset <= offset <= end_offset:
        raise OffsetOutOfRangeError(offset, log.log_start_offset, end_offset)
    upper = end_offset if upper_offset is None else min(upper_offset, end_offset)
    segment = log.segment_of(offset)
    if offset >= upper:
        if offset == end_offset:
            log.remember(offset, segment.size)
        return ReadRange(segment.open_log(), log.generation, segment.base_offset, offset, segment.size, 0)
    start = position_of(log, segment, offset)
    while (following := _next_after(log, segment, start, upper)) is not None:
        segment, start = following, 0
    end, end_is_upper = _end_of(log, segment, upper)
    handle = segment.open_log()
    length = max(end - start, 0)
    if length > max_bytes:
        length = _limited(log, segment, handle.fd, start, length, max_bytes, minimum_one_batch)
    elif end_is_upper:
        log.remember(upper, end)
    return ReadRange(handle, log.generation, segment.base_offset, offset, start, length)


async def locate_cold(
    log: "Log", offset: int, max_bytes: int, upper_offset: int | None, minimum_one_batch: bool
) -> ReadRange:
    """As `locate`, with the searching done in the executor."""
    loop = asyncio.get_running_loop()
    while True:
        try:
            return locate(log, offset, max_bytes, upper_offset, minimum_one_batch)
        except (ColdError, CorruptIndexError):
            found = await _search(log, offset, max_bytes, upper_offset, minimum_one_batch, loop)
        except OSError as error:
            raise DirectoryFailedError(f"reading {log.directory}: {error}") from error
        if isinstance(found, ReadRange):
            return found
        if found is not None:
            offset = found


async def _search(
    log: "Log",
    offset: int,
    max_bytes: int,
    upper_offset: int | None,
    minimum_one_batch: bool,
    loop: asyncio.AbstractEventLoop,
) -> ReadRange | int | None:
    """The range; or the next segment's offset when this one holds nothing more; or None when the log has changed."""
    generation, segment, size = log.generation, log.segment_of(offset), log.segment_of(offset).size
    upper = log.log_end_offset if upper_offset is None else min(upper_offset, log.log_end_offset)
    inner = upper if upper < log.log_end_offset and log.segment_of(upper) is segment else None
    try:
        found = await loop.run_in_executor(
            None, reading.find_range_cold, log.storage.files, reading.search_task(segment), offset, inner
        )
        if log.generation != generation:
            return None
        if not found.index_is_intact:
            await rebuild_indexes(log, segment)
    except FileNotFoundError:
        return None  # Deleted or cut while the executor was on its way.
    except OSError as error:
        raise DirectoryFailedError(f"reading {segment.log_path}: {error}") from error
    if log.generation != generation:
        return None
    if (following := _next_after(log, segment, found.start, upper)) is not None:
        return following.base_offset
    length = (size if found.end is None else found.end) - found.start
    if length > max_bytes:
        fitting = min(found.first_batch_size, length) if minimum_one_batch else 0
        length = max_bytes if found.first_batch_size <= max_bytes else fitting
    return ReadRange(segment.open_log(), log.generation, segment.base_offset, offset, found.start, max(length, 0))


async def rebuild_indexes(log: "Log", segment: "Segment") -> None:
    """Replace indexes that disagree with the segment. Raises OSError."""
    generation = log.generation
    rebuilt = await asyncio.get_running_loop().run_in_executor(
        None,
        index_rebuild.rebuild,
        log.storage.files,
        segment.log_path,
        segment.base_offset,
        segment.size,
        log.config.index_interval_bytes,
    )
    if log.generation == generation:
        log.sync_later(segment.offset_index_path, segment.time_index_path)
        try:
            segment.replace_indexes(rebuilt)
        except OSError as error:
            if not isinstance(disk_error(error, segment.log_path), DiskFullError):
                raise  # With too little room a reader goes by as much of them as there is.


def _next_after(log: "Log", segment: "Segment", start: int, upper: int) -> "Segment | None":
    """Where to read on when nothing but an empty batch, as compaction leaves one, is left from `start` on.

    Not to be sent alone: to some clients what holds no record is what did not fit (librdkafka doubles its fetch size).
    """
    if segment.size - start > HEADER_SIZE or segment is log.active:
        return None
    following = log.segments[log.segments.index(segment) + 1]
    return following if following.base_offset < upper or start >= segment.size else None


def position_of(log: "Log", segment: "Segment", offset: int) -> int:
    """Of the batch that holds the offset, remembered or searched for. Raises ColdError and others as `find_hot`."""
    if log.reads is not None:
        position = log.reads.get(offset)
        if position is not None and position <= segment.size:
            return position
    return reading.find_hot(segment, offset)


def _end_of(log: "Log", segment: "Segment", upper: int) -> tuple[int, bool]:
    """Where the part below `upper` ends in this segment, and whether that is the upper offset's own position."""
    if upper >= log.log_end_offset or log.segment_of(upper) is not segment:
        return segment.size, segment is log.active
    return position_of(log, segment, upper), True


def _limited(
    log: "Log", segment: "Segment", fd: int, start: int, length: int, max_bytes: int, minimum_one_batch: bool
) -> int:
    """How much of a range that is longer than the limit.

    Of large batches those that fit, as what is read of another one would be thrown away. Smaller ones would cost more
    to look at than to read: there it is for `note_read` to say where the last whole one ends.
    """
    files = log.storage.files
    size, last_offset = reading.batch_at(files, fd, start)
    if size > max_bytes:
        return min(size, length) if minimum_one_batch else 0
    if 2 * size <= max_bytes or last_offset >= log.log_end_offset or log.segment_of(last_offset) is not segment:
        return max_bytes
    try:
        following, _ = reading.batch_at(files, fd, start + size)
    except ColdError:
        return max_bytes
    if size + following <= max_bytes:
        return max_bytes
    log.remember(last_offset + 1, start + size)
    return size


def note_read(log: "Log", read: ReadRange, view: memoryview) -> int:
    """As `Log.note_read`."""
    found = reading.whole_batches(view)
    if found is None:
        return len(view)
    length, next_offset = found
    if read.generation != log.generation or len(view) == 0:
        return length
    if length == 0:
        if read.length <= len(view):
            raise reading.damage(read, "a batch reaches over the end of what is there")
        return 0
    base_offset = read.segment_base_offset
    if next_offset > log.log_end_offset or log.segment_of(next_offset - 1).base_offset != base_offset:
        raise reading.damage(read, f"offset {next_offset - 1} does not belong there")
    if log.segment_of(next_offset).base_offset == base_offset:
        log.remember(next_offset, read.position + length)
    return length
