"""The page cache as a machine that has run for a while has it: full, so that memory comes from old pages of files.

On a machine that has just started, or whose host takes back what is free, a page that is used for the first time costs
up to ten times the copy into it (`make bench` has seen 45 us instead of 5 for 16 KiB). Whoever is measured at such a
moment would pay for all.
"""

from __future__ import annotations

import os
from pathlib import Path

MORE_FREE_BYTES = 1 << 30
"""Than after the first filling: what was deleted meanwhile, and is filled again."""

TOUCHED_BYTES = 3 << 30
"""More than is written in most measurements: the pages they will get first have just been in use."""

_CHUNK_BYTES = 128 << 10
"""Linux reads no more than this ahead at a time unless it is told otherwise."""
_CHUNKS_PER_LOOK = 512


class PageCache:
    """Fills free memory with the pages of a file without content, the oldest there are when others need pages."""

    def __init__(self, scratch: Path) -> None:
        self._size = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        self._at = self._free_max = 0
        path = scratch / "page-cache"
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL)
        path.unlink()
        os.ftruncate(self._descriptor, self._size)

    def settle(self) -> None:
        """Have everything written that waits for it, and memory full."""
        os.sync()
        self.fill()

    def fill(self) -> None:
        """The first time with as much as there is memory, so that what is free is what the system took from old pages,
        in pieces too small to be taken back; then with what has become free since."""
        self._read_until(self._free_max)
        _touch(min(TOUCHED_BYTES, self._size // 8))
        self._free_max = self._free_max or _free_bytes() + MORE_FREE_BYTES

    def _read_until(self, free_max: int) -> None:
        """At most once through the file; pages that are there already stay as old as they are."""
        read = 0
        while read < self._size and _free_bytes() > free_max:
            for _ in range(_CHUNKS_PER_LOOK):
                os.posix_fadvise(self._descriptor, self._at, _CHUNK_BYTES, os.POSIX_FADV_WILLNEED)
                self._at = (self._at + _CHUNK_BYTES) % self._size
            read += _CHUNKS_PER_LOOK * _CHUNK_BYTES

    def close(self) -> None:
        """Give the memory back."""
        os.close(self._descriptor)


def _free_bytes() -> int:
    return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _touch(size: int) -> None:
    """Write so much into memory, as files are written, and forget it."""
    descriptor, chunk = os.memfd_create("touched"), bytes(1 << 20)
    try:
        for _ in range(size // len(chunk)):
            os.write(descriptor, chunk)
    finally:
        os.close(descriptor)
