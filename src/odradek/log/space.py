"""Room on a log directory's volume: when to warn, when to refuse appends, when to take them again.

A reserve file is kept allocated. When the volume is full it is given up, so that checkpoints, metadata and deletions
still have room, and appends are refused; once there is room for the reserve and as much again, the reserve is
allocated anew and appends are taken. The reserve is never more than a small part of the volume.
"""

import contextlib
import os

from odradek.host.files import FileSystem, SpaceStat

RESERVE = ".odradek-reserve"
RESERVE_SHARE_MAX = 20
"""The reserve takes at most one part in this many of the volume."""
WARN_RESERVES = 10
"""Warn while fewer than this many times the reserve are free."""


def reserve_size(space: SpaceStat, wanted_bytes: int) -> int:
    """Bytes to keep: what `odradek.disk.reserve.bytes` says, less on a small volume."""
    return min(wanted_bytes, space.total_bytes // RESERVE_SHARE_MAX)


def may_resume(space: SpaceStat, reserve_bytes: int) -> bool:
    """Whether a full volume, its reserve given up, has room for appends again."""
    return space.free_bytes > 0 and space.free_bytes >= 2 * reserve_bytes


def is_low(space: SpaceStat, reserve_bytes: int) -> bool:
    """Whether an operator should hear of it, while appends still go on."""
    return space.free_bytes < WARN_RESERVES * reserve_bytes


def allocate_reserve(files: FileSystem, directory: str, size: int) -> bool:
    """Allocate the reserve file; False, and no file, when there is no room for it. May block."""
    path = f"{directory}/{RESERVE}"
    fd = files.open(path, os.O_RDWR | os.O_CREAT)
    try:
        if size:
            files.allocate(fd, 0, size)
        files.truncate(fd, size)
    except OSError:
        files.unlink(path)
        return False
    finally:
        files.close(fd)
    return True


def try_resume(files: FileSystem, directory: str, size: int) -> bool:
    """Allocate the reserve anew if the volume has room for it and for appends. Runs in the executor."""
    try:
        return may_resume(files.space(directory), size) and allocate_reserve(files, directory, size)
    except OSError:
        return False


def release_reserve(files: FileSystem, directory: str) -> None:
    """Give the reserve up, if that can be done. Runs in the executor."""
    with contextlib.suppress(OSError):
        files.unlink(f"{directory}/{RESERVE}")
