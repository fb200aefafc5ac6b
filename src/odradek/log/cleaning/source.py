"""The batches of a segment that is compacted, in chunks of one read each, every one checked."""

import os
from collections.abc import Iterator
from typing import NamedTuple

from odradek.host.files import FileSystem
from odradek.log.batch_walk import MalformedBatchError
from odradek.log.cleaning.job import Job, SourceSegment
from odradek.wire.records import HEADER, HEADER_SIZE, LOG_OVERHEAD, MAGIC, BatchHeader, crc_is_valid


class Chunk(NamedTuple):
    """Whole batches, by their positions in `view`, which ends with the last of them at `end` of the segment."""

    view: memoryview
    batches: list[tuple[int, BatchHeader]]
    end: int


def chunks_of(files: FileSystem, path: str, segment: SourceSegment, job: Job) -> Iterator[Chunk]:
    """The segment from its beginning to its size. Raises MalformedBatchError, OSError.

    Nothing is open between two chunks: whoever asks for them may stop asking.
    """
    position, next_offset, wanted = 0, segment.base_offset, job.buffer_bytes
    while position < segment.size:
        buffer = _read(files, path, position, min(wanted, segment.size - position))
        found, end, next_offset = _whole_batches(buffer, position, next_offset)
        if not found:
            wanted = _size_at(buffer, position, segment.size)
            continue
        position, wanted = position + end, job.buffer_bytes
        yield Chunk(buffer[:end], found, position)


def _read(files: FileSystem, path: str, position: int, length: int) -> memoryview:
    buffer, done = memoryview(bytearray(length)), 0
    fd = files.open(path, os.O_RDONLY)
    try:
        while done < length:
            count = files.preadv(fd, [buffer[done:]], position + done)
            if count == 0:
                raise MalformedBatchError(position + done, "the segment ends too early")
            done += count
    finally:
        files.close(fd)
    return buffer


def _whole_batches(buffer: memoryview, at: int, next_offset: int) -> tuple[list[tuple[int, BatchHeader]], int, int]:
    """Batches that are whole in the buffer, where they end in it, and the offset the next must not begin below."""
    found: list[tuple[int, BatchHeader]] = []
    position, end = 0, len(buffer)
    while end - position >= HEADER_SIZE:
        header = BatchHeader._make(HEADER.unpack_from(buffer, position))
        after = position + header.length + LOG_OVERHEAD
        if header.length < HEADER_SIZE - LOG_OVERHEAD or header.magic != MAGIC or header.last_offset_delta < 0:
            raise MalformedBatchError(at + position, "there is no batch header")
        if header.base_offset < next_offset:
            raise MalformedBatchError(at + position, f"offset {header.base_offset} is below {next_offset}")
        if after > end:
            break
        if not crc_is_valid(buffer, position, header):
            raise MalformedBatchError(at + position, "the CRC does not match")
        found.append((position, header))
        next_offset = header.base_offset + header.last_offset_delta + 1
        position = after
    return found, position, next_offset


def _size_at(buffer: memoryview, position: int, segment_size: int) -> int:
    """Of a first batch that is larger than the buffer. Raises MalformedBatchError when it is larger than the rest."""
    rest = segment_size - position
    size = HEADER.unpack_from(buffer)[1] + LOG_OVERHEAD if len(buffer) >= HEADER_SIZE else HEADER_SIZE
    if size > rest or len(buffer) == rest:
        raise MalformedBatchError(position, f"a batch of {size} bytes reaches over the end of the segment")
    return size
