"""One segment: a `.log` file of batches and the two indexes that belong to it.

Only the last segment of a log is written. Its new index entries are kept in memory and written together, at the latest
when they fill a page, before the recovery point passes them, and when the segment ends: whatever a crash loses of them
lies above the recovery point and is rebuilt from there.
"""

from collections.abc import Callable

from odradek.host.files import write_all
from odradek.log import index_rebuild, offset_index, time_index
from odradek.log.batch_walk import BatchWalk, MalformedBatchError
from odradek.log.descriptors import RECENTLY, Handle
from odradek.log.errors import CorruptIndexError, DamagedLogError, DiskFullError, disk_error
from odradek.log.index_rebuild import RebuiltIndexes
from odradek.log.offset_index import OffsetPosition
from odradek.log.paths import LOG_SUFFIX, OFFSET_INDEX_SUFFIX, TIME_INDEX_SUFFIX, path_of
from odradek.log.storage import LogStorage, read_at
from odradek.log.time_index import TimestampOffset

PENDING_BYTES_MAX = 4096
RELATIVE_OFFSET_MAX = 2**31 - 1
UNKNOWN = -2
"""A timestamp that has not been read from disk yet; -1 means that there is none."""


class Segment:
    """A part of a log, from `base_offset` to the next segment's. Offsets in the fields are absolute."""

    __slots__ = (
        "base_offset",
        "created_ms",
        "directory",
        "first_timestamp_ms",
        "handle",
        "indexed_position",
        "jitter_ms",
        "max_timestamp_ms",
        "max_timestamp_offset",
        "offset_entries",
        "pending_offsets",
        "pending_times",
        "ready",
        "size",
        "storage",
        "suffix",
        "time_entries",
        "time_indexed_ms",
    )

    def __init__(self, storage: LogStorage, directory: str, base_offset: int, size: int, created_ms: int) -> None:
        self.storage = storage
        self.directory = directory
        self.base_offset = base_offset
        self.size = size
        """Bytes of whole batches; the file is never longer except during a write."""
        self.created_ms = created_ms
        """When it was made or last written, as far as known: the age of a segment without timestamps."""
        self.suffix = ""
        """Of its files' names, while it takes the place of the segments it was compacted from."""
        self.handle: Handle | None = None
        self.jitter_ms = 0
        self.first_timestamp_ms = -1
        """Largest timestamp of the first batch: the age of the segment counts from it."""
        self.max_timestamp_ms = -1 if size == 0 else UNKNOWN
        self.max_timestamp_offset = base_offset
        """Last offset of the first batch that has the largest timestamp."""
        self.ready = size == 0
        """The fields below are known; they are needed for appending only."""
        self.indexed_position = 0
        """Position of the batch of the last offset index entry."""
        self.offset_entries = 0
        self.time_entries = 0
        self.time_indexed_ms = -1
        """Timestamp of the last time index entry."""
        self.pending_offsets: bytearray | None = None
        self.pending_times: bytearray | None = None

    @property
    def log_path(self) -> str:
        return path_of(self.directory, self.base_offset, LOG_SUFFIX) + self.suffix

    @property
    def offset_index_path(self) -> str:
        return path_of(self.directory, self.base_offset, OFFSET_INDEX_SUFFIX) + self.suffix

    @property
    def time_index_path(self) -> str:
        return path_of(self.directory, self.base_offset, TIME_INDEX_SUFFIX) + self.suffix

    def open_log(self) -> Handle:
        """The open `.log` file. Raises OSError."""
        handle = self.handle
        if handle is None or handle.fd < 0:
            handle = self.handle = self.storage.descriptors.get(self.log_path)
        handle.used = RECENTLY
        return handle

    def create_file(self, preallocated_bytes: int = 0) -> None:
        """Make an empty `.log` file, with space reserved where asked for. Raises OSError."""
        handle = self.handle = self.storage.descriptors.create(self.log_path)
        self.storage.files.truncate(handle.fd, 0)
        if preallocated_bytes:
            self.storage.files.allocate(handle.fd, 0, preallocated_bytes)

    # -- appending ------------------------------------------------------------------------------------------------

    def prepare(self, interval_bytes: int) -> None:
        """Read what appending needs of a segment that was opened with content. Raises OSError, DamagedLogError."""
        walk = BatchWalk(self.storage.files, self.open_log().fd, self.size, wait=True)
        try:
            self.first_timestamp_ms = next(walk.batches(0)).header.max_timestamp
        except MalformedBatchError as error:
            raise DamagedLogError(self.log_path, error.position, self.base_offset, error.reason) from error
        try:
            self.indexed_position = self._last_indexed(walk).position
            self._verified_time_entry(walk)
        except (CorruptIndexError, MalformedBatchError):
            self._rebuild_indexes(interval_bytes)
            self.indexed_position = self._last_indexed(walk).position
        self.offset_entries, _ = self._last_entry(self.offset_index_path, offset_index.ENTRY_SIZE)
        self.time_entries, times = self._last_entry(self.time_index_path, time_index.ENTRY_SIZE)
        self.time_indexed_ms = time_index.ENTRY.unpack(times)[0] if times else -1
        self.largest_timestamp_ms()
        self.ready = True

    def appended(self, position: int, size: int, last_offset: int, max_timestamp_ms: int, interval_bytes: int) -> None:
        """A batch was written at `position`, the end so far: index it where an entry is due."""
        if max_timestamp_ms > self.max_timestamp_ms:
            self.max_timestamp_ms = max_timestamp_ms
            self.max_timestamp_offset = last_offset
        if position - self.indexed_position > interval_bytes:
            self._add_entries(position, last_offset)
        elif position == 0:
            self.first_timestamp_ms = max_timestamp_ms
        self.size = position + size

    def _add_entries(self, position: int, last_offset: int) -> None:
        offsets = self.pending_offsets
        if offsets is None:
            offsets = self.pending_offsets = bytearray()
        offsets += offset_index.ENTRY.pack(last_offset - self.base_offset, position)
        self.offset_entries += 1
        self.indexed_position = position
        self._add_time_entry()
        if len(offsets) >= PENDING_BYTES_MAX:
            self.write_pending()

    def _add_time_entry(self) -> None:
        if self.max_timestamp_ms <= self.time_indexed_ms:
            return
        if self.pending_times is None:
            self.pending_times = bytearray()
        relative = self.max_timestamp_offset - self.base_offset
        self.pending_times += time_index.ENTRY.pack(self.max_timestamp_ms, relative)
        self.time_entries += 1
        self.time_indexed_ms = self.max_timestamp_ms

    # -- indexes on disk ------------------------------------------------------------------------------------------

    def write_pending(self) -> bool:
        """Write index entries kept in memory; False (and they stay there) when the disk is full.

        Raises DirectoryFailedError.
        """
        try:
            if self.pending_offsets:
                self._write_index(self.offset_index_path, self.pending_offsets, offset_index.ENTRY_SIZE)
                self.pending_offsets = None
            if self.pending_times:
                self._write_index(self.time_index_path, self.pending_times, time_index.ENTRY_SIZE)
                self.pending_times = None
        except OSError as error:
            failure = disk_error(error, f"writing indexes of {self.log_path}")
            if isinstance(failure, DiskFullError):
                return False
            raise failure from error
        return True

    def finish(self) -> bool:
        """Nothing will be appended for now: complete both indexes, which exist afterwards. As `write_pending`."""
        if not self.ready:
            return True
        self._add_time_entry()
        try:
            handle = self.open_log()
            if self.storage.files.size(handle.fd) > self.size:
                self.storage.files.truncate(handle.fd, self.size)
            for path in (self.offset_index_path, self.time_index_path):
                self.storage.descriptors.create(path)
        except OSError as error:
            failure = disk_error(error, f"creating indexes of {self.log_path}")
            if isinstance(failure, DiskFullError):
                return False
            raise failure from error
        return self.write_pending()

    def _write_index(self, path: str, entries: bytearray, entry_size: int) -> None:
        handle = self.storage.descriptors.create(path)
        on_disk = (self.offset_entries if entry_size == offset_index.ENTRY_SIZE else self.time_entries) * entry_size
        handle.dirty = True
        write_all(self.storage.files, handle.fd, entries, on_disk - len(entries))

    def _last_entry(self, path: str, entry_size: int) -> tuple[int, bytes]:
        """Number of entries and the last one; (0, b"") for an index that is empty or missing."""
        try:
            fd = self.storage.descriptors.get(path).fd
        except FileNotFoundError:
            return 0, b""
        count = self.storage.files.size(fd) // entry_size
        if count == 0:
            return 0, b""
        return count, read_at(self.storage.files, fd, (count - 1) * entry_size, entry_size, wait=True)

    def largest_timestamp_ms(self) -> int:
        """Of all batches, -1 when they have none. Read from disk for a segment this process did not write.

        Raises OSError, DamagedLogError.
        """
        if self.max_timestamp_ms == UNKNOWN:
            self.max_timestamp_ms, self.max_timestamp_offset = self._read_largest_timestamp()
        return self.max_timestamp_ms

    def _read_largest_timestamp(self) -> tuple[int, int]:
        """The time index's last entry, if it is true, and the batches behind the last offset index entry."""
        walk = BatchWalk(self.storage.files, self.open_log().fd, self.size, wait=True)
        try:
            entry = self._verified_time_entry(walk)
            start = self._last_indexed(walk).position
            return self._largest_from(walk, start, entry.timestamp_ms, self.base_offset + entry.relative_offset)
        except (CorruptIndexError, MalformedBatchError):
            pass
        try:
            return self._largest_from(walk, 0, -1, self.base_offset)
        except MalformedBatchError as error:
            raise DamagedLogError(self.log_path, error.position, self.base_offset, error.reason) from error

    def _largest_from(self, walk: BatchWalk, position: int, largest_ms: int, offset: int) -> tuple[int, int]:
        for _, header in walk.batches(position):
            if header.max_timestamp > largest_ms:
                largest_ms, offset = header.max_timestamp, header.last_offset
        return largest_ms, offset

    def _rebuild_indexes(self, interval_bytes: int) -> None:
        arguments = (self.log_path, self.base_offset, self.size, interval_bytes)
        self.replace_indexes(index_rebuild.rebuild(self.storage.files, *arguments))

    def _last_indexed(self, walk: BatchWalk) -> OffsetPosition:
        """The offset index's last entry, compared with its batch; START without one. Raises CorruptIndexError."""
        _, content = self._last_entry(self.offset_index_path, offset_index.ENTRY_SIZE)
        if not content:
            return offset_index.START
        entry = OffsetPosition(*offset_index.ENTRY.unpack(content))
        if not 0 < entry.position < self.size:
            raise CorruptIndexError(f"{entry} lies outside of {self.log_path}")
        found = next(walk.batches(entry.position))
        if found.header.last_offset != self.base_offset + entry.relative_offset:
            raise CorruptIndexError(f"{entry} names another batch than the one at its position")
        return entry

    def _verified_time_entry(self, walk: BatchWalk) -> TimestampOffset:
        """Retention deletes by this entry, so it is compared with the batch it names. Raises CorruptIndexError."""
        _, content = self._last_entry(self.time_index_path, time_index.ENTRY_SIZE)
        if not content:
            if self._last_entry(self.offset_index_path, offset_index.ENTRY_SIZE)[0]:
                raise CorruptIndexError(f"{self.time_index_path} is empty")
            return time_index.NONE
        entry = TimestampOffset(*time_index.ENTRY.unpack(content))
        start = self.floor(0, entry.relative_offset, wait=True)
        for _, header in walk.batches(start.position):
            if header.last_offset >= self.base_offset + entry.relative_offset:
                if header.max_timestamp == entry.timestamp_ms:
                    return entry
                break
        raise CorruptIndexError(f"{entry} of {self.time_index_path} names no such batch")

    def floor(self, field: int, target: int, *, wait: bool) -> OffsetPosition:
        """Offset index entry at or below a relative offset (field 0) or position (1).

        Raises CorruptIndexError, ColdError when `wait` is False.
        """
        if self.pending_offsets and offset_index.ENTRY.unpack_from(self.pending_offsets)[field] <= target:
            pending = bytes(self.pending_offsets)
            read = lambda position, length: pending[position : position + length]  # noqa: E731
            return offset_index.floor_by(field, read, len(pending) // offset_index.ENTRY_SIZE, target)[1]
        try:
            fd = self.storage.descriptors.get(self.offset_index_path).fd
        except FileNotFoundError:
            return offset_index.START
        files = self.storage.files
        read = lambda position, length: read_at(files, fd, position, length, wait=wait)  # noqa: E731
        return offset_index.floor_by(field, read, files.size(fd) // offset_index.ENTRY_SIZE, target)[1]

    # -- cutting --------------------------------------------------------------------------------------------------

    def truncate(self, position: int, end_offset: int) -> None:
        """Cut the file at a batch's position, `end_offset` being the offset it would have. Raises OSError."""
        self.truncate_indexes(position, end_offset)
        handle = self.open_log()
        handle.dirty = True
        self.storage.files.truncate(handle.fd, position)
        self.size = position

    def truncate_indexes(self, position: int, end_offset: int) -> bool:
        """Drop entries of batches at or beyond `position`. An index that is corrupt is emptied, and False returned."""
        self.write_pending()
        self.pending_offsets = self.pending_times = None
        relative_end = end_offset - self.base_offset
        intact = self._keep(self.offset_index_path, lambda content: offset_index.kept_bytes(content, position))
        intact &= self._keep(self.time_index_path, lambda content: time_index.kept_bytes(content, relative_end))
        self.ready = False
        self.max_timestamp_ms = UNKNOWN
        if position == 0:
            self._reset()
        return intact

    def replace_indexes(self, rebuilt: RebuiltIndexes) -> None:
        """Take indexes made anew, unless the segment has changed since. Raises OSError."""
        if rebuilt.size != self.size:
            return
        self.pending_offsets = self.pending_times = None
        for path, content in ((self.offset_index_path, rebuilt.offsets), (self.time_index_path, rebuilt.times)):
            handle = self.storage.descriptors.create(path)
            handle.dirty = True
            self.storage.files.truncate(handle.fd, 0)
            write_all(self.storage.files, handle.fd, content, 0)
        self.ready = self.size == 0
        self.max_timestamp_ms = -1 if self.ready else UNKNOWN

    def _reset(self) -> None:
        self.ready = True
        self.offset_entries = self.time_entries = self.indexed_position = 0
        self.time_indexed_ms = self.first_timestamp_ms = self.max_timestamp_ms = -1
        self.max_timestamp_offset = self.base_offset

    def _keep(self, path: str, kept_bytes: Callable[[bytes], int]) -> bool:
        files = self.storage.files
        try:
            handle = self.storage.descriptors.get(path)
        except FileNotFoundError:
            return True
        content = read_at(files, handle.fd, 0, files.size(handle.fd), wait=True)
        try:
            kept, intact = kept_bytes(content), True
        except CorruptIndexError:
            kept, intact = 0, False
        if kept != len(content):
            handle.dirty = True
            files.truncate(handle.fd, kept)
        return intact
