"""Reading a partition from an offset to its end: how a coordinator loads its state."""

import asyncio
from collections.abc import Callable

from odradek.host.files import FileSystem
from odradek.log.log import Log
from odradek.wire.records import batches

CHUNK_BYTES = 1 << 20
TURN_BYTES = 64 << 10
"""Batches between two turns of the loop: what is replayed may be large, and others are served meanwhile."""

BatchReader = Callable[[memoryview], None]
"""Gets one whole record batch, header included, in the order of offsets; the view is its own to keep."""


async def replay(
    log: Log, loop: asyncio.AbstractEventLoop, from_offset: int, end_offset: int, on_batch: BatchReader
) -> int:
    """Every batch with records from `from_offset` to `end_offset` (exclusive); the offset after the last one.

    The first batch may begin below `from_offset`. Raises OffsetOutOfRangeError, DamagedLogError, OSError.
    """
    offset = max(from_offset, log.log_start_offset)
    while offset < end_offset:
        found = await log.locate_cold(offset, CHUNK_BYTES, upper_offset=end_offset, minimum_one_batch=True)
        try:
            task = log.storage.files, found.fd, found.position, found.length
            chunk = await loop.run_in_executor(None, read_range, *task)
        finally:
            found.release()
        after, turn_ends = offset, TURN_BYTES
        for position, header in batches(chunk):
            if header.last_offset >= offset:
                on_batch(chunk[position : position + header.size])
                after = header.last_offset + 1
            if position + header.size >= turn_ends:
                turn_ends = position + header.size + TURN_BYTES
                await asyncio.sleep(0)
        if after == offset:
            break
        offset = after
    return offset


def read_range(files: FileSystem, fd: int, position: int, length: int) -> memoryview:
    """Bytes of a file; fewer only at its end. Runs in the executor."""
    buffer, done = memoryview(bytearray(length)), 0
    while done < length:
        count = files.preadv(fd, [buffer[done:]], position + done)
        if count == 0:
            break
        done += count
    return buffer[:done]
