"""The offset index: `<base offset>.index`.

Entries of 8 bytes, big-endian: the last offset of a batch relative to the segment's base offset (i32), and the byte
position of that batch in the segment (i32). Both rise strictly. A segment's first batch has none.
"""

from collections.abc import Callable
from struct import Struct
from typing import NamedTuple

from odradek.log.errors import CorruptIndexError

ENTRY = Struct(">ii")
ENTRY_SIZE = ENTRY.size

BLOCK_ENTRIES = 512
"""A search narrows the file by single entries down to one block, which it reads whole."""

ReadAt = Callable[[int, int], bytes]
"""`read(position, length)` of an index file; may raise ColdError."""


class OffsetPosition(NamedTuple):
    """A batch by its relative last offset and its position; (-1, 0) stands for the start of the segment."""

    relative_offset: int
    position: int


START = OffsetPosition(-1, 0)


def entries_of(content: bytes | bytearray | memoryview) -> list[OffsetPosition]:
    """All whole entries. Raises CorruptIndexError when they do not rise."""
    whole = memoryview(content)[: len(content) // ENTRY_SIZE * ENTRY_SIZE]
    found = [OffsetPosition(*entry) for entry in ENTRY.iter_unpack(whole)]
    previous = START
    for entry in found:
        if entry.relative_offset <= previous.relative_offset or entry.position <= previous.position:
            raise CorruptIndexError(f"offset index entry {entry} follows {previous}")
        previous = entry
    return found


def kept_bytes(content: bytes, position: int) -> int:
    """Length of the part of the file about batches before `position`. Raises CorruptIndexError."""
    return sum(entry.position < position for entry in entries_of(content)) * ENTRY_SIZE


def floor_by(field: int, read: ReadAt, count: int, target: int) -> tuple[int, OffsetPosition]:
    """The slot and the last entry whose field (0 relative offset, 1 position) is at most `target`; else (-1, START).

    Takes about log2(count / 512) small reads and one of 4 KiB. Raises CorruptIndexError when a read comes back short.
    """
    low, high = 0, count  # Every slot below `low` is at most the target, every one from `high` on is above it.
    while high - low > BLOCK_ENTRIES:
        middle = (low + high) // 2
        if _entry(read, middle)[field] <= target:
            low = middle + 1
        else:
            high = middle
    first = max(low - 1, 0)
    block = read(first * ENTRY_SIZE, (high - first) * ENTRY_SIZE)
    if len(block) != (high - first) * ENTRY_SIZE:
        raise CorruptIndexError("the offset index is shorter than its length said")
    return _floor_in_block(field, block, first, target)


def _floor_in_block(field: int, block: bytes, first: int, target: int) -> tuple[int, OffsetPosition]:
    low, high = 0, len(block) // ENTRY_SIZE
    while low < high:
        middle = (low + high) // 2
        if ENTRY.unpack_from(block, middle * ENTRY_SIZE)[field] <= target:
            low = middle + 1
        else:
            high = middle
    if low == 0:
        return -1, START
    found = OffsetPosition(*ENTRY.unpack_from(block, (low - 1) * ENTRY_SIZE))
    if found.relative_offset < 0 or found.position <= 0:
        raise CorruptIndexError(f"offset index entry {found} is impossible")
    return first + low - 1, found


def _entry(read: ReadAt, slot: int) -> OffsetPosition:
    content = read(slot * ENTRY_SIZE, ENTRY_SIZE)
    if len(content) != ENTRY_SIZE:
        raise CorruptIndexError("the offset index is shorter than its length said")
    return OffsetPosition(*ENTRY.unpack(content))
