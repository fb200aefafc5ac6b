"""Reassignments that a client asks for (AlterPartitionReassignments): plan on the image, compare-and-swap, again."""

from collections.abc import Callable, Sequence

import msgspec
from kio.schema.errors import ErrorCode

from odradek.cluster.chunks import for_each_chunk
from odradek.cluster.elections import to_record
from odradek.cluster.image import TopicImage
from odradek.cluster.image_feed import ImageFeed
from odradek.cluster.keys import Keys
from odradek.cluster.reassignments import Reassignment, plan_reassignment
from odradek.cluster.records import PartitionRecord
from odradek.cluster.results import MetadataUnavailable, ReassignmentResult, Refusal, refusal, unavailable
from odradek.cluster.writer import Writer, unchanged
from odradek.metastore.store import Put

RACES_MAX = 8


class Reassigning:
    """Each request is one compare-and-swap on the partition and on the brokers whose replicas it keeps or adds.

    So a broker that is unregistered, or comes back without its data, in the same moment makes it think again.
    """

    def __init__(
        self, feed: ImageFeed, keys: Keys, writer: Writer, unclean_allowed: Callable[[TopicImage], bool]
    ) -> None:
        self._feed, self._keys, self._writer, self._unclean_allowed = feed, keys, writer, unclean_allowed

    async def alter(self, wanted: Sequence[Reassignment]) -> list[ReassignmentResult]:
        """One result per partition, in order; a bounded number of them is decided at a time."""

        async def alter(chunk: Sequence[Reassignment]) -> ReassignmentResult:
            return await self._alter(chunk[0])

        return await for_each_chunk(wanted, 1, alter)

    async def _alter(self, wanted: Reassignment) -> ReassignmentResult:
        try:
            for _ in range(RACES_MAX):
                planned = self._plan(wanted)
                if isinstance(planned, Refusal):
                    return _result(wanted, planned)
                if await self._write(wanted, planned):
                    return ReassignmentResult(wanted.topic, wanted.partition)
        except MetadataUnavailable as error:
            return _result(wanted, unavailable(error))
        return _result(wanted, refusal(ErrorCode.request_timed_out))

    def _plan(self, wanted: Reassignment) -> PartitionRecord | Refusal:
        image = self._feed.image
        topic = image.topics.get(wanted.topic)
        unclean_allowed = topic is not None and self._unclean_allowed(topic)
        return plan_reassignment(image, wanted, unclean_allowed=unclean_allowed)

    async def _write(self, wanted: Reassignment, record: PartitionRecord) -> bool:
        image = self._feed.image
        topic = image.topics[wanted.topic]
        partition = topic.partitions[wanted.partition]
        if record == to_record(partition):
            return True
        key = self._keys.partition(topic.topic_id, wanted.partition)
        kept = [broker for broker in record.replicas if broker in image.brokers]
        when = [unchanged(self._keys.broker(broker), image.brokers[broker].mod_revision) for broker in kept]
        put = Put(key, msgspec.structs.replace(record, op_id=self._writer.new_op_id()).encode())
        revision = await self._writer.commit([unchanged(key, partition.mod_revision), *when], [put])
        await self._feed.reach(revision if revision is not None else (await self._writer.get(key))[1])
        return revision is not None


def _result(wanted: Reassignment, refused: Refusal) -> ReassignmentResult:
    return ReassignmentResult(wanted.topic, wanted.partition, refused.error, refused.message)
