"""How far a group is behind, partition by partition."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from odradek.cli import queries

if TYPE_CHECKING:
    from odradek.cli.kafka import AdminClient


class PartitionLag(NamedTuple):
    """One partition of a group. `committed` is None where the group has not committed yet."""

    topic: str
    partition: int
    committed: int | None
    end_offset: int | None
    """None when the partition does not exist any more."""

    @property
    def lag(self) -> int | None:
        """Offsets between the commit and the end; None when either is unknown."""
        if self.committed is None or self.end_offset is None:
            return None
        return max(0, self.end_offset - self.committed)


class GroupLag(NamedTuple):
    """A group's partitions, sorted."""

    partitions: list[PartitionLag]

    @property
    def total(self) -> int:
        """Sum over the partitions whose lag is known."""
        return sum(partition.lag or 0 for partition in self.partitions)


def group_lag(admin: AdminClient, group: str, assigned: list[queries.Partition] | None = None) -> GroupLag:
    """Lag of every partition the group has committed, and of those assigned to a member."""
    from odradek.cli.kafka import OffsetSpec

    committed = queries.committed(admin, group)
    partitions = sorted({*committed, *(assigned or [])})
    existing = set(queries.partitions_of(queries.topics(admin)))
    ends = queries.offsets(admin, [p for p in partitions if p in existing], OffsetSpec.latest())
    return GroupLag([PartitionLag(*p, committed.get(p), ends.get(p)) for p in partitions])
