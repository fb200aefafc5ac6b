"""DescribeTopicPartitions (API key 75), version 0 (KIP-966).

Topics come sorted by name; an empty list asks for all. At most so many partitions are answered as the client and
max.request.partition.size.limit allow, at least one; the next cursor says where to go on. A cursor names the topic and
partition to begin with: its topic must be among those asked for, unless all are.

The answer is bytes: see `topic_metadata`.
"""

from kio.schema.errors import ErrorCode

from odradek.broker.admin_host import TOPIC_OPERATIONS, AdminHost
from odradek.broker.call import Call
from odradek.broker.topic_metadata import INTERNAL_TOPICS, describe_partition
from odradek.cluster.ids import ZERO_UUID
from odradek.cluster.image import ClusterImage, TopicImage
from odradek.cluster.names import topic_name_problem
from odradek.host.pace import paced
from odradek.wire.metadata_codec import NO_OPERATIONS, described_topic, described_topics_response

Cursor = tuple[str, int]


async def handle(broker: AdminHost, call: Call) -> bytes:
    request = call.request
    image = broker.cluster.image
    given = request.cursor
    cursor: Cursor = ("", 0) if given is None else (given.topic_name, given.partition_index)
    wanted = {topic.name for topic in request.topics}
    names = sorted(name for name in (wanted or image.topics) if name >= cursor[0])
    if given is not None and (cursor[1] < 0 or (wanted and cursor[0] not in wanted)):
        return _refused(sorted(wanted))
    limit_max = broker.config.get("max.request.partition.size.limit")
    limit = max(min(limit_max, request.response_partition_limit), 1)
    topics, next_cursor = await _page(image, names, cursor, limit, call.listener)
    return described_topics_response(topics, next_cursor)


async def _page(
    image: ClusterImage, names: list[str], cursor: Cursor, limit: int, listener: str
) -> tuple[list[bytes], Cursor | None]:
    """Encoded topics with at most `limit` partitions, and where the next page begins."""
    topics: list[bytes] = []
    async for name in paced(names):
        topic = image.topics.get(name)
        if topic is None:
            topics.append(_missing(name))
            continue
        if limit == 0:
            return topics, (name, 0)
        first = cursor[1] if name == cursor[0] else 0
        last = min(first + limit, len(topic.partitions))
        topics.append(_described(image, topic, first, last, listener))
        if last < len(topic.partitions):
            return topics, (name, last)
        limit -= max(last - first, 0)
    return topics, None


def _described(image: ClusterImage, topic: TopicImage, first: int, last: int, listener: str) -> bytes:
    partitions = [describe_partition(image, index, topic.partitions[index], listener) for index in range(first, last)]
    is_internal = topic.name in INTERNAL_TOPICS
    return described_topic(ErrorCode.none, topic.name, topic.topic_id, is_internal, partitions, TOPIC_OPERATIONS)


def _missing(name: str) -> bytes:
    invalid = topic_name_problem(name) is not None
    error = ErrorCode.invalid_topic_exception if invalid else ErrorCode.unknown_topic_or_partition
    return described_topic(error, name, ZERO_UUID, name in INTERNAL_TOPICS, (), TOPIC_OPERATIONS)


def _refused(names: list[str]) -> bytes:
    """The cursor makes no sense: every topic gets the error."""
    error = ErrorCode.invalid_request
    return described_topics_response(
        [described_topic(error, name, ZERO_UUID, False, (), NO_OPERATIONS) for name in names], None
    )
