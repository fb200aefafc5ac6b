"""A process's view of a simulated disk: `odradek.host.FileSystem` with Linux's errors."""

import errno
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn, TypeVar

from odradek.host import NOWAIT, FileStat, SpaceStat
from odradek.host.files import Buffer
from odradek.simulation.errors import SimulatedCrash
from odradek.simulation.inode import FileInode
from odradek.simulation.tree import DirectoryInode, Entry

if TYPE_CHECKING:
    from odradek.simulation.disk import Disk

T = TypeVar("T")
FIRST_DESCRIPTOR = 3
UNLIMITED_BYTES = 1 << 50
WRITING = os.O_WRONLY | os.O_RDWR


@dataclass(slots=True, eq=False)
class OpenFile:
    """An open file description; `path` is the name it was opened by."""

    inode: FileInode
    flags: int
    path: str


class SimulatedFiles:
    """Descriptors are the lowest free numbers, as POSIX demands: using one after closing it hits another file."""

    def __init__(self, disk: "Disk", pause: Callable[[], None], descriptors_max: int) -> None:
        self._disk, self._tree = disk, disk.tree
        self._pause, self._descriptors_max = pause, descriptors_max
        self._open: dict[int, OpenFile] = {}
        self._dead = False
        self._sleeps = 0

    def kill(self) -> None:
        """The process died: its descriptors are closed, its locks released, its calls do nothing any more."""
        self._dead = True
        for opened in self._open.values():
            _unlock(opened)
        self._open.clear()

    def open_inodes(self) -> Iterator[FileInode]:
        return (opened.inode for opened in self._open.values())

    @property
    def open_count(self) -> int:
        return len(self._open)

    # Descriptors

    def open(self, path: str, flags: int, mode: int = 0o644) -> int:
        self._enter("open", path)
        if len(self._open) + FIRST_DESCRIPTOR >= self._descriptors_max:
            _fail(errno.EMFILE, path)
        inode = self._find_or_create(path, flags)
        if flags & os.O_TRUNC and flags & WRITING and inode.size:
            self._change("truncate", path, lambda: self._resize(inode, 0), "0")
        fd = FIRST_DESCRIPTOR
        while fd in self._open:
            fd += 1
        self._open[fd] = OpenFile(inode, flags, path)
        return fd

    def close(self, fd: int) -> None:
        self._enter("close", "")
        _unlock(self._file(fd))
        del self._open[fd]

    def sleeps(self) -> int:
        """Nothing waits for a simulated processor: whatever takes time waits for the disk."""
        self._sleeps += 1
        return self._sleeps

    def lock(self, fd: int) -> None:
        self._enter("lock", "")
        opened = self._file(fd)
        if opened.inode.lock_owner not in (None, opened):
            _fail(errno.EWOULDBLOCK, opened.path)
        opened.inode.lock_owner = opened

    # Data

    def preadv(self, fd: int, buffers: Sequence[bytearray | memoryview], offset: int, flags: int = 0) -> int:
        self._enter("preadv", "")
        opened = self._file(fd, reading=True)
        self._disk.begin_read("preadv", opened.path)
        inode, wanted = opened.inode, sum(len(buffer) for buffer in buffers)
        available = max(0, min(wanted, inode.size - offset))
        if flags & NOWAIT and available:
            available = self._draw_cached(available, opened.path)
        if inode.touches_bad_sector(offset, available):
            _fail(errno.EIO, opened.path)
        _scatter(memoryview(inode.read(offset, available)), buffers)
        return available

    def pwritev(self, fd: int, buffers: Sequence[Buffer], offset: int) -> int:
        self._enter("pwritev", "")
        opened = self._file(fd, writing=True)
        inode, data = opened.inode, b"".join(bytes(buffer) for buffer in buffers)
        if opened.flags & os.O_APPEND:
            offset = inode.size
        count = min(len(data), self._disk.writable_bytes(inode, offset + len(data)) - offset)
        if data and count <= 0:
            _fail(errno.ENOSPC, opened.path)
        if not data:
            return 0
        torn = self._disk.chance.randint(0, count)
        self._change(
            "pwritev",
            opened.path,
            lambda: self._write(inode, offset, data[:count]),
            f"{offset}+{count}",
            data=data,
            partly=lambda: self._write(inode, offset, data[:torn]),
        )
        self._disk.write_back_sometimes(inode)
        return count

    def size(self, fd: int) -> int:
        self._enter("size", "")
        return self._file(fd).inode.size

    def truncate(self, fd: int, length: int) -> None:
        self._enter("truncate", "")
        opened = self._file(fd)
        if not opened.flags & WRITING:
            _fail(errno.EINVAL, opened.path)
        self._change("truncate", opened.path, lambda: self._resize(opened.inode, length), str(length))

    def allocate(self, fd: int, offset: int, length: int) -> None:
        self._enter("allocate", "")
        opened = self._file(fd, writing=True)
        end = offset + length
        if self._disk.writable_bytes(opened.inode, end) < end:
            _fail(errno.ENOSPC, opened.path)
        size = max(end, opened.inode.size)
        self._change("allocate", opened.path, lambda: self._resize(opened.inode, size), f"{offset}+{length}")

    def datasync(self, fd: int) -> None:
        self._enter("datasync", "")
        opened = self._file(fd)
        writeback = opened.inode.begin_sync()
        self._pause()
        self._check_alive()
        try:
            self._change("datasync", opened.path, lambda: opened.inode.finish_sync(writeback))
        except OSError:
            opened.inode.fail_sync(writeback)
            raise

    def drop_cached(self, fd: int) -> None:
        self._enter("drop_cached", "")
        self._file(fd).inode.drop_clean()

    def start_writeback(self, fd: int, offset: int, length: int) -> None:
        self._enter("start_writeback", "")
        opened = self._file(fd)
        chance = self._disk.chance
        self._change(
            "start_writeback", opened.path, lambda: opened.inode.write_back_some(chance, offset, length or None)
        )

    # Names

    def stat(self, path: str) -> FileStat:
        self._enter("stat", path)
        inode = self._tree.find(path)
        if isinstance(inode, DirectoryInode):
            return FileStat(4096, inode.modified_ms, True)
        return FileStat(inode.size, inode.modified_ms, False)

    def exists(self, path: str) -> bool:
        self._enter("exists", path)
        try:
            self._tree.find(path)
        except (FileNotFoundError, NotADirectoryError):
            return False
        return True

    def listdir(self, path: str) -> list[str]:
        self._enter("listdir", path)
        names = list(self._directory(path).entries)
        self._disk.chance.shuffle(names)
        return names

    def mkdir(self, path: str) -> None:
        self._enter("mkdir", path)
        parent, name = self._tree.parent(path)
        if name in parent.entries:
            _fail(errno.EEXIST, path)
        made = DirectoryInode(self._tree.next_number(), self._disk.now_ms())
        self._change("mkdir", path, lambda: self._tree.change(Entry(parent, name, made)))

    def rename(self, source: str, target: str) -> None:
        self._enter("rename", source)
        (old_parent, old_name), (parent, name) = self._tree.parent(source), self._tree.parent(target)
        inode = self._tree.find(source)
        replaced = parent.entries.get(name)
        if replaced is inode:
            return
        if isinstance(inode, DirectoryInode):
            _check_directory_replaceable(replaced, target)
            if f"{target}/".startswith(f"{source}/"):
                _fail(errno.EINVAL, target)
        elif isinstance(replaced, DirectoryInode):
            is_inside = source.startswith(f"{target}/")
            _fail(errno.ENOTEMPTY if is_inside else errno.EISDIR, target)
        entries = (Entry(old_parent, old_name, None), Entry(parent, name, inode))
        self._change("rename", source, lambda: self._tree.change(*entries), target)

    def unlink(self, path: str) -> None:
        self._enter("unlink", path)
        if isinstance(self._tree.find(path), DirectoryInode):
            _fail(errno.EISDIR, path)
        parent, name = self._tree.parent(path)
        self._change("unlink", path, lambda: self._tree.change(Entry(parent, name, None)))

    def rmdir(self, path: str) -> None:
        self._enter("rmdir", path)
        if self._directory(path).entries:
            _fail(errno.ENOTEMPTY, path)
        parent, name = self._tree.parent(path)
        self._change("rmdir", path, lambda: self._tree.change(Entry(parent, name, None)))

    def sync_directory(self, path: str) -> None:
        self._enter("sync_directory", path)
        directory = self._directory(path)
        self._change("sync_directory", path, lambda: self._tree.sync(directory))

    def space(self, path: str) -> SpaceStat:
        self._enter("space", path)
        self._tree.find(path)
        total = self._disk.capacity_bytes
        if total is None:
            return SpaceStat(UNLIMITED_BYTES, UNLIMITED_BYTES - self._disk.used_bytes)
        return SpaceStat(total, max(0, total - self._disk.used_bytes))

    # Inside

    def _enter(self, operation: str, path: str) -> None:
        """The start of every call: other threads may run, the process may have died."""
        self._check_alive()
        self._pause()
        self._check_alive()
        if path and operation not in ("mkdir", "rename", "unlink", "rmdir", "sync_directory"):
            self._disk.begin_read(operation, path)

    def _check_alive(self) -> None:
        if self._dead:
            raise SimulatedCrash("the process is dead")

    def _change(
        self,
        name: str,
        path: str,
        effect: Callable[[], None],
        detail: str = "",
        *,
        data: bytes = b"",
        partly: Callable[[], None] | None = None,
    ) -> None:
        """A step that changes something, and at which a crash may be planned."""
        kind = self._disk.begin(name, path, detail, data)
        if kind is None:
            effect()
            return
        if partly is not None:
            partly()
        elif self._disk.chance.random() < 0.5:
            effect()
        self._disk.die(kind)

    def _find_or_create(self, path: str, flags: int) -> FileInode:
        try:
            inode = self._tree.find(path)
        except FileNotFoundError:
            if not flags & os.O_CREAT:
                raise
            parent, name = self._tree.parent(path)
            created = FileInode(self._tree.next_number(), self._disk.now_ms())
            self._change("create", path, lambda: self._tree.change(Entry(parent, name, created)))
            return created
        if flags & os.O_CREAT and flags & os.O_EXCL:
            _fail(errno.EEXIST, path)
        if isinstance(inode, DirectoryInode):
            _fail(errno.EISDIR, path)
        return inode

    def _file(self, fd: int, *, reading: bool = False, writing: bool = False) -> OpenFile:
        opened = self._open.get(fd)
        if opened is None:
            _fail(errno.EBADF, "")
        access = opened.flags & os.O_ACCMODE
        if (reading and access == os.O_WRONLY) or (writing and access == os.O_RDONLY):
            _fail(errno.EBADF, opened.path)
        return opened

    def _directory(self, path: str) -> DirectoryInode:
        inode = self._tree.find(path)
        if not isinstance(inode, DirectoryInode):
            _fail(errno.ENOTDIR, path)
        return inode

    def _draw_cached(self, available: int, path: str) -> int:
        """How much of a NOWAIT read is in the page cache."""
        draw, miss = self._disk.chance.random(), self._disk.nowait_miss
        if draw < miss:
            _fail(errno.EAGAIN, path)
        return self._disk.chance.randint(1, available) if draw < 2 * miss else available

    def _write(self, inode: FileInode, offset: int, data: bytes) -> None:
        inode.write(offset, data)
        inode.modified_ms = self._disk.now_ms()

    def _resize(self, inode: FileInode, length: int) -> None:
        inode.resize(length)
        inode.modified_ms = self._disk.now_ms()


def _fail(code: int, path: str) -> NoReturn:
    raise OSError(code, os.strerror(code), path or None)


def _unlock(opened: OpenFile) -> None:
    if opened.inode.lock_owner is opened:
        opened.inode.lock_owner = None


def _check_directory_replaceable(replaced: FileInode | DirectoryInode | None, target: str) -> None:
    if isinstance(replaced, FileInode):
        _fail(errno.ENOTDIR, target)
    if isinstance(replaced, DirectoryInode) and replaced.entries:
        _fail(errno.ENOTEMPTY, target)


def _scatter(data: memoryview, buffers: Sequence[bytearray | memoryview]) -> None:
    position = 0
    for buffer in buffers:
        part = data[position : position + len(buffer)]
        memoryview(buffer)[: len(part)] = part
        position += len(part)
