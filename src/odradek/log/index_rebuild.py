"""Indexes made anew from the batches they point to. Runs in the executor or while a log is opened."""

from typing import NamedTuple

from odradek.host.files import FileSystem
from odradek.log import offset_index, time_index
from odradek.log.batch_walk import BatchWalk, MalformedBatchError


class RebuiltIndexes(NamedTuple):
    """Contents of both files for a segment of `size` bytes."""

    size: int
    offsets: bytes
    times: bytes


class IndexBuilder:
    """Takes a segment's batches in order and makes both indexes."""

    __slots__ = ("_base_offset", "_indexed_ms", "_indexed_position", "_interval_bytes", "_offsets", "_times", "largest")

    def __init__(self, base_offset: int, interval_bytes: int) -> None:
        self._base_offset = base_offset
        self._interval_bytes = interval_bytes
        self._offsets, self._times = bytearray(), bytearray()
        self._indexed_position, self._indexed_ms = 0, -1
        self.largest = time_index.NONE

    def add(self, position: int, last_offset: int, max_timestamp_ms: int) -> None:
        """A batch at this position of the segment."""
        relative = last_offset - self._base_offset
        if max_timestamp_ms > self.largest.timestamp_ms:
            self.largest = time_index.TimestampOffset(max_timestamp_ms, relative)
        if position - self._indexed_position > self._interval_bytes:
            self._offsets += offset_index.ENTRY.pack(relative, position)
            self._indexed_position = position
            self._add_time_entry()

    @property
    def sizes(self) -> tuple[int, int]:
        """Bytes of both indexes so far."""
        return len(self._offsets), len(self._times)

    def finish(self, size: int) -> RebuiltIndexes:
        """The indexes of a segment of so many bytes to which nothing is appended any more."""
        self._add_time_entry()
        return RebuiltIndexes(size, bytes(self._offsets), bytes(self._times))

    def _add_time_entry(self) -> None:
        if self.largest.timestamp_ms > self._indexed_ms:
            self._times += time_index.ENTRY.pack(*self.largest)
            self._indexed_ms = self.largest.timestamp_ms


def rebuild(files: FileSystem, log_path: str, base_offset: int, size: int, interval_bytes: int) -> RebuiltIndexes:
    """Walk the headers of a segment, up to damage if there is any. Raises FileNotFoundError, OSError."""
    indexes = IndexBuilder(base_offset, interval_bytes)
    fd = files.open(log_path, 0)
    try:
        for position, header in BatchWalk(files, fd, size, wait=True).batches(0):
            indexes.add(position, header.last_offset, header.max_timestamp)
    except MalformedBatchError:
        pass  # Whoever reads that far reports it; everything before is indexed.
    finally:
        files.close(fd)
    return indexes.finish(size)
