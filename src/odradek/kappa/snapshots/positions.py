"""Up to where a snapshot holds a topic: what its table says of itself, in one property."""

import msgspec
from msgspec import Struct

from odradek.kappa.client import Identity, Range
from odradek.kappa.snapshots.errors import SnapshotError

PROPERTY = "kappa.offsets"


class Positions(Struct, frozen=True):
    """Of one log: the next offset of each partition that is not in the table yet."""

    cluster_id: str
    topic_id: str
    next: dict[int, int] = {}

    @classmethod
    def of(cls, identity: Identity) -> "Positions":
        return cls(identity.cluster_id, identity.topic_id)

    def encode(self) -> str:
        return msgspec.json.encode(self).decode()

    def check(self, identity: Identity, table: str, topic: str) -> None:
        """Raises SnapshotError where the table holds another log: its offsets would mean nothing here."""
        if (self.cluster_id, self.topic_id) != identity:
            raise SnapshotError(
                f"{table} holds another log than {topic} is today (topic id {self.topic_id} of cluster "
                f"{self.cluster_id}, not {identity.topic_id} of {identity.cluster_id}): name another table"
            )

    def left(self, bounds: dict[int, Range], table: str, topic: str) -> dict[int, Range]:
        """What the log holds and the table does not. Raises SnapshotError where the log has let go of some of it."""
        found = {}
        for partition, each in bounds.items():
            start = self.next.get(partition, each.start)
            if start < each.start:
                raise SnapshotError(
                    f"{topic}-{partition} begins at {each.start:,} by now, {table} ends before {start:,}: "
                    f"{each.start - start:,} records were deleted before they were in the snapshot"
                )
            if each.end < start:
                raise SnapshotError(
                    f"{topic}-{partition} ends at {each.end:,} and {table} at {start:,}: it lost records"
                )
            found[partition] = Range(start, each.end)
        return found

    def moved(self, to: dict[int, int]) -> "Positions":
        return Positions(self.cluster_id, self.topic_id, {**self.next, **to})


def decode(text: str | None) -> Positions | None:
    """None for a table that says nothing. Raises SnapshotError for what is no positions."""
    if text is None:
        return None
    try:
        return msgspec.json.decode(text, type=Positions)
    except msgspec.MsgspecError as error:
        raise SnapshotError(f"the property {PROPERTY} cannot be read: {error}") from error
