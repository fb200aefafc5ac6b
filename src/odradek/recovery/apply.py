"""Writes a recovery into the metadata store. One that was broken off is simply done again, from the same reports.

While it is under way no broker starts: a token says so from before the first change until all are made.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec

from odradek.cluster.chunks import for_each_chunk
from odradek.cluster.history import HistoryEntry, chain_of
from odradek.cluster.ids import uuid_text
from odradek.cluster.image import ClusterImage
from odradek.cluster.image_builder import ImageBuilder
from odradek.cluster.keys import Keys
from odradek.cluster.names import unified_name
from odradek.cluster.producer_ids import BLOCK_SIZE
from odradek.cluster.records import (
    CollisionRecord,
    CounterRecord,
    HistoryRecord,
    ProducerIdBlockRecord,
    TopicRecord,
    decode,
)
from odradek.cluster.writer import Writer, unchanged
from odradek.metastore.store import KV, Delete, MetadataStore, Operation, Put, Revision
from odradek.recovery.plan import PartitionPlan, RecoveryPlan

logger = logging.getLogger(__name__)

NOBODY = -1
"""Stands for the broker in a token that none wrote."""


@dataclass(frozen=True, slots=True)
class Found:
    """What the store holds."""

    image: ClusterImage
    chain: list[HistoryEntry]


async def load(store: MetadataStore, keys: Keys) -> Found:
    """Raises NotApplied, Compacted."""
    builder, items, revision = ImageBuilder(ClusterImage(), keys), list[KV](), 0
    async for page in store.scan(keys.prefix):
        revision = page.revision
        items += page.items
    for item in items:
        builder.apply(item.key, item.value, item.mod_revision)
    history = [item for item in items if item.key.startswith(keys.all_history)]
    return Found(builder.finish(revision), chain_of(keys, history))


class Recovery:
    """`progress` is told how many partitions have been written."""

    def __init__(self, keys: Keys, writer: Writer, progress: Callable[[int], None] = lambda partitions: None) -> None:
        self._keys, self._writer, self._progress = keys, writer, progress

    async def carry_out(self, plan: RecoveryPlan, found: Found) -> None:
        """Raises MetadataUnavailable; then it has to be done again."""
        begun = self._writer.new_op_id()
        await self._writer.commit([], [self._token(begun, HistoryRecord(NOBODY, "recovering"))])
        await self._raise_counters(plan)
        await self._forget(plan)
        await self._write_partitions(plan)
        await self._write_topics(plan, found.image)
        await self._finish(plan, found.chain, begun)

    def _token(self, token: str, record: HistoryRecord) -> Put:
        return Put(self._keys.history(token), record.encode())

    async def _raise_counters(self, plan: RecoveryPlan) -> None:
        """None of them rises by more than one step in a revision."""
        epoch, _ = await self._writer.get(self._keys.controller_epoch)
        known = 0 if epoch is None else decode(CounterRecord, epoch.value).value
        counted = CounterRecord(known + plan.steps, self._writer.new_op_id())
        block, _ = await self._writer.get(self._keys.producer_id_block)
        next_id = 0 if block is None else decode(ProducerIdBlockRecord, block.value).next_id
        next_id = max(next_id, plan.producer_id) + plan.steps * BLOCK_SIZE
        raised = ProducerIdBlockRecord(next_id, self._writer.new_op_id())
        await self._writer.commit(
            [
                unchanged(self._keys.controller_epoch, 0 if epoch is None else epoch.mod_revision),
                unchanged(self._keys.producer_id_block, 0 if block is None else block.mod_revision),
            ],
            [Put(self._keys.controller_epoch, counted.encode()), Put(self._keys.producer_id_block, raised.encode())],
        )

    async def _forget(self, plan: RecoveryPlan) -> None:
        for topic_id, name in plan.replaced.items():
            deletes = [Delete(self._keys.topic(name)), Delete(self._keys.partitions(topic_id), prefix=True)]
            await self._writer.commit([], deletes)

    async def _write_partitions(self, plan: RecoveryPlan) -> None:
        async def commit(chunk: Sequence[PartitionPlan]) -> Revision | None:
            op_id = self._writer.new_op_id()
            puts = [
                Put(
                    self._keys.partition(each.topic_id, each.index),
                    msgspec.structs.replace(each.record, op_id=op_id).encode(),
                )
                for each in chunk
            ]
            revision = await self._writer.commit([], puts)
            self._progress(len(chunk))
            return revision

        await for_each_chunk(plan.partitions, self._writer.max_operations, commit)

    async def _write_topics(self, plan: RecoveryPlan, image: ClusterImage) -> None:
        """Those that are made anew or have more partitions than was known, once these are there."""
        counts: dict[str, tuple[str, int]] = {}
        for each in plan.partitions:
            counts[each.topic] = uuid_text(each.topic_id), max(counts.get(each.topic, ("", 0))[1], each.index + 1)
        for name, (topic_id, count) in counts.items():
            known = image.topics.get(name)
            if known is not None and uuid_text(known.topic_id) == topic_id and len(known.partitions) == count:
                continue
            record = TopicRecord(topic_id, count, op_id=self._writer.new_op_id())
            puts: list[Operation] = [Put(self._keys.topic(name), record.encode())]
            if (unified := unified_name(name)) is not None:
                puts.append(Put(self._keys.collision(unified), CollisionRecord(name).encode()))
            await self._writer.commit([], puts)

    async def _finish(self, plan: RecoveryPlan, chain: Sequence[HistoryEntry], begun: str) -> None:
        """A recovery that was broken off before is over as well."""
        done = HistoryRecord(NOBODY, "recovered", dict(plan.brokers), plan.epoch_floor)
        tokens = [begun, *(entry.token for entry in chain if entry.record.kind == "recovering")]
        await self._writer.commit(
            [],
            [self._token(self._writer.new_op_id(), done), *(Delete(self._keys.history(token)) for token in tokens)],
        )
