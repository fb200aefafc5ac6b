"""The file system a broker is written against.

Descriptors are plain integers so that the real implementation is the `os` function itself, with no wrapper on hot
paths. Every method may raise OSError; `odradek.log.errors` decides what an error means. All calls are synchronous and
may block: on the event loop only `pwritev` (page cache), `preadv` with NOWAIT and calls that touch metadata of a file
just made are allowed; everything else goes through `loop.run_in_executor`.
"""

import errno
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

Buffer = bytes | bytearray | memoryview

NOWAIT = getattr(os, "RWF_NOWAIT", 0)
"""Flag of `preadv`: answer short, or raise an error of WOULD_WAIT, rather than wait for the disk."""

WOULD_WAIT = frozenset({errno.EAGAIN, errno.EOPNOTSUPP})
"""What `preadv` with NOWAIT answers where it had to wait; some file systems (tmpfs) do not know NOWAIT at all."""


@dataclass(frozen=True, slots=True)
class FileStat:
    """Size in bytes, modification time in milliseconds since the epoch, and kind."""

    size: int
    modified_ms: int
    is_directory: bool


@dataclass(frozen=True, slots=True)
class SpaceStat:
    """Bytes of a volume: in all, and free to this process."""

    total_bytes: int
    free_bytes: int


class FileSystem(Protocol):
    """POSIX files, as little of them as the broker needs. Paths are absolute strings."""

    def open(self, path: str, flags: int, mode: int = 0o644) -> int:
        """`os.open`: flags are os.O_*; O_CLOEXEC is implied."""
        ...

    def close(self, fd: int) -> None: ...

    def preadv(self, fd: int, buffers: Sequence[bytearray | memoryview], offset: int, flags: int = 0) -> int:
        """Bytes read, 0 at the end of the file. With NOWAIT may be short or raise OSError of WOULD_WAIT."""
        ...

    def pwritev(self, fd: int, buffers: Sequence[Buffer], offset: int) -> int:
        """Bytes written, which may be fewer than given (full disk)."""
        ...

    def size(self, fd: int) -> int:
        """Length of the open file in bytes."""
        ...

    def truncate(self, fd: int, length: int) -> None:
        """`os.ftruncate`."""
        ...

    def allocate(self, fd: int, offset: int, length: int) -> None:
        """`os.posix_fallocate`: reserve space, extending the file."""
        ...

    def datasync(self, fd: int) -> None:
        """`os.fdatasync`. After an error nothing is known about what was stored: never retry."""
        ...

    def drop_cached(self, fd: int) -> None:
        """Forget clean pages, so that reads see what is stored: after a failed fdatasync that may be less."""
        ...

    def start_writeback(self, fd: int, offset: int, length: int) -> None:
        """`sync_file_range(SYNC_FILE_RANGE_WRITE)`: begin writing dirty pages, promise nothing."""
        ...

    def sync_directory(self, path: str) -> None:
        """Make creations, renames and removals in the directory durable."""
        ...

    def stat(self, path: str) -> FileStat:
        """Raises FileNotFoundError."""
        ...

    def exists(self, path: str) -> bool: ...

    def listdir(self, path: str) -> list[str]:
        """Names, in no particular order."""
        ...

    def mkdir(self, path: str) -> None:
        """Make one directory; raises FileExistsError."""
        ...

    def rename(self, source: str, target: str) -> None:
        """`os.replace`; durable only after `sync_directory` of the parent."""
        ...

    def unlink(self, path: str) -> None: ...

    def rmdir(self, path: str) -> None: ...

    def space(self, path: str) -> SpaceStat: ...

    def sleeps(self) -> int:
        """How often this thread has slept so far, for a disk or anything else but its turn on a processor.

        A call that took long without a new one waited for a processor. Where the system does not say, every call
        counts as one.
        """
        ...

    def lock(self, fd: int) -> None:
        """Exclusive `flock` without waiting; raises BlockingIOError when another process holds it."""
        ...


def read_file(files: FileSystem, path: str) -> bytes:
    """The whole content. Raises FileNotFoundError, OSError."""
    fd = files.open(path, os.O_RDONLY)
    try:
        content = bytearray(files.size(fd))
        view, position = memoryview(content), 0
        while position < len(content):
            count = files.preadv(fd, [view[position:]], position)
            if count == 0:
                break
            position += count
        return bytes(view[:position])
    finally:
        files.close(fd)


def write_all(files: FileSystem, fd: int, data: Buffer, offset: int) -> None:
    """Write every byte or raise OSError; a short write is continued, so that the cause shows as an error."""
    view, position = memoryview(data), 0
    while position < len(view):
        position += files.pwritev(fd, [view[position:]], offset + position)


def write_atomically(files: FileSystem, path: str, content: bytes) -> None:
    """Replace a small file so that a crash leaves the old or the new content, durable on return.

    Temporary name, fdatasync, rename, fsync of the directory. A leftover `.tmp` is overwritten by the next call.
    """
    fd = _begin(files, path, content)
    try:
        files.datasync(fd)
    finally:
        files.close(fd)
    _finish(files, path)


def write_each_atomically(files: FileSystem, paths: Sequence[str], content: bytes) -> None:
    """`write_atomically` of the same content for some files, each in a directory of its own, in less time.

    All are on their way to the disk before the first is waited for, so that a journal commits them together.
    """
    fds: list[int] = []
    try:
        for path in paths:
            fds.append(_begin(files, path, content))
            if len(paths) > 1:
                files.start_writeback(fds[-1], 0, len(content))
        for fd in fds:
            files.datasync(fd)
    finally:
        for fd in fds:
            files.close(fd)
    for path in paths:
        _finish(files, path)


def _begin(files: FileSystem, path: str, content: bytes) -> int:
    """The descriptor of the temporary file with the content, nothing of it durable."""
    fd = files.open(_temporary(path), os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    try:
        write_all(files, fd, content, 0)
    except BaseException:
        files.close(fd)
        raise
    return fd


def _finish(files: FileSystem, path: str) -> None:
    """The durable content gets its name."""
    files.rename(_temporary(path), path)
    files.sync_directory(path.rpartition("/")[0])


def _temporary(path: str) -> str:
    return f"{path}.tmp"
