"""One file as page cache and as platter.

`content` is what programs see. `durable` is what a power loss leaves for sure; each dirty sector may, at the file
system's choice, have reached the platter as well, in any order.
"""

import random
from dataclasses import dataclass, field

SECTOR_BYTES = 512


@dataclass(frozen=True, slots=True)
class Writeback:
    """What one fdatasync covers: sectors (version, bytes), length and truncation as they were when it began."""

    sectors: dict[int, tuple[int, bytes]]
    size: int
    cut: int | None
    cut_version: int
    cuts_stored: int


@dataclass(slots=True, eq=False)
class FileInode:
    """`dirty` and `stored` map a sector to the version of its last write, and of what the platter has.

    `cut` is the least length of a truncation that the platter does not have yet: what came after it can only be
    there if the truncation is.
    """

    number: int
    modified_ms: int = 0
    content: bytearray = field(default_factory=bytearray)
    durable: bytearray = field(default_factory=bytearray)
    dirty: dict[int, int] = field(default_factory=dict)
    stored: dict[int, int] = field(default_factory=dict)
    cut: int | None = None
    cut_version: int = 0
    cuts_stored: int = 0
    versions: int = 0
    lock_owner: object | None = None
    bad_sectors: dict[int, None] = field(default_factory=dict)

    @property
    def size(self) -> int:
        return len(self.content)

    def read(self, offset: int, length: int) -> bytes:
        return bytes(self.content[offset : offset + length])

    def touches_bad_sector(self, offset: int, length: int) -> bool:
        return any(sector in self.bad_sectors for sector in _sectors(offset, min(length, self.size - offset)))

    def write(self, offset: int, data: bytes) -> None:
        if offset > self.size:
            self.content.extend(bytes(offset - self.size))
        self.content[offset : offset + len(data)] = data
        self.versions += 1
        for sector in _sectors(offset, len(data)):
            self.dirty[sector] = self.versions

    def resize(self, length: int) -> None:
        """Cut or extend with zeros."""
        if length < self.size:
            del self.content[length:]
            self.cut = length if self.cut is None else min(self.cut, length)
            self.cut_version += 1
            self.dirty = {sector: version for sector, version in self.dirty.items() if sector * SECTOR_BYTES < length}
        else:
            self.content.extend(bytes(length - self.size))

    def begin_sync(self) -> Writeback:
        sectors = {sector: (version, self._sector(sector)) for sector, version in self.dirty.items()}
        return Writeback(sectors, self.size, self.cut, self.cut_version, self.cuts_stored)

    def finish_sync(self, writeback: Writeback) -> None:
        """Everything the sync covers is on the platter; what was written since stays dirty."""
        undisturbed = self.cuts_stored == writeback.cuts_stored
        if undisturbed and writeback.cut is not None:
            self._store_cut(writeback.cut, keep_pending=self.cut_version != writeback.cut_version)
        for sector, (version, data) in writeback.sectors.items():
            if undisturbed or sector * SECTOR_BYTES < len(self.durable) or self.dirty.get(sector) == version:
                self._store(sector, version, data)
        if undisturbed:
            _extend(self.durable, writeback.size)

    def fail_sync(self, writeback: Writeback) -> None:
        """Linux after a failed fsync: the pages count as clean and are not on the platter."""
        for sector, (version, _) in writeback.sectors.items():
            if self.dirty.get(sector) == version:
                del self.dirty[sector]

    def drop_clean(self) -> None:
        """Forget clean pages: what programs see of them is what the platter has (zeros where it has nothing)."""
        for sector in range(-(-self.size // SECTOR_BYTES)):
            if sector not in self.dirty:
                start, end = sector * SECTOR_BYTES, min((sector + 1) * SECTOR_BYTES, self.size)
                self.content[start:end] = self.durable[start:end].ljust(end - start, b"\0")

    def write_back_some(self, chance: random.Random, offset: int = 0, length: int | None = None) -> None:
        """The kernel's own writeback: some dirty sectors reach the platter now, in no order."""
        if self.cut is not None:
            self._store_cut(self.cut, keep_pending=False)
        end = self.size if length is None else offset + length
        for sector in [number for number in self.dirty if offset <= number * SECTOR_BYTES < end]:
            if chance.random() < 0.5:
                self._store(sector, self.dirty[sector], self._sector(sector))

    def lose_power(self, chance: random.Random) -> None:
        """Decide what of the volatile state the platter got; after this `content` is what it holds."""
        if self.cut is None or chance.random() < 0.5:
            if self.cut is not None:
                self._store_cut(self.cut, keep_pending=False)
            self._settle(chance)
        self.content = bytearray(self.durable)
        self.dirty, self.stored, self.cut, self.lock_owner = {}, {}, None, None

    def settle_all(self) -> None:
        """Everything is on the platter, as after a long rest."""
        self.finish_sync(self.begin_sync())

    def damage(self, offset: int, length: int, chance: random.Random) -> None:
        """Flip bits, in the cache and on the platter."""
        for position in range(offset, min(offset + length, self.size)):
            self.content[position] ^= chance.randint(1, 255)
            if position < len(self.durable):
                self.durable[position] = self.content[position]

    def _settle(self, chance: random.Random) -> None:
        """One of: nothing, everything, a prefix, any subset, or the length without the data (zeros)."""
        kind = chance.choice(("nothing", "everything", "prefix", "subset", "zeros"))
        sectors = sorted(self.dirty) if kind not in ("nothing", "zeros") else []
        if kind == "prefix":
            sectors = sectors[: chance.randint(0, len(sectors))]
        elif kind == "subset":
            sectors = [sector for sector in sectors if chance.random() < 0.5]
        for sector in sectors:
            data = self._sector(sector)
            if kind != "everything" and chance.random() < 0.1:
                data = data[: chance.randint(0, len(data))]  # a torn sector
            self._store(sector, self.dirty[sector], data)
        if kind in ("everything", "zeros"):
            _extend(self.durable, self.size)

    def _store(self, sector: int, version: int, data: bytes) -> None:
        """Put a sector on the platter, unless a later version is there; it is clean if not written since."""
        if self.stored.get(sector, 0) <= version:
            self.stored[sector] = version
            _extend(self.durable, sector * SECTOR_BYTES)
            start = sector * SECTOR_BYTES
            self.durable[start : start + len(data)] = data
        if self.dirty.get(sector) == version:
            del self.dirty[sector]

    def _store_cut(self, length: int, *, keep_pending: bool) -> None:
        del self.durable[length:]
        self.cuts_stored += 1
        self.stored = {sector: version for sector, version in self.stored.items() if sector * SECTOR_BYTES < length}
        if not keep_pending:
            self.cut = None

    def _sector(self, sector: int) -> bytes:
        return self.read(sector * SECTOR_BYTES, SECTOR_BYTES)


def _sectors(offset: int, length: int) -> range:
    if length <= 0:
        return range(0)
    return range(offset // SECTOR_BYTES, (offset + length - 1) // SECTOR_BYTES + 1)


def _extend(target: bytearray, length: int) -> None:
    if length > len(target):
        target.extend(bytes(length - len(target)))
