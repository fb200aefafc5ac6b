"""Finding the bytes of an offset: on the event loop when all that must be looked at is in memory, else in the executor.

Readers that follow each other do not search: where a read ended is remembered, and the next one begins there.
"""

from struct import Struct
from typing import NamedTuple

from odradek.host.files import NOWAIT, WOULD_WAIT, FileSystem
from odradek.log import offset_index
from odradek.log.batch_walk import BatchWalk, Located, MalformedBatchError
from odradek.log.descriptors import Handle
from odradek.log.errors import ColdError, CorruptIndexError, DamagedLogError
from odradek.log.segment import Segment
from odradek.log.storage import read_at
from odradek.wire.primitives import INT32
from odradek.wire.records import HEADER_SIZE, LOG_OVERHEAD

_PLACE = Struct(">qi11xi")
"""Of a batch's header: base offset, length, last offset delta."""

HOT_WALK_MAX = 2000
"""Batches the event loop looks at in one search; more go to the executor."""
NOTED_BATCHES_MAX = 256
"""`note_read` looks at so many batches at most; readers of tiny batches use the index instead."""


class ReadRange:
    """Bytes of one segment that hold whole batches from `offset` on; the last may be cut off by the limit asked for.

    The descriptor stays open until `release`.
    """

    __slots__ = ("generation", "handle", "length", "offset", "position", "segment_base_offset")

    def __init__(
        self, handle: Handle, generation: int, segment_base_offset: int, offset: int, position: int, length: int
    ) -> None:
        handle.pins += 1
        self.handle = handle
        self.generation = generation
        """Of the log when the range was found."""
        self.segment_base_offset = segment_base_offset
        self.offset = offset
        """The offset asked for; the first batch holds it and may begin before it."""
        self.position = position
        self.length = length

    @property
    def fd(self) -> int:
        return self.handle.fd

    def release(self) -> None:
        """The bytes have been read, or are not needed."""
        self.handle.pins -= 1


class SearchTask(NamedTuple):
    """A search in one segment as plain values, for the executor."""

    log_path: str
    index_path: str
    base_offset: int
    size: int
    pending: bytes
    """Index entries not yet in the file."""


def search_task(segment: Segment) -> SearchTask:
    """What the executor must know to search the segment."""
    pending = bytes(segment.pending_offsets or b"")
    return SearchTask(segment.log_path, segment.offset_index_path, segment.base_offset, segment.size, pending)


def find_hot(segment: Segment, offset: int) -> int:
    """Position of the batch that holds the offset or is the next after it; the segment's size when there is none.

    Raises ColdError, CorruptIndexError, DamagedLogError, OSError.
    """
    if offset <= segment.base_offset:
        return 0
    entry = segment.floor(0, offset - segment.base_offset, wait=False)
    walk = BatchWalk(segment.storage.files, segment.open_log().fd, segment.size, wait=False)
    return _walk_to(walk, entry, segment.base_offset, offset, segment.log_path, HOT_WALK_MAX)


class FoundRange(NamedTuple):
    """Where a read begins and, if its upper offset lies in the segment, ends; the size of its first batch."""

    start: int
    end: int | None
    first_batch_size: int
    index_is_intact: bool


def find_range_cold(files: FileSystem, task: SearchTask, offset: int, upper_offset: int | None) -> FoundRange:
    """All that a read needs to know of one segment, waiting for the disk. Runs in the executor. As `find_cold`."""
    start, start_by_index = find_cold(files, task, offset)
    end, end_by_index = (None, True) if upper_offset is None else find_cold(files, task, upper_offset)
    fd = files.open(task.log_path, 0)
    try:
        size = read_at(files, fd, start, LOG_OVERHEAD, wait=True) if start < task.size else b""
    finally:
        files.close(fd)
    first_batch_size = int.from_bytes(size[8:], "big", signed=True) + LOG_OVERHEAD
    return FoundRange(start, end, first_batch_size, start_by_index and end_by_index)


def find_cold(files: FileSystem, task: SearchTask, offset: int) -> tuple[int, bool]:
    """As `find_hot`, waiting for the disk, and whether the index was usable. Runs in the executor.

    Raises FileNotFoundError when the segment is gone, DamagedLogError, OSError.
    """
    if offset <= task.base_offset:
        return 0, True
    fd = files.open(task.log_path, 0)
    try:
        walk = BatchWalk(files, fd, task.size, wait=True)
        try:
            entry = floor_cold(files, task, offset - task.base_offset)
            return _walk_to(walk, entry, task.base_offset, offset, task.log_path, None), True
        except CorruptIndexError:
            return _walk_to(walk, offset_index.START, task.base_offset, offset, task.log_path, None), False
    finally:
        files.close(fd)


def floor_cold(files: FileSystem, task: SearchTask, relative_offset: int) -> offset_index.OffsetPosition:
    """Offset index entry at or below a relative offset. Runs in the executor. Raises CorruptIndexError, OSError."""
    pending = offset_index.entries_of(task.pending)
    if pending and pending[0].relative_offset <= relative_offset:
        return max(entry for entry in pending if entry.relative_offset <= relative_offset)
    try:
        fd = files.open(task.index_path, 0)
    except FileNotFoundError:
        return offset_index.START
    try:
        count = files.size(fd) // offset_index.ENTRY_SIZE
        read = lambda position, length: read_at(files, fd, position, length, wait=True)  # noqa: E731
        return offset_index.floor_by(0, read, count, relative_offset)[1]
    finally:
        files.close(fd)


def _walk_to(
    walk: BatchWalk,
    entry: offset_index.OffsetPosition,
    base_offset: int,
    offset: int,
    path: str,
    batches_max: int | None,
) -> int:
    if not 0 <= entry.position < max(walk.end, 1):
        raise CorruptIndexError(f"index entry {entry} lies outside of {path}")
    last: Located | None = None
    try:
        for count, located in enumerate(walk.batches(entry.position)):
            if last is None and entry != offset_index.START:
                check_entry(entry, base_offset, located)
            if located.header.last_offset >= offset:
                return located.position
            if batches_max is not None and count >= batches_max:
                raise ColdError
            last = located
    except MalformedBatchError as error:
        if last is None and entry != offset_index.START:
            raise CorruptIndexError(f"index entry {entry} points to no batch of {path}") from error
        intact_offset = last.header.last_offset + 1 if last is not None else base_offset
        raise DamagedLogError(path, error.position, intact_offset, error.reason) from error
    return walk.end


def check_entry(entry: offset_index.OffsetPosition, base_offset: int, located: Located) -> None:
    """Raises CorruptIndexError when the batch at the entry's position is not the one it names."""
    if located.header.last_offset != base_offset + entry.relative_offset:
        raise CorruptIndexError(f"index entry {entry} names another batch than the one at its position")


def batch_at(files: FileSystem, fd: int, position: int) -> tuple[int, int]:
    """Bytes and last offset of the batch at a position, by what is written there. Raises ColdError, OSError."""
    content = bytearray(_PLACE.size)
    try:
        count = files.preadv(fd, (content,), position, NOWAIT)
    except OSError as error:
        if error.errno in WOULD_WAIT:
            raise ColdError from None
        raise
    if count < _PLACE.size:
        raise ColdError
    base_offset, length, last_offset_delta = _PLACE.unpack(content)
    return length + LOG_OVERHEAD, base_offset + last_offset_delta


def damage(read: ReadRange, reason: str) -> DamagedLogError:
    """What was read is not what was written."""
    return DamagedLogError(read.handle.path, read.position, read.offset, reason)


def whole_batches(view: memoryview) -> tuple[int, int] | None:
    """Bytes of the whole batches in what was read, and the offset after them; None when there are too many to count."""
    position = last = 0
    end, unpack_length = len(view), INT32.unpack_from
    for _ in range(NOTED_BATCHES_MAX):
        after = position + LOG_OVERHEAD + unpack_length(view, position + 8)[0] if position + HEADER_SIZE <= end else 0
        if not position < after <= end:
            break
        last, position = position, after
    else:
        return None
    if position == 0:
        return 0, -1
    base_offset, _, last_offset_delta = _PLACE.unpack_from(view, last)
    return position, base_offset + last_offset_delta + 1


def end_offset_of(segment: Segment) -> int:
    """The offset after a segment's last batch. Raises OSError, DamagedLogError."""
    if segment.size == 0:
        return segment.base_offset
    walk = BatchWalk(segment.storage.files, segment.open_log().fd, segment.size, wait=True)
    try:
        entry = segment.floor(1, segment.size - 1, wait=True)
        first = next(walk.batches(entry.position))
        if entry != offset_index.START:
            check_entry(entry, segment.base_offset, first)
        start = entry.position
    except (CorruptIndexError, MalformedBatchError):
        start = 0
    end_offset = segment.base_offset
    try:
        for _, header in walk.batches(start):
            end_offset = header.last_offset + 1
    except MalformedBatchError as error:
        raise DamagedLogError(segment.log_path, error.position, end_offset, error.reason) from error
    return end_offset
