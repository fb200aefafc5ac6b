"""A file system that fails when a test says so, and is the operating system's otherwise."""

import errno
import os
from collections.abc import Sequence

from odradek.host.files import Buffer, FileStat, SpaceStat
from odradek.host.posix import PosixFiles


class FaultyFiles:
    """Implements `odradek.host.FileSystem`. `fail` arms one fault; it strikes once and is gone."""

    def __init__(self) -> None:
        self.real = PosixFiles()
        self.calls: list[str] = []
        """Names of the calls made, in order."""
        self._faults: dict[str, int] = {}
        self._short_bytes: int | None = None
        self._then: int | None = None
        self.is_cold = False
        """Reads with NOWAIT find nothing in memory."""

    def fail(self, call: str, error: int = errno.EIO) -> None:
        """The next call of this name raises OSError(error)."""
        self._faults[call] = error

    def write_short(self, count: int, then: int | None = errno.ENOSPC) -> None:
        """The next write takes only `count` bytes; the one after it fails, unless `then` is None."""
        self._short_bytes = count
        self._then = then

    def _enter(self, call: str) -> None:
        self.calls.append(call)
        error = self._faults.pop(call, None)
        if error is not None:
            raise OSError(error, os.strerror(error))

    def open(self, path: str, flags: int, mode: int = 0o644) -> int:
        self._enter("open")
        return self.real.open(path, flags, mode)

    def close(self, fd: int) -> None:
        self.real.close(fd)

    def preadv(self, fd: int, buffers: Sequence[bytearray | memoryview], offset: int, flags: int = 0) -> int:
        self._enter("preadv")
        if flags and self.is_cold:
            raise BlockingIOError(errno.EAGAIN, "cold")
        return self.real.preadv(fd, buffers, offset, flags)

    def pwritev(self, fd: int, buffers: Sequence[Buffer], offset: int) -> int:
        self._enter("pwritev")
        if self._short_bytes is None:
            return self.real.pwritev(fd, buffers, offset)
        count, self._short_bytes = self._short_bytes, None
        if self._then is not None:
            self.fail("pwritev", self._then)
        return self.real.pwritev(fd, [b"".join(buffers)[:count]], offset)

    def size(self, fd: int) -> int:
        return self.real.size(fd)

    def truncate(self, fd: int, length: int) -> None:
        self._enter("truncate")
        self.real.truncate(fd, length)

    def allocate(self, fd: int, offset: int, length: int) -> None:
        self._enter("allocate")
        self.real.allocate(fd, offset, length)

    def datasync(self, fd: int) -> None:
        self._enter("datasync")
        self.real.datasync(fd)

    def drop_cached(self, fd: int) -> None:
        self.real.drop_cached(fd)

    def start_writeback(self, fd: int, offset: int, length: int) -> None:
        self.real.start_writeback(fd, offset, length)

    def sync_directory(self, path: str) -> None:
        self._enter("sync_directory")
        self.real.sync_directory(path)

    def stat(self, path: str) -> FileStat:
        self._enter("stat")
        return self.real.stat(path)

    def exists(self, path: str) -> bool:
        return self.real.exists(path)

    def listdir(self, path: str) -> list[str]:
        self._enter("listdir")
        return self.real.listdir(path)

    def mkdir(self, path: str) -> None:
        self._enter("mkdir")
        self.real.mkdir(path)

    def rename(self, source: str, target: str) -> None:
        self._enter("rename")
        self.real.rename(source, target)

    def unlink(self, path: str) -> None:
        self._enter("unlink")
        self.real.unlink(path)

    def rmdir(self, path: str) -> None:
        self.real.rmdir(path)

    def space(self, path: str) -> SpaceStat:
        return self.real.space(path)

    def sleeps(self) -> int:
        return self.real.sleeps()

    def lock(self, fd: int) -> None:
        self.real.lock(fd)
