"""Start offsets of leader epochs (KIP-101, KIP-279) and their file, `leader-epoch-checkpoint`.

The file is text: version 0, the number of entries, then `<epoch> <start offset>` a line. Epochs and start offsets rise
strictly. What the file lacks after a crash is in the batches above the recovery point, whose headers carry the epoch.
"""

from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise

from odradek.log.errors import CorruptFileError

NO_EPOCH = -1
NO_OFFSET = -1
VERSION = "0"

EpochEntry = tuple[int, int]
"""(epoch, start offset)"""


class EpochCache:
    """Which epoch wrote which part of the log."""

    __slots__ = ("changed", "entries")

    def __init__(self, entries: Sequence[EpochEntry] = ()) -> None:
        self.entries: tuple[EpochEntry, ...] = tuple(entries)
        self.changed = False
        """The file does not hold these entries yet."""

    @property
    def latest_epoch(self) -> int:
        """-1 when nothing was ever assigned."""
        return self.entries[-1][0] if self.entries else NO_EPOCH

    def assign(self, epoch: int, start_offset: int) -> None:
        """The epoch begins at this offset, unless it already began. Entries that would break the order are dropped."""
        kept = list(self.entries)
        if kept and kept[-1][0] == epoch and kept[-1][1] <= start_offset:
            return
        while kept and (kept[-1][0] >= epoch or kept[-1][1] >= start_offset):
            kept.pop()
        self._replace((*kept, (epoch, start_offset)) if kept else _alone(epoch, start_offset))

    def end_offset_for(self, epoch: int, log_end_offset: int) -> EpochEntry:
        """(epoch, end offset): the largest epoch not above the one asked for, and where it ends; (-1, -1) if unknown.

        Meaning of OffsetForLeaderEpoch, KIP-279.
        """
        if epoch == NO_EPOCH or not self.entries:
            return NO_EPOCH, NO_OFFSET
        if epoch == self.latest_epoch:
            return epoch, log_end_offset
        floor = epoch
        for known, start_offset in self.entries:
            if known > epoch:
                return floor, start_offset
            floor = known
        return NO_EPOCH, NO_OFFSET

    def epoch_for_offset(self, offset: int) -> int:
        """The epoch that wrote the offset, -1 when it lies before the first entry."""
        found = NO_EPOCH
        for epoch, start_offset in self.entries:
            if start_offset > offset:
                break
            found = epoch
        return found

    def truncate_from_end(self, end_offset: int) -> None:
        """Forget epochs that begin at or after the new end of the log."""
        self._replace([entry for entry in self.entries if entry[1] < end_offset])

    def truncate_from_start(self, start_offset: int) -> None:
        """Forget epochs that ended before the new start; the one it falls into begins there."""
        earlier = [entry for entry in self.entries if entry[1] <= start_offset]
        if earlier:
            self._replace([(earlier[-1][0], start_offset), *self.entries[len(earlier) :]])

    def clear(self) -> None:
        """Forget everything."""
        self._replace([])

    def _replace(self, entries: Sequence[EpochEntry]) -> None:
        replaced = tuple(entries)
        if replaced != self.entries:
            self.entries = replaced
            self.changed = True


@lru_cache(maxsize=256)
def _alone(epoch: int, start_offset: int) -> tuple[EpochEntry, ...]:
    """Most logs of a broker that has just started have the same single entry: they share it."""
    return ((epoch, start_offset),)


def encode(entries: Sequence[EpochEntry]) -> bytes:
    """The file's content."""
    lines = [VERSION, str(len(entries)), *(f"{epoch} {offset}" for epoch, offset in entries)]
    return ("\n".join(lines) + "\n").encode()


def decode(content: bytes) -> list[EpochEntry]:
    """Entries of the file. Raises CorruptFileError."""
    try:
        version, count, *lines = content.decode("ascii").splitlines()
        pairs = [line.split(" ") for line in lines]
        entries = [(_number(epoch), _number(offset)) for epoch, offset in pairs]
        if version != VERSION or _number(count) != len(entries):
            raise ValueError("wrong version or number of entries")
    except ValueError as error:
        raise CorruptFileError(f"leader epoch checkpoint: {error}") from None
    for before, after in pairwise(entries):
        if after[0] <= before[0] or after[1] < before[1]:
            raise CorruptFileError(f"leader epoch checkpoint: {after} follows {before}")
    return entries


def _number(text: str) -> int:
    if not text.isdigit():
        raise ValueError(f"{text!r} is no number")
    return int(text)
