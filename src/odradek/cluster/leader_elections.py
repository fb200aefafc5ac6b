"""Elections that an operator asks for (ElectLeaders, KIP-460): preferred, or unclean for a partition without leader."""

from collections.abc import Sequence

import msgspec
from kio.schema.errors import ErrorCode

from odradek.cluster.elections import elect, elect_preferred
from odradek.cluster.grayness import gray_brokers
from odradek.cluster.image import NO_LEADER, ClusterImage, PartitionImage
from odradek.cluster.image_feed import ImageFeed
from odradek.cluster.keys import Keys
from odradek.cluster.records import PartitionRecord
from odradek.cluster.results import (
    ElectionResult,
    ElectionType,
    MetadataUnavailable,
    Refusal,
    refusal,
)
from odradek.cluster.writer import Writer, unchanged
from odradek.host.pace import paced
from odradek.metastore.store import Put

RACES_MAX = 8


class LeaderElections:
    """Each election is one compare-and-swap on the partition and on the record of the broker that is to lead."""

    def __init__(self, feed: ImageFeed, keys: Keys, writer: Writer) -> None:
        self._feed, self._keys, self._writer = feed, keys, writer

    async def elect(self, election: ElectionType, partitions: Sequence[tuple[str, int]] | None) -> list[ElectionResult]:
        """None: all partitions, and then those that need no election are left out of the answer."""
        image = self._feed.image
        wanted = partitions
        if wanted is None:
            wanted = [(topic.name, index) for topic in image.topics.values() for index in range(len(topic.partitions))]
        results = [await self._elect(election, topic, index) async for topic, index in paced(wanted)]
        if partitions is None:
            return [result for result in results if result.error is not ErrorCode.election_not_needed]
        return results

    async def _elect(self, election: ElectionType, topic: str, index: int) -> ElectionResult:
        try:
            for _ in range(RACES_MAX):
                planned = plan_election(self._feed.image, election, topic, index)
                if isinstance(planned, Refusal):
                    return ElectionResult(topic, index, planned.error, planned.message)
                if await self._write(topic, index, planned):
                    return ElectionResult(topic, index)
        except MetadataUnavailable:
            pass
        timed_out = refusal(ErrorCode.request_timed_out)
        return ElectionResult(topic, index, timed_out.error, timed_out.message)

    async def _write(self, topic: str, index: int, record: PartitionRecord) -> bool:
        image = self._feed.image
        found = image.topics[topic]
        key = self._keys.partition(found.topic_id, index)
        when = [
            unchanged(key, found.partitions[index].mod_revision),
            unchanged(self._keys.broker(record.leader), image.brokers[record.leader].mod_revision),
        ]
        put = Put(key, msgspec.structs.replace(record, op_id=self._writer.new_op_id()).encode())
        revision = await self._writer.commit(when, [put])
        await self._feed.reach(revision if revision is not None else (await self._writer.get(key))[1])
        return revision is not None


def plan_election(image: ClusterImage, election: ElectionType, topic: str, index: int) -> PartitionRecord | Refusal:
    """The partition after the election, or why there is none."""
    if topic not in image.topics:
        return Refusal(ErrorCode.unknown_topic_or_partition, f"No such topic as {topic}")
    partition = image.partition(topic, index)
    if partition is None:
        return Refusal(ErrorCode.unknown_topic_or_partition, f"No such partition as {topic}-{index}")
    if election is ElectionType.PREFERRED:
        return _preferred(image, partition)
    return _unclean(image, partition)


def _preferred(image: ClusterImage, partition: PartitionImage) -> PartitionRecord | Refusal:
    if partition.leader == partition.replicas[0]:
        return refusal(ErrorCode.election_not_needed)
    if partition.replicas[0] in gray_brokers(image):
        return refusal(ErrorCode.preferred_leader_not_available)
    return elect_preferred(partition, image.brokers) or refusal(ErrorCode.preferred_leader_not_available)


def _unclean(image: ClusterImage, partition: PartitionImage) -> PartitionRecord | Refusal:
    if partition.leader != NO_LEADER:
        return refusal(ErrorCode.election_not_needed)
    elected = elect(partition, image.brokers, unclean_allowed=True)
    if elected is None or elected.record.leader == NO_LEADER:
        return refusal(ErrorCode.eligible_leaders_not_available)
    return elected.record
