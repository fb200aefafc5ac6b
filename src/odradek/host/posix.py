"""The real file system: the `os` functions under the names of `FileSystem`."""

import ctypes
import fcntl
import os
import resource
from collections.abc import Callable
from itertools import count
from stat import S_ISDIR

from odradek.host.files import FileStat, SpaceStat

SYNC_FILE_RANGE_WRITE = 2


def _find_sync_file_range() -> Callable[[int, int, int, int], int] | None:
    """The C library's function, or None where there is none (macOS): writeback then starts when the system likes."""
    function = getattr(ctypes.CDLL(None, use_errno=True), "sync_file_range", None)
    if function is not None:
        function.argtypes = [ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint]
        function.restype = ctypes.c_int
    return function


def _find_sleeps() -> Callable[[], int]:
    """Voluntary context switches of the calling thread, or a number of its own each time where they are unknown."""
    thread = getattr(resource, "RUSAGE_THREAD", None)
    if thread is None:
        return count().__next__
    return lambda: resource.getrusage(thread).ru_nvcsw


class PosixFiles:
    """Implements `odradek.host.FileSystem` on the operating system."""

    close = staticmethod(os.close)
    preadv = staticmethod(os.preadv)
    pwritev = staticmethod(os.pwritev)
    truncate = staticmethod(os.ftruncate)
    datasync = staticmethod(os.fdatasync if hasattr(os, "fdatasync") else os.fsync)
    listdir = staticmethod(os.listdir)
    mkdir = staticmethod(os.mkdir)
    rename = staticmethod(os.replace)
    unlink = staticmethod(os.unlink)
    rmdir = staticmethod(os.rmdir)
    exists = staticmethod(os.path.exists)

    def __init__(self) -> None:
        self._sync_file_range = _find_sync_file_range()
        self.sleeps = _find_sleeps()

    def open(self, path: str, flags: int, mode: int = 0o644) -> int:
        return os.open(path, flags, mode)

    def size(self, fd: int) -> int:
        return os.fstat(fd).st_size

    def allocate(self, fd: int, offset: int, length: int) -> None:
        os.posix_fallocate(fd, offset, length)

    def drop_cached(self, fd: int) -> None:
        if hasattr(os, "posix_fadvise"):
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)

    def start_writeback(self, fd: int, offset: int, length: int) -> None:
        if self._sync_file_range is None:
            return
        if self._sync_file_range(fd, offset, length, SYNC_FILE_RANGE_WRITE) != 0:
            error = ctypes.get_errno()
            raise OSError(error, os.strerror(error))

    def sync_directory(self, path: str) -> None:
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

    def stat(self, path: str) -> FileStat:
        found = os.stat(path)
        return FileStat(found.st_size, found.st_mtime_ns // 1_000_000, S_ISDIR(found.st_mode))

    def space(self, path: str) -> SpaceStat:
        found = os.statvfs(path)
        return SpaceStat(found.f_blocks * found.f_frsize, found.f_bavail * found.f_frsize)

    def lock(self, fd: int) -> None:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
