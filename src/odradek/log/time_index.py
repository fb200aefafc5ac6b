"""The time index: `<base offset>.timeindex`.

Entries of 12 bytes, big-endian: the largest timestamp so far in milliseconds (i64), and the last offset of the first
batch having it, relative to the segment's base offset (i32). Timestamps rise strictly. A segment that is no longer
written ends with an entry for its largest timestamp.
"""

from struct import Struct
from typing import NamedTuple

from odradek.log.errors import CorruptIndexError
from odradek.log.offset_index import ReadAt

ENTRY = Struct(">qi")
ENTRY_SIZE = ENTRY.size


class TimestampOffset(NamedTuple):
    """The largest timestamp up to a batch, and that batch's relative last offset."""

    timestamp_ms: int
    relative_offset: int


NONE = TimestampOffset(-1, 0)
"""What an empty index holds: no timestamp, from the segment's first offset on."""


def entries_of(content: bytes | bytearray | memoryview) -> list[TimestampOffset]:
    """All whole entries. Raises CorruptIndexError when they do not rise."""
    whole = memoryview(content)[: len(content) // ENTRY_SIZE * ENTRY_SIZE]
    found = [TimestampOffset(*entry) for entry in ENTRY.iter_unpack(whole)]
    previous = NONE
    for entry in found:
        if entry.timestamp_ms <= previous.timestamp_ms or entry.relative_offset < previous.relative_offset:
            raise CorruptIndexError(f"time index entry {entry} follows {previous}")
        previous = entry
    return found


def kept_bytes(content: bytes, relative_end: int) -> int:
    """Length of the part of the file about batches below a relative offset. Raises CorruptIndexError."""
    return sum(entry.relative_offset < relative_end for entry in entries_of(content)) * ENTRY_SIZE


def floor(read: ReadAt, count: int, timestamp_ms: int) -> TimestampOffset:
    """The last entry whose timestamp is at most the one asked for, or NONE: the batch looked for is not before it."""
    low, high = 0, count
    while low < high:
        middle = (low + high) // 2
        if entry_at(read, middle).timestamp_ms <= timestamp_ms:
            low = middle + 1
        else:
            high = middle
    return entry_at(read, low - 1) if low else NONE


def entry_at(read: ReadAt, slot: int) -> TimestampOffset:
    """One entry. Raises CorruptIndexError when the file is too short for it."""
    content = read(slot * ENTRY_SIZE, ENTRY_SIZE)
    if len(content) != ENTRY_SIZE:
        raise CorruptIndexError("the time index is shorter than its length said")
    found = TimestampOffset(*ENTRY.unpack(content))
    if found.timestamp_ms < 0 or found.relative_offset < 0:
        raise CorruptIndexError(f"time index entry {found} is impossible")
    return found
