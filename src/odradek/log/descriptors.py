"""Open files of a broker, bounded in number.

A `Handle` is a file that may be open. Whoever uses one asks `fd >= 0` first and gets it again when it was closed
meanwhile. A handle is closed only when it has no pins and no unsynced bytes (an error of writeback is reported only
to descriptors that were open when it happened). Where too many are unsynced, `on_pressure` asks for a flush; only when
a quarter more than the limit are open, or the system has no descriptor left, is one synced here and now, to be closed:
what else the process opens (checkpoints, connections, the metadata store) has no other way to make room.
"""

import errno
import os
from collections.abc import Callable, Iterator
from operator import attrgetter

from odradek.host.files import FileSystem

DEFAULT_LIMIT = 512
LOOKED_AT_MAX = 8
"""Handles looked at for a victim each time one is opened beyond the limit."""
RECENTLY = 2
"""Rounds of the clock that a use protects from closing."""
_EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE})


class Handle:
    """One open file. `used` is set by each user and cleared by the clock hand that looks for a victim."""

    __slots__ = ("dirty", "fd", "path", "pins", "used")

    def __init__(self, path: str, fd: int) -> None:
        self.path = path
        self.fd = fd
        """Descriptor, -1 once closed."""
        self.pins = 0
        self.dirty = False
        """Written since the last successful datasync."""
        self.used = RECENTLY

    def pin(self) -> None:
        """Keep the descriptor open until `unpin`: an executor call or a send uses it."""
        self.pins += 1

    def unpin(self) -> None:
        """Undo one `pin`."""
        self.pins -= 1


class Descriptors:
    """Handles by path; about `limit` are open, up to `most` while many are unsynced, more only if pinned or just used.

    The order of the mapping is that of a clock: who was looked at and spared goes to its end.
    """

    __slots__ = ("_closing", "_handles", "files", "limit", "on_pressure")

    def __init__(self, files: FileSystem, limit: int = DEFAULT_LIMIT) -> None:
        self.files = files
        self.limit = limit
        self.on_pressure: Callable[[], None] = lambda: None
        """Too many handles are open and could not be closed: flush, so that they can."""
        self._handles: dict[str, Handle] = {}
        self._closing: list[Handle] = []

    def __len__(self) -> int:
        return len(self._handles)

    def __iter__(self) -> Iterator[Handle]:
        return iter(self._handles.values())

    def get(self, path: str) -> Handle:
        """The handle of an existing file, opened for reading and writing. Raises FileNotFoundError, OSError."""
        handle = self._handles.get(path)
        if handle is None:
            return self._open(path, os.O_RDWR)
        handle.used = RECENTLY
        return handle

    def create(self, path: str) -> Handle:
        """As `get`, making the file, empty, when there is none."""
        handle = self._handles.get(path)
        if handle is None:
            return self._open(path, os.O_RDWR | os.O_CREAT)
        handle.used = RECENTLY
        return handle

    def forget(self, path: str) -> None:
        """Close the file's descriptor, at once or when its last pin is gone: it was renamed, removed or closed."""
        handle = self._handles.pop(path, None)
        if handle is not None:
            handle.dirty = False
            self._close(handle)

    def close_unpinned(self) -> None:
        """Close what was forgotten while it was pinned, and is not any more."""
        for waiting in [each for each in self._closing if not each.pins]:
            self._closing.remove(waiting)
            self._close_now(waiting)

    def close(self) -> None:
        """Close everything that is not pinned."""
        for path in list(self._handles):
            self.forget(path)

    @property
    def most(self) -> int:
        """Past it, unsynced handles are synced at once."""
        return self.limit + self.limit // 4

    def _open(self, path: str, flags: int) -> Handle:
        if len(self._handles) >= self.most:
            self._sync_and_close_one()
        try:
            fd = self.files.open(path, flags)
        except OSError as error:
            if error.errno not in _EXHAUSTED or not self._sync_and_close_one():
                raise
            fd = self.files.open(path, flags)
        if len(self._handles) >= self.limit:
            self._evict()
        handle = self._handles[path] = Handle(path, fd)
        return handle

    def _evict(self) -> None:
        """Second chance: close what was not used since it was last looked at. A bounded number is looked at."""
        handles = self._handles
        for _ in range(min(LOOKED_AT_MAX, len(handles))):
            handle = handles.pop(next(iter(handles)))
            if not (handle.pins or handle.dirty or handle.used):
                self._close(handle)
                if len(handles) < self.limit:
                    return
                continue
            handle.used = max(handle.used - 1, 0)
            handles[handle.path] = handle
        if len(handles) >= self.limit:
            self.on_pressure()

    def _sync_and_close_one(self) -> bool:
        """The system has no descriptors left. False when every handle is pinned or was used of late. Raises OSError.

        What was used of late may be in somebody's hands: its number must not become another file's.
        """
        for handle in sorted(self._handles.values(), key=attrgetter("dirty")):
            if handle.pins or handle.used:
                continue
            if handle.dirty:
                self.files.datasync(handle.fd)
                handle.dirty = False
            self.forget(handle.path)
            return True
        return False

    def _close(self, handle: Handle) -> None:
        if handle.pins:
            self._closing.append(handle)
        else:
            self._close_now(handle)

    def _close_now(self, handle: Handle) -> None:
        fd, handle.fd = handle.fd, -1
        self.files.close(fd)
