"""Changes of in-sync replicas by the partitions' leaders: one compare-and-swap for many partitions, no other broker.

A change counts only while the partition is as its leader saw it, the leader is registered in its present broker epoch
and not fenced, and each replica that joins is registered, unfenced, in the epoch it fetched with (KIP-903).

A broker whose disk takes no writes leaves the in-sync replicas itself: as a follower, so that nobody waits for it, as
the leader, and one of those that stay leads from then on.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from uuid import UUID

import msgspec

from odradek.cluster.elections import Entry, led_by, to_record
from odradek.cluster.image import NO_LEADER, BrokerImage, ClusterImage, PartitionImage
from odradek.cluster.image_feed import ImageFeed
from odradek.cluster.keys import Keys
from odradek.cluster.records import PartitionRecord, ReplicaEpochs
from odradek.cluster.results import MetadataUnavailable
from odradek.cluster.writer import Writer, unchanged
from odradek.metastore.store import Compare, Put


@dataclass(frozen=True, slots=True)
class IsrChange:
    """`before` is the committed state the leader saw; `isr` what it wants in its place."""

    topic_id: UUID
    index: int
    before: PartitionImage
    isr: ReplicaEpochs
    successor: Entry | None = None
    """One of `isr` that is to lead from now on, in a new leader epoch."""


class Outcome(Enum):
    """Of a change."""

    COMMITTED = auto()
    REFUSED = auto()
    """It is not committed and never will be."""
    UNKNOWN = auto()


def with_isr(partition: PartitionImage, isr: ReplicaEpochs) -> PartitionRecord:
    """The partition with another ISR. ELR + old ISR - new ISR, empty when |ISR| >= min_isr (KIP-966)."""
    before = to_record(partition)
    members = {broker_id for broker_id, _ in isr}
    left = [entry for entry in (*before.elr, *before.isr) if entry[0] not in members]
    elr = () if len(isr) >= before.min_isr else tuple(left)
    return msgspec.structs.replace(before, isr=isr, elr=elr)


def given_up(partition: PartitionImage, brokers: Mapping[int, BrokerImage]) -> tuple[ReplicaEpochs, Entry] | None:
    """The ISR without its leader, and who is to lead then; None where nobody else of it can."""
    isr = tuple(
        entry for entry in zip(partition.isr, partition.isr_epochs, strict=True) if entry[0] != partition.leader
    )
    able = dict(entry for entry in isr if _is_present(brokers.get(entry[0]), entry[1]))
    successors = sorted(
        (each for each in partition.replicas if each in able), key=lambda each: bool(brokers[each].gray)
    )
    return (isr, (successors[0], able[successors[0]])) if successors else None


def left(partition: PartitionImage, broker_id: int) -> ReplicaEpochs | None:
    """The ISR without one of the leader's followers; None where it is none."""
    if broker_id not in partition.isr or partition.leader in (NO_LEADER, broker_id):
        return None
    return tuple(entry for entry in zip(partition.isr, partition.isr_epochs, strict=True) if entry[0] != broker_id)


def _changed(change: IsrChange) -> PartitionRecord:
    record = with_isr(change.before, change.isr)
    return record if change.successor is None else led_by(record, change.successor)


def may_change(image: ClusterImage, change: IsrChange, broker_id: int, broker_epoch: int) -> bool:
    """Whether the image leaves the change a chance."""
    partition = image.parts.get(change.topic_id, {}).get(change.index)
    return (
        partition is not None
        and partition.mod_revision == change.before.mod_revision
        and _is_present(image.brokers.get(broker_id), broker_epoch)
        and all(_is_present(image.brokers.get(other), epoch) for other, epoch in _needed(change))
    )


def _needed(change: IsrChange) -> list[Entry]:
    """Those who must be there in that epoch: who joins, and who is to lead."""
    joined = [entry for entry in change.isr if entry[0] not in change.before.isr]
    return joined if change.successor is None else [*joined, change.successor]


def _is_present(broker: BrokerImage | None, epoch: int) -> bool:
    return broker is not None and broker.is_active and broker.epoch == epoch


class IsrWriter:
    """Writes changes for one broker."""

    def __init__(self, feed: ImageFeed, keys: Keys, writer: Writer, broker_id: int) -> None:
        self._feed, self._keys, self._writer, self._broker_id = feed, keys, writer, broker_id

    async def write(self, changes: Sequence[IsrChange], broker_epoch: int) -> list[Outcome]:
        """One outcome per change, in order; a committed one is in the image on return."""
        image = self._feed.image
        chances = [each for each in changes if may_change(image, each, self._broker_id, broker_epoch)]
        outcomes: dict[tuple[UUID, int], Outcome] = {}
        size = self._changes_per_transaction
        for begin in range(0, len(chances), size):
            outcomes |= await self._write_some(image, chances[begin : begin + size])
        return [outcomes.get((each.topic_id, each.index), Outcome.REFUSED) for each in changes]

    @property
    def _changes_per_transaction(self) -> int:
        """Each compares its partition and, at worst, a broker of its own."""
        return max((self._writer.max_operations - 1) // 2, 1)

    async def _write_some(self, image: ClusterImage, changes: Sequence[IsrChange]) -> dict[tuple[UUID, int], Outcome]:
        """All together; where that fails, one by one, so that none suffers for another."""
        outcome = await self._commit(image, changes)
        if outcome is not Outcome.REFUSED or len(changes) == 1:
            return {(each.topic_id, each.index): outcome for each in changes}
        return {(each.topic_id, each.index): await self._commit(image, [each]) for each in changes}

    async def _commit(self, image: ClusterImage, changes: Sequence[IsrChange]) -> Outcome:
        op_id = self._writer.new_op_id()
        puts = [
            Put(
                self._keys.partition(each.topic_id, each.index),
                msgspec.structs.replace(_changed(each), op_id=op_id).encode(),
            )
            for each in changes
        ]
        try:
            revision = await self._writer.commit(self._conditions(image, changes), puts)
            # What is refused now may have been applied by an attempt whose reply was lost: see what there is first.
            await self._feed.reach((await self._writer.get(puts[0].key))[1] if revision is None else revision)
        except MetadataUnavailable:
            return Outcome.UNKNOWN
        return Outcome.REFUSED if revision is None else Outcome.COMMITTED

    def _conditions(self, image: ClusterImage, changes: Sequence[IsrChange]) -> list[Compare]:
        brokers = sorted({self._broker_id, *(broker for each in changes for broker, _ in _needed(each))})
        return [
            *(unchanged(self._keys.broker(each), image.brokers[each].mod_revision) for each in brokers),
            *(unchanged(self._keys.partition(each.topic_id, each.index), each.before.mod_revision) for each in changes),
        ]
