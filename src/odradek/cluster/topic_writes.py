"""The transactions that make, grow and delete topics.

What fits in one transaction is one. Anything larger starts with an intent: the intent, the partitions in chunks that
compare it, then one transaction that shows them and removes it. A topic in state "creating", and partitions from its
`partitions` on, do not exist for anybody; so a crash in between leaves nothing visible, and the controller finishes
or undoes the rest.
"""

from collections.abc import Sequence
from uuid import UUID

import msgspec

from odradek.cluster.chunks import chunked, for_each_chunk
from odradek.cluster.ids import uuid_text
from odradek.cluster.image import ClusterImage, IntentEntry, TopicImage
from odradek.cluster.keys import Keys
from odradek.cluster.names import unified_name
from odradek.cluster.records import (
    CollisionRecord,
    ConfigRecord,
    DeletedRecord,
    IntentRecord,
    PartitionRecord,
    TopicRecord,
)
from odradek.cluster.topic_plans import TopicPlan
from odradek.cluster.writer import Writer, absent, unchanged
from odradek.metastore.store import Compare, Delete, Operation, Put, Revision

Records = Sequence[tuple[int, PartitionRecord]]


class TopicWrites:
    """Each method gives the revision at which its effect can be seen, or None when it lost a race."""

    def __init__(self, keys: Keys, writer: Writer) -> None:
        self._keys, self._writer = keys, writer

    async def create(
        self, topic_id: UUID, plan: TopicPlan, owner: tuple[int, int], guards: list[Compare]
    ) -> Revision | None:
        """`owner` is the broker and its epoch; `guards` hold while the brokers are as the plan saw them."""
        records = list(enumerate(plan.partitions))
        state = TopicRecord(uuid_text(topic_id), len(records), op_id=self._writer.new_op_id())
        when, rest = self._reserve(plan, guards)
        if 1 + len(rest) + len(records) <= self._writer.max_operations:
            parts = self._puts(topic_id, records)
            return await self._writer.commit(when, [Put(self._keys.topic(plan.name), state.encode()), *rest, *parts])
        intent = self._intent(plan.name, 0, len(records), owner)
        creating = msgspec.structs.replace(state, state="creating")
        begin = [Put(self._keys.intent(topic_id), intent.encode()), Put(self._keys.topic(plan.name), creating.encode())]
        began = await self._writer.commit(when, [*begin, *rest])
        if began is None or not await self._fill(topic_id, began, records, guards):
            return None
        return await self._show(topic_id, intent, began, began)

    def _reserve(self, plan: TopicPlan, guards: list[Compare]) -> tuple[list[Compare], list[Operation]]:
        """Comparisons that keep the name free for us, and what is written beside the topic itself."""
        when, rest = [absent(self._keys.topic(plan.name)), *guards], list[Operation]()
        if (unified := unified_name(plan.name)) is not None:
            when.append(absent(self._keys.collision(unified)))
            rest.append(Put(self._keys.collision(unified), CollisionRecord(plan.name).encode()))
        if plan.configs:
            rest.append(Put(self._keys.config("topic", plan.name), ConfigRecord(plan.configs).encode()))
        return when, rest

    def _intent(self, topic: str, first: int, count: int, owner: tuple[int, int]) -> IntentRecord:
        return IntentRecord(topic, first, count, *owner, op_id=self._writer.new_op_id())

    def _puts(self, topic_id: UUID, records: Records) -> list[Put]:
        op_id = self._writer.new_op_id()
        return [
            Put(self._keys.partition(topic_id, index), msgspec.structs.replace(record, op_id=op_id).encode())
            for index, record in records
        ]

    async def _fill(self, topic_id: UUID, intent_revision: Revision, records: Records, guards: list[Compare]) -> bool:
        """Write the partitions; False when the intent was undone or a broker changed meanwhile."""

        async def commit(chunk: Records) -> Revision | None:
            first = absent(self._keys.partition(topic_id, chunk[0][0]))
            when = [unchanged(self._keys.intent(topic_id), intent_revision), first, *guards]
            return await self._writer.commit(when, self._puts(topic_id, chunk))

        return None not in await for_each_chunk(records, self._writer.max_operations, commit)

    async def _show(
        self, topic_id: UUID, intent: IntentRecord, intent_revision: Revision, topic_revision: Revision
    ) -> Revision | None:
        topic, key = self._keys.topic(intent.topic), self._keys.intent(topic_id)
        record = TopicRecord(uuid_text(topic_id), intent.count, op_id=self._writer.new_op_id())
        return await self._writer.commit(
            [unchanged(key, intent_revision), unchanged(topic, topic_revision)],
            [Put(topic, record.encode()), Delete(key)],
        )

    async def grow(
        self, topic: TopicImage, added: Sequence[PartitionRecord], owner: tuple[int, int], guards: list[Compare]
    ) -> Revision | None:
        """Add partitions at the end."""
        first = len(topic.partitions)
        records = list(enumerate(added, first))
        when = [unchanged(self._keys.topic(topic.name), topic.mod_revision), absent(self._keys.intent(topic.topic_id))]
        count = first + len(records)
        if 1 + len(records) <= self._writer.max_operations:
            state = TopicRecord(uuid_text(topic.topic_id), count, op_id=self._writer.new_op_id())
            put = Put(self._keys.topic(topic.name), state.encode())
            return await self._writer.commit([*when, *guards], [put, *self._puts(topic.topic_id, records)])
        intent = self._intent(topic.name, first, count, owner)
        began = await self._writer.commit(when, [Put(self._keys.intent(topic.topic_id), intent.encode())])
        if began is None or not await self._fill(topic.topic_id, began, records, guards):
            return None
        return await self._show(topic.topic_id, intent, began, topic.mod_revision)

    async def finish(self, topic_id: UUID, intent: IntentEntry, image: ClusterImage) -> Revision | None:
        """Show a topic, or its added partitions, whose partitions are all written."""
        entry = image.entries.get(intent.record.topic)
        if entry is None or entry.topic_id != topic_id:
            return await self._forget(topic_id, intent)
        return await self._show(topic_id, intent.record, intent.mod_revision, entry.mod_revision)

    async def undo(self, topic_id: UUID, intent: IntentEntry, image: ClusterImage) -> Revision | None:
        """Remove what is there of a topic, or of its added partitions, that never could be seen."""
        entry = image.entries.get(intent.record.topic)
        if entry is not None and entry.topic_id == topic_id and entry.record.state == "creating":
            when = [unchanged(self._keys.intent(topic_id), intent.mod_revision)]
            return await self._writer.commit(when, self._removal(topic_id, intent.record.topic))
        return await self._undo_growth(topic_id, intent, image)

    async def _undo_growth(self, topic_id: UUID, intent: IntentEntry, image: ClusterImage) -> Revision | None:
        when = [unchanged(self._keys.intent(topic_id), intent.mod_revision)]
        added = [index for index in image.parts.get(topic_id, {}) if index >= intent.record.first]
        for chunk in chunked(added, self._writer.max_operations):
            deletes = [Delete(self._keys.partition(topic_id, index)) for index in chunk]
            if await self._writer.commit(when, deletes) is None:
                return None
        return await self._forget(topic_id, intent)

    async def _forget(self, topic_id: UUID, intent: IntentEntry) -> Revision | None:
        key = self._keys.intent(topic_id)
        return await self._writer.commit([unchanged(key, intent.mod_revision)], [Delete(key)])

    def _removal(self, topic_id: UUID, name: str) -> list[Operation]:
        """Everything of a topic, its intent first."""
        removal: list[Operation] = [
            Delete(self._keys.intent(topic_id)),
            Delete(self._keys.topic(name)),
            Delete(self._keys.config("topic", name)),
            Delete(self._keys.partitions(topic_id), prefix=True),
        ]
        unified = unified_name(name)
        return removal if unified is None else [*removal, Delete(self._keys.collision(unified))]

    async def delete(self, topic: TopicImage) -> Revision | None:
        """One transaction, however many partitions; the brokers with replicas then remove their files."""
        waiting = sorted({broker for partition in topic.partitions for broker in partition.replicas})
        record = DeletedRecord(topic.name, tuple(waiting), self._writer.new_op_id())
        put = Put(self._keys.deleted(topic.topic_id), record.encode())
        when = [unchanged(self._keys.topic(topic.name), topic.mod_revision)]
        return await self._writer.commit(when, [put, *self._removal(topic.topic_id, topic.name)])
