"""Early writeback: the kernel is asked to begin writing dirty pages long before it would make a writer wait for it.

It promises nothing about durability (`flusher` does that) and never moves an offset.
"""

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from odradek.host.files import FileSystem
from odradek.log.descriptors import Handle

if TYPE_CHECKING:
    from odradek.log.manager import LogManager

WRITEBACK_BYTES = 16 << 20
"""Bytes appended to a log directory between two rounds."""
LOG_BYTES_MIN = 256 << 10
"""Logs with less than this are left to the kernel's own timer."""
RANGES_MAX = 64
PAGE = 4096

Range = tuple[int, int, int]
"""Descriptor, position, length."""


class Writeback:
    """At most one round of a directory is under way; a round that is due meanwhile is left to the next 16 MiB."""

    def __init__(self, manager: "LogManager") -> None:
        self._manager = manager
        self._running: dict[str, None] = {}

    def start(self, path: str) -> None:
        """Begin a round for the directory's logs with much unwritten."""
        if path in self._running:
            return
        handles: list[Handle] = []
        ranges: list[Range] = []
        for log in self._manager.dirty:
            if log.unflushed_bytes < LOG_BYTES_MIN or not log.directory.startswith(f"{path}/"):
                continue
            handle, size = log.active.handle, log.active.size
            if handle is None or handle.fd < 0:
                continue
            begin = max(size - log.unflushed_bytes, 0) // PAGE * PAGE
            handle.pin()
            handles.append(handle)
            ranges.append((handle.fd, begin, size - begin))
            if len(ranges) == RANGES_MAX:
                break
        if ranges:
            self._running[path] = None
            future = self._manager.loop.run_in_executor(None, write_back, self._manager.files, tuple(ranges))
            future.add_done_callback(partial(self._finish, path, handles))

    def _finish(self, path: str, handles: Sequence[Handle], future: "asyncio.Future[OSError | None]") -> None:
        del self._running[path]
        for handle in handles:
            handle.unpin()
        if (error := future.result()) is not None:
            self._manager.fail_directory(path, f"writing back: {error}")


def write_back(files: FileSystem, ranges: tuple[Range, ...]) -> OSError | None:
    """None, or the first error. Runs in the executor."""
    try:
        for fd, position, length in ranges:
            files.start_writeback(fd, position, length)
    except OSError as error:
        return error
    return None
