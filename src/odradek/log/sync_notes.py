"""Which logs are being synced at this moment, so that a process that dies in a sync leaves a trace of it.

The kernel reports a failed write to one fdatasync and counts the pages as clean from then on. A process killed while it
waits for that very call learns nothing, and the next one would find in the page cache what the disk does not have. So
each executor call writes the names of its logs into a slot of its own before its first fdatasync, and empties the slot
after the last has succeeded. Nothing here is synced itself: what counts is what the same kernel still holds. A start on
that kernel treats the logs named as after a power loss; one on another kernel has lost the power anyway.
"""

from collections.abc import Sequence
from typing import NamedTuple

from odradek.host.files import FileSystem, read_file, write_all

SYNCING = ".odradek-syncing"
SLOTS = 3
"""Executor calls that sync at a time."""
LOGS_MAX = 64
"""Logs of one of them."""
SLOT_BYTES = 20 << 10
"""Room for so many names of partitions, the longest of which has 260 bytes."""
_END = b"\0"


class SyncNote(NamedTuple):
    """What one executor call has to write, and where."""

    fd: int
    position: int
    names: bytes


def note(fd: int, slot: int, names: Sequence[str]) -> SyncNote:
    """Of the logs of one log directory; `fd` is its file."""
    return SyncNote(fd, slot * SLOT_BYTES, "\n".join(names).encode())


def begin(files: FileSystem, wanted: SyncNote) -> None:
    """Before the syncs. Raises OSError: then they must not be made."""
    write_all(files, wanted.fd, wanted.names + _END, wanted.position)


def end(files: FileSystem, wanted: SyncNote) -> None:
    """All of them have succeeded. One byte, so that dying here leaves all or nothing. Raises OSError."""
    write_all(files, wanted.fd, _END, wanted.position)


def make_room(files: FileSystem, fd: int) -> None:
    """Empty slots, for which a full disk cannot lack room later. Raises OSError."""
    write_all(files, fd, bytes(SLOTS * SLOT_BYTES), 0)


def read(files: FileSystem, path: str) -> dict[str, None]:
    """Names of partitions in any slot; none without a file. Raises OSError."""
    try:
        content = read_file(files, path)
    except FileNotFoundError:
        return {}
    slots = (content[at : at + SLOT_BYTES].partition(_END)[0] for at in range(0, len(content), SLOT_BYTES))
    return dict.fromkeys(name for slot in slots for name in slot.decode("utf-8", "replace").split("\n") if name)
