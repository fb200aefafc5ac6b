"""Batches of a segment file, header by header, without reading what lies between when batches are large."""

from collections.abc import Iterator
from typing import NamedTuple

from crc32c import crc32c

from odradek.host.files import FileSystem
from odradek.log.storage import read_at
from odradek.wire.records import ATTRIBUTES_OFFSET, HEADER, HEADER_SIZE, LOG_OVERHEAD, MAGIC, BatchHeader

CHUNK = 64 * 1024
"""Bytes of one read while batches are small."""
LARGE_BATCH = 4096
"""From this size on only headers are read."""


class MalformedBatchError(Exception):
    """No whole batch begins at `position`."""

    def __init__(self, position: int, reason: str) -> None:
        super().__init__(reason)
        self.position = position
        self.reason = reason


class Located(NamedTuple):
    """A batch and where it begins."""

    position: int
    header: BatchHeader

    @property
    def end(self) -> int:
        """Position of the next batch."""
        return self.position + self.header.length + LOG_OVERHEAD


class BatchWalk:
    """Reads one file up to `end` through a buffer. With `wait` False: ColdError instead of waiting."""

    __slots__ = ("_buffer", "_buffer_position", "_chunk", "_fd", "_files", "end", "wait")

    def __init__(self, files: FileSystem, fd: int, end: int, *, wait: bool) -> None:
        self._files = files
        self._fd = fd
        self.end = end
        self.wait = wait
        self._buffer = b""
        self._buffer_position = 0
        self._chunk = LARGE_BATCH

    def batches(self, position: int, expected_offset: int = -1) -> Iterator[Located]:
        """Batches from a batch's position to `end`. Raises MalformedBatchError at the first that is not whole.

        `expected_offset` is the lowest base offset the first may have, -1 for any.
        """
        while position < self.end:
            located = Located(position, self._header(position, expected_offset))
            yield located
            self._chunk = CHUNK if located.header.size < LARGE_BATCH else HEADER_SIZE
            expected_offset = located.header.last_offset + 1
            position = located.end

    def crc_is_valid(self, located: Located) -> bool:
        """Whether the bytes of the batch match its CRC."""
        begin, checksum = located.position + ATTRIBUTES_OFFSET, 0
        while begin < located.end:
            piece = self._bytes(begin, min(located.end - begin, CHUNK))
            if not piece:
                return False
            checksum = crc32c(piece, checksum)
            begin += len(piece)
        return checksum == located.header.crc

    def _header(self, position: int, expected_offset: int) -> BatchHeader:
        content = self._bytes(position, HEADER_SIZE)
        if len(content) < HEADER_SIZE:
            raise MalformedBatchError(position, f"{len(content)} bytes are no batch header")
        header = BatchHeader._make(HEADER.unpack(content))
        if header.length < HEADER_SIZE - LOG_OVERHEAD or header.magic != MAGIC or header.last_offset_delta < 0:
            raise MalformedBatchError(position, "there is no batch header")
        if position + header.size > self.end:
            raise MalformedBatchError(position, f"a batch of {header.size} bytes reaches over the end of the segment")
        if header.base_offset < max(expected_offset, 0):
            raise MalformedBatchError(position, f"offset {header.base_offset} is below {expected_offset}")
        return header

    def _bytes(self, position: int, length: int) -> bytes:
        """From the buffer, which is filled from `position` when it lacks them; fewer bytes only at the end."""
        begin = position - self._buffer_position
        if begin < 0 or begin + length > len(self._buffer):
            wanted = min(max(length, self._chunk), self.end - position)
            self._buffer = read_at(self._files, self._fd, position, wanted, wait=self.wait)
            self._buffer_position, begin = position, 0
        return self._buffer[begin : begin + length]
