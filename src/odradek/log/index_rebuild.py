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


def rebuild(files: FileSystem, log_path: str, base_offset: int, size: int, interval_bytes: int) -> RebuiltIndexes:
    """Walk the headers of a segment, up to damage if there is any. Raises FileNotFoundError, OSError."""
    offsets, times = bytearray(), bytearray()
    indexed_position, indexed_ms = 0, -1
    largest = time_index.NONE
    fd = files.open(log_path, 0)
    try:
        for position, header in BatchWalk(files, fd, size, wait=True).batches(0):
            relative = header.last_offset - base_offset
            if header.max_timestamp > largest.timestamp_ms:
                largest = time_index.TimestampOffset(header.max_timestamp, relative)
            if position - indexed_position > interval_bytes:
                offsets += offset_index.ENTRY.pack(relative, position)
                indexed_position = position
                if largest.timestamp_ms > indexed_ms:
                    times += time_index.ENTRY.pack(*largest)
                    indexed_ms = largest.timestamp_ms
    except MalformedBatchError:
        pass  # Whoever reads that far reports it; everything before is indexed.
    finally:
        files.close(fd)
    if largest.timestamp_ms > indexed_ms:
        times += time_index.ENTRY.pack(*largest)
    return RebuiltIndexes(size, bytes(offsets), bytes(times))
