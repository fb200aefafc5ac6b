"""The transaction index: `<base offset>.txnindex`, one entry for each aborted transaction, absent when there is none.

Entries of 34 bytes, big-endian: version 0 (i16), producer id, first offset, last offset (of the marker), and the last
stable offset when the marker was written (i64 each). Last offsets rise.
"""

from struct import Struct
from typing import NamedTuple

from odradek.log.errors import CorruptIndexError

ENTRY = Struct(">hqqqq")
ENTRY_SIZE = ENTRY.size
VERSION = 0


class AbortedTransaction(NamedTuple):
    """Offsets are absolute, `last_offset` inclusive."""

    producer_id: int
    first_offset: int
    last_offset: int
    last_stable_offset: int


def encode(transaction: AbortedTransaction) -> bytes:
    """One entry."""
    return ENTRY.pack(VERSION, *transaction)


def decode(content: bytes) -> list[AbortedTransaction]:
    """All entries. Raises CorruptIndexError for a torn file, an unknown version or offsets out of order."""
    if len(content) % ENTRY_SIZE:
        raise CorruptIndexError(f"a transaction index of {len(content)} bytes is no multiple of {ENTRY_SIZE}")
    found: list[AbortedTransaction] = []
    for version, *fields in ENTRY.iter_unpack(content):
        entry = AbortedTransaction(*fields)
        if version != VERSION or entry.last_offset < entry.first_offset:
            raise CorruptIndexError(f"transaction index entry {entry} of version {version}")
        if found and entry.last_offset <= found[-1].last_offset:
            raise CorruptIndexError(f"transaction index entry {entry} follows {found[-1]}")
        found.append(entry)
    return found


def overlapping(entries: list[AbortedTransaction], fetch_offset: int, upper_offset: int) -> list[AbortedTransaction]:
    """Those a reader of [fetch_offset, upper_offset) must know to leave out their records."""
    return [each for each in entries if each.last_offset >= fetch_offset and each.first_offset < upper_offset]
