"""OffsetFetch (API key 9), versions 1-10.

2: null topics ask for all; errors of the group. 3: throttle time. 5: leader epoch (KIP-320). 6: flexible. 7: require
stable (KIP-447). 8: several groups. 9: member id and epoch, which classic groups do not look at. 10: topic ids instead
of names (KIP-848).
"""

from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any, NamedTuple
from uuid import UUID

from kio.schema.errors import ErrorCode

from odradek.broker.call import Call
from odradek.broker.handlers.group_host import GroupHost
from odradek.cluster.image import ClusterImage, TopicImage
from odradek.groups.offsets import TopicOffsets
from odradek.groups.records import NO_LEADER_EPOCH, CommittedOffset
from odradek.host.pace import paced

GROUP_ERROR_SINCE = 2
BATCH_SINCE = 8
TOPIC_ID_SINCE = 10

NO_OFFSET = CommittedOffset(-1, NO_LEADER_EPOCH, "", -1)


class _Partition(NamedTuple):
    partition: int
    commit: CommittedOffset
    error: ErrorCode


class _Topic(NamedTuple):
    name: str
    topic_id: UUID | None
    partitions: list[_Partition]


async def handle(broker: GroupHost, call: Call) -> Any:
    request = call.request
    require_stable = getattr(request, "require_stable", False)
    if call.version >= BATCH_SINCE:
        groups = [await _group(broker, call, group, require_stable) for group in request.groups]
        return call.types.OffsetFetchResponse(groups=tuple(groups))
    error, offsets = await broker.groups.fetch_offsets(request.group_id, require_stable)
    topics = [each async for each in _topics(broker.cluster.image, call, request.topics, offsets, error)]
    if error is not ErrorCode.none and call.version >= GROUP_ERROR_SINCE:
        topics = []
    return call.types.OffsetFetchResponse(topics=await _single_topics(call.types, topics), error_code=error)


async def _group(broker: GroupHost, call: Call, group: Any, require_stable: bool) -> Any:
    error, offsets = await broker.groups.fetch_offsets(group.group_id, require_stable)
    topics: list[_Topic] = []
    if error is ErrorCode.none:
        topics = [each async for each in _topics(broker.cluster.image, call, group.topics, offsets, error)]
    return call.types.OffsetFetchResponseGroup(
        group_id=group.group_id, topics=await _batch_topics(call.types, topics), error_code=error
    )


async def _topics(
    image: ClusterImage, call: Call, asked: Any, offsets: TopicOffsets, error: ErrorCode
) -> AsyncIterator[_Topic]:
    if asked is None:
        async for each in paced(_all_topics(image, call, offsets)):
            yield each
        return
    async for topic in paced(asked):
        topic_id = getattr(topic, "topic_id", None)
        known = image.topics_by_id.get(topic_id) if topic_id is not None else None
        name = getattr(topic, "name", None) or (known.name if known is not None else "")
        refusal = ErrorCode.unknown_topic_id if call.version >= TOPIC_ID_SINCE and known is None else error
        found = offsets.get(name, {})
        partitions = [_partition(found, index, known, refusal) async for index in paced(topic.partition_indexes)]
        yield _Topic(name, topic_id, partitions)


def _partition(
    found: Mapping[int, CommittedOffset], index: int, topic: TopicImage | None, refusal: ErrorCode
) -> _Partition:
    commit = found.get(index, NO_OFFSET)
    if refusal is not ErrorCode.none or _is_of_another(commit, topic):
        commit = NO_OFFSET
    return _Partition(index, commit, refusal)


def _is_of_another(commit: CommittedOffset, topic: TopicImage | None) -> bool:
    """The offset was committed for an earlier topic of that name."""
    return topic is not None and commit.topic_id is not None and commit.topic_id != topic.topic_id


def _all_topics(image: ClusterImage, call: Call, offsets: TopicOffsets) -> Iterator[_Topic]:
    """Everything committed; by id only topics that have one."""
    for name, found in offsets.items():
        topic = image.topics.get(name)
        if call.version >= TOPIC_ID_SINCE and topic is None:
            continue
        partitions = [_Partition(index, commit, ErrorCode.none) for index, commit in found.items()]
        yield _Topic(name, topic.topic_id if topic is not None else None, partitions)


async def _single_topics(types: Any, topics: list[_Topic]) -> tuple[Any, ...]:
    answers = []
    async for topic in paced(topics):
        partitions = [types.OffsetFetchResponsePartition(**_fields(each)) async for each in paced(topic.partitions)]
        answers.append(types.OffsetFetchResponseTopic(name=topic.name, partitions=tuple(partitions)))
    return tuple(answers)


async def _batch_topics(types: Any, topics: list[_Topic]) -> tuple[Any, ...]:
    answers = []
    async for topic in paced(topics):
        partitions = [types.OffsetFetchResponsePartitions(**_fields(each)) async for each in paced(topic.partitions)]
        answers.append(
            types.OffsetFetchResponseTopics(name=topic.name, topic_id=topic.topic_id, partitions=tuple(partitions))
        )
    return tuple(answers)


def _fields(partition: _Partition) -> dict[str, Any]:
    return {
        "partition_index": partition.partition,
        "committed_offset": partition.commit.offset,
        "committed_leader_epoch": partition.commit.leader_epoch,
        "metadata": partition.commit.metadata,
        "error_code": partition.error,
    }
