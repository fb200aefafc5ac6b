"""What each log of a directory consisted of when that was last certain, so that a start sees what is missing since.

    odradek-inventory 1            kind and version
    71c0be24                       identity: a clean stop's marker names the inventory that goes with it
    9a3f0c11                       CRC-32C of the recovery point checkpoint that was written with it
    1                              number of lines that follow
    flights 0 2f1e..77 1042 plain 0:1048551 734:402113
    5d2e8801                       CRC-32C of everything before

A line is topic, partition, topic id, end offset, kind, and base offset and bytes of segments. A clean stop lists all of
them and the end offset; while a log is in use the end offset is -1 and only segments wholly below the recovery point
are listed. All of it was on stable storage before the line was written. The file is ours alone: Kafka neither reads nor
writes it, and one that does not belong to the checkpoint (or, after a clean stop, to the marker) beside it is not used.
"""

from collections.abc import Iterable, Mapping, Sequence
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID

from crc32c import crc32c

from odradek.log.errors import CorruptFileError

if TYPE_CHECKING:
    from odradek.log.log_state import LogState

INVENTORY = ".odradek-inventory"
HEADER = "odradek-inventory 1"
UNKNOWN_END = -1


class Kind(Enum):
    """How far a listed log may have changed since."""

    PLAIN = "plain"
    """Appended to, truncated after a new inventory only, and cut at its beginning."""
    COMPACTED = "compacted"
    """While it was in use, in any of its segments."""
    DAMAGED = "damaged"
    """Not at all: it is read-only, and listed as it was before the damage."""


class Listing(NamedTuple):
    """One log. `segments` are (base offset, bytes), ascending."""

    end_offset: int
    kind: Kind
    segments: tuple[tuple[int, int], ...]

    @property
    def is_whole(self) -> bool:
        """All segments are listed, and where the log ends."""
        return self.end_offset != UNKNOWN_END


ListingKey = tuple[str, int, UUID]
"""Topic, partition and topic id."""


class Inventory(NamedTuple):
    """A file that was read. `identity` is what the clean-stop marker calls it by."""

    identity: str
    checkpoint: str
    """CRC-32C of the recovery point checkpoint."""
    listings: Mapping[ListingKey, Listing]


def kind_of(log: "LogState") -> Kind:
    """By the topic's policy now."""
    return Kind.COMPACTED if "compact" in log.config.cleanup_policy else Kind.PLAIN


def closed_count(log: "LogState") -> int:
    """How many segments lie wholly below the recovery point."""
    segments = log.segments
    return next((at for at in range(len(segments) - 1, 0, -1) if segments[at].base_offset <= log.recovery_point), 0)


def listing_of(log: "LogState", *, is_last: bool) -> Listing:
    """What is certain of the log now. `is_last`: nothing more will be written, so that all may be listed if synced."""
    kind, segments, end_offset = kind_of(log), log.segments[: closed_count(log)], UNKNOWN_END
    if is_last and log.recovery_point == log.log_end_offset and not log.directory_dirty:
        segments, end_offset = log.segments, log.log_end_offset
    elif kind is Kind.COMPACTED:
        segments = []
    return Listing(end_offset, kind, tuple((each.base_offset, each.size) for each in segments))


def line_of(key: ListingKey, listing: Listing) -> str:
    """A line of the file."""
    topic, partition, topic_id = key
    segments = " ".join(f"{base_offset}:{size}" for base_offset, size in listing.segments)
    return f"{topic} {partition} {topic_id.hex} {listing.end_offset} {listing.kind.value} {segments}".rstrip()


def make(lines: Iterable[str], checkpoint: bytes) -> tuple[bytes, str]:
    """The content of a new file and its identity; `checkpoint` is the content of the recovery point checkpoint."""
    lines = list(lines)
    identity = _crc("\n".join(lines).encode() + checkpoint)
    return _render(lines, identity, checkpoint), identity


def without(content: bytes, key: ListingKey, checkpoint: bytes) -> bytes:
    """The same inventory less one log, now belonging to this checkpoint. Raises CorruptFileError."""
    found = parse(content)
    lines = [line_of(each, listing) for each, listing in found.listings.items() if each != key]
    return _render(lines, found.identity, checkpoint)


def parse(content: bytes) -> Inventory:
    """Raises CorruptFileError."""
    body, _, checksum = content.removesuffix(b"\n").rpartition(b"\n")
    if _crc(body + b"\n").encode() != checksum:
        raise CorruptFileError("the inventory is not whole")
    header, *rest = body.decode().split("\n")
    if header != HEADER:
        raise CorruptFileError(f"not an inventory of this version: {header!r}")
    identity, checkpoint, count, *lines = rest
    return Inventory(identity, checkpoint, dict(_parse_line(line) for line in lines[: int(count)]))


def belongs_to(inventory: Inventory, checkpoint: bytes) -> bool:
    """Whether it was written with this content of the recovery point checkpoint."""
    return inventory.checkpoint == _crc(checkpoint)


def _render(lines: Sequence[str], identity: str, checkpoint: bytes) -> bytes:
    body = "".join(f"{line}\n" for line in (HEADER, identity, _crc(checkpoint), str(len(lines)), *lines)).encode()
    return body + f"{_crc(body)}\n".encode()


def _parse_line(line: str) -> tuple[ListingKey, Listing]:
    topic, partition, topic_id, end_offset, kind, *segments = line.split(" ")
    sizes = (each.split(":") for each in segments)
    listing = Listing(int(end_offset), Kind(kind), tuple((int(base_offset), int(size)) for base_offset, size in sizes))
    return (topic, int(partition), UUID(hex=topic_id)), listing


def _crc(content: bytes) -> str:
    return f"{crc32c(content):08x}"
