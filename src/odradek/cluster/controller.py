"""Carries out what `decide_duties` says. Every write also compares the controller's own seat."""

import logging
from collections import Counter
from collections.abc import Sequence
from uuid import UUID

import msgspec

from odradek.cluster.chunks import for_each_chunk
from odradek.cluster.duties import Duties, PartitionChange
from odradek.cluster.image import BrokerImage, ClusterImage, DeletedEntry, IntentEntry
from odradek.cluster.keys import Keys
from odradek.cluster.records import BrokerRecord
from odradek.cluster.topic_writes import TopicWrites
from odradek.cluster.writer import Writer, unchanged
from odradek.metastore.store import Compare, Delete, Operation, Put, Revision, Target

log = logging.getLogger(__name__)

REPORTS = {
    "recovery": "the last leader leads again after a crash; records it had not synced may be lost",
    "unclean": "a replica that was not in sync leads; records may be lost",
    "none": "no leader, because nobody of the ISR and ELR is there",
}


class Controller:
    """Acts for the controller's seat as the given image knows it."""

    def __init__(self, keys: Keys, writer: Writer, writes: TopicWrites) -> None:
        self._keys, self._writer, self._writes = keys, writer, writes
        self.elections: Counter[str] = Counter()
        """Leaders elected since the start, by where they were found (`Election.kind`)."""

    async def carry_out(self, duties: Duties, image: ClusterImage) -> Revision:
        """The latest revision written; 0 when nothing was. What lost a race is left for the next image."""
        seat = Compare(self._keys.controller, Target.CREATE, image.controller_revision)
        latest = [await self._set_fenced(broker, True, seat) for broker in duties.fence]
        latest += await self._change_partitions(duties.partitions, seat)
        latest += [await self._set_fenced(broker, False, seat) for broker in duties.unfence]
        latest += [await self.settle_intent(topic_id, intent, image) for topic_id, intent in duties.intents]
        latest += [await self._shorten(topic_id, entry, image) for topic_id, entry in duties.deleted]
        latest += [await self._writer.commit([seat], [Delete(self._keys.history(token))]) for token in duties.history]
        return max((revision for revision in latest if revision is not None), default=0)

    async def _set_fenced(self, broker: BrokerImage, fenced: bool, seat: Compare) -> Revision | None:
        log.info("Broker %d (epoch %d) is %s", broker.broker_id, broker.epoch, "fenced" if fenced else "unfenced")
        key = self._keys.broker(broker.broker_id)
        record = BrokerRecord(
            epoch=broker.epoch,
            incarnation=broker.incarnation,
            endpoints=broker.endpoints,
            rack=broker.rack,
            directory_id=broker.directory_id,
            predecessor_epoch=broker.predecessor_epoch,
            fenced=fenced,
            draining=broker.draining,
            gray=broker.gray,
            op_id=self._writer.new_op_id(),
        )
        return await self._writer.commit([seat, unchanged(key, broker.mod_revision)], [Put(key, record.encode())])

    async def _change_partitions(self, changes: Sequence[PartitionChange], seat: Compare) -> list[Revision | None]:
        _report(changes)

        async def commit(chunk: Sequence[PartitionChange]) -> Revision | None:
            when, then, op_id = [seat], list[Operation](), self._writer.new_op_id()
            for change in chunk:
                key = self._keys.partition(change.topic.topic_id, change.index)
                when.append(unchanged(key, change.before.mod_revision))
                then.append(Put(key, msgspec.structs.replace(change.election.record, op_id=op_id).encode()))
            revision = await self._writer.commit(when, then)
            if revision is not None:
                self.elections.update(each.election.kind for each in chunk if _elects(each))
            return revision

        leaderless_first = sorted(changes, key=_has_leader)
        return await for_each_chunk(leaderless_first, self._writer.max_operations - 1, commit)

    async def settle_intent(self, topic_id: UUID, intent: IntentEntry, image: ClusterImage) -> Revision | None:
        """Finish what was begun when all its partitions are there, else undo it."""
        parts = image.parts.get(topic_id, {})
        is_complete = all(index in parts for index in range(intent.record.first, intent.record.count))
        log.info("Topic %s: what broker %d left half done is %s", intent.record.topic, intent.record.broker,
                 "finished" if is_complete else "undone")  # fmt: skip
        settle = self._writes.finish if is_complete else self._writes.undo
        return await settle(topic_id, intent, image)

    async def _shorten(self, topic_id: UUID, entry: DeletedEntry, image: ClusterImage) -> Revision | None:
        """Do not wait for brokers that are no longer registered."""
        waiting = tuple(broker for broker in entry.record.waiting if broker in image.brokers)
        key = self._keys.deleted(topic_id)
        record = msgspec.structs.replace(entry.record, waiting=waiting, op_id=self._writer.new_op_id())
        operation: Operation = Put(key, record.encode()) if waiting else Delete(key)
        return await self._writer.commit([unchanged(key, entry.mod_revision)], [operation])


def _elects(change: PartitionChange) -> bool:
    return change.election.record.leader_epoch != change.before.leader_epoch


def _has_leader(change: PartitionChange) -> bool:
    return change.before.leader != -1


def _report(changes: Sequence[PartitionChange]) -> None:
    """One line for each way of losing records or availability, whatever the number of partitions."""
    kinds: dict[str, list[str]] = {}
    for change in changes:
        kinds.setdefault(change.election.kind, []).append(f"{change.topic.name}-{change.index}")
    for kind, names in kinds.items():
        if kind in REPORTS:
            log.warning("%d partition(s), %s first: %s", len(names), names[0], REPORTS[kind])
