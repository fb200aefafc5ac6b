"""Open files of a broker, bounded in number.

A `Handle` is a file that may be open. Whoever uses one asks `fd >= 0` first and gets it again when it was closed
meanwhile. A handle is closed only when it has no pins and no unsynced bytes (an error of writeback is reported only
to descriptors that were open when it happened).
"""

import os
from collections.abc import Iterator

from odradek.host.files import FileSystem

DEFAULT_LIMIT = 512


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
        self.used = True

    def pin(self) -> None:
        """Keep the descriptor open until `unpin`: an executor call or a send uses it."""
        self.pins += 1

    def unpin(self) -> None:
        """Undo one `pin`."""
        self.pins -= 1


class Descriptors:
    """Handles by path; at most `limit` are open unless more are pinned or dirty."""

    __slots__ = ("_closing", "_handles", "files", "limit")

    def __init__(self, files: FileSystem, limit: int = DEFAULT_LIMIT) -> None:
        self.files = files
        self.limit = limit
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
        handle.used = True
        return handle

    def create(self, path: str) -> Handle:
        """As `get`, making the file, empty, when there is none."""
        handle = self._handles.get(path)
        if handle is None:
            return self._open(path, os.O_RDWR | os.O_CREAT)
        handle.used = True
        return handle

    def forget(self, path: str) -> None:
        """Close the file's descriptor, at once or when its last pin is gone: it was renamed, removed or closed."""
        handle = self._handles.pop(path, None)
        if handle is not None:
            handle.dirty = False
            self._close(handle)

    def close(self) -> None:
        """Close everything that is not pinned."""
        for path in list(self._handles):
            self.forget(path)

    def _open(self, path: str, flags: int) -> Handle:
        if len(self._handles) >= self.limit:
            self._evict()
        handle = self._handles[path] = Handle(path, self.files.open(path, flags))
        return handle

    def _evict(self) -> None:
        """Second chance: pass over handles in order of opening, sparing once those used since the last pass."""
        for handle in list(self._handles.values()):
            if len(self._handles) < self.limit:
                return
            if handle.pins or handle.dirty:
                continue
            if handle.used:
                handle.used = False
                continue
            del self._handles[handle.path]
            self._close(handle)

    def _close(self, handle: Handle) -> None:
        if handle.pins:
            self._closing.append(handle)
        else:
            fd, handle.fd = handle.fd, -1
            self.files.close(fd)
        for waiting in [each for each in self._closing if not each.pins]:
            self._closing.remove(waiting)
            fd, waiting.fd = waiting.fd, -1
            self.files.close(fd)
