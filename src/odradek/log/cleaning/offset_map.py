"""The last offset of each key, in memory that is bounded whatever the keys are.

Open addressing in one block of 24-byte slots: a 16-byte hash of the key and 8 bytes of offset, as in Kafka's
SkimpyOffsetMap. Keys themselves are not kept, so two keys with one hash would count as one and lose the older's record.
BLAKE2b cut to 128 bits makes that a matter of chance alone: among n keys it happens with probability below n^2 / 2^129,
which for the five million keys of the default memory is 4e-26, and nobody can bring it about on purpose in fewer than
2^64 attempts.
"""

from hashlib import blake2b
from struct import Struct

HASH_SIZE = 16
SLOT_SIZE = 24
ABSENT = -1
_FREE = bytes(HASH_SIZE)  # No key of this world hashes to zero: 2^-128.
_OFFSET = Struct(">q")


class OffsetMap:
    """`latest_offset` is the offset up to which every record was put in, inclusive; -1 for none."""

    __slots__ = ("_slots", "_table", "entries_max", "latest_offset", "size")

    def __init__(self, memory_bytes: int, load_factor: float, entries_wanted: int) -> None:
        """At most `memory_bytes`, less where `entries_wanted` keys need less; `load_factor` of it is filled at most."""
        wanted = int(entries_wanted / load_factor) + 2
        self._slots = max(min(memory_bytes // SLOT_SIZE, wanted), 2)
        self._table = bytearray(self._slots * SLOT_SIZE)
        self.entries_max = min(max(int(self._slots * load_factor), 1), self._slots - 1)
        """Keys that may be put in; one slot at least stays free, so that every search ends."""
        self.size = 0
        self.latest_offset = ABSENT

    @property
    def is_full(self) -> bool:
        """Nothing more may be put in, not even a key that is there."""
        return self.size >= self.entries_max

    @property
    def utilization(self) -> float:
        """Share of the slots that are taken."""
        return self.size / self._slots

    def put(self, key: bytes, offset: int) -> None:
        """The key's last offset so far. Must not be called when full."""
        table, digest = self._table, blake2b(key, digest_size=HASH_SIZE).digest()
        position = int.from_bytes(digest[:8], "little") % self._slots * SLOT_SIZE
        while (found := table[position : position + HASH_SIZE]) != digest:
            if found == _FREE:
                table[position : position + HASH_SIZE] = digest
                self.size += 1
                break
            position += SLOT_SIZE
            if position == len(table):
                position = 0
        _OFFSET.pack_into(table, position + HASH_SIZE, offset)
        self.latest_offset = offset

    def get(self, key: bytes) -> int:
        """The key's last offset, ABSENT when it was not put in."""
        table, digest = self._table, blake2b(key, digest_size=HASH_SIZE).digest()
        position = int.from_bytes(digest[:8], "little") % self._slots * SLOT_SIZE
        while (found := table[position : position + HASH_SIZE]) != digest:
            if found == _FREE:
                return ABSENT
            position += SLOT_SIZE
            if position == len(table):
                position = 0
        offset: int = _OFFSET.unpack_from(table, position + HASH_SIZE)[0]
        return offset
