"""OffsetCommit (API key 8), versions 2-10.

2-4: a retention time for these offsets. 3: throttle time. 5: none of it. 6: leader epoch (KIP-320). 7: group instance
id (KIP-345). 8: flexible. 9: GROUP_ID_NOT_FOUND where older versions get ILLEGAL_GENERATION. 10: topic ids instead of
names (KIP-848).
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

from kio.schema.errors import ErrorCode

from odradek.broker.call import Call
from odradek.broker.handlers.group_host import MILLISECOND, GroupHost
from odradek.cluster.image import ClusterImage, TopicImage
from odradek.groups.records import NO_LEADER_EPOCH, NO_TIMESTAMP, CommittedOffset, OffsetKey
from odradek.host.pace import paced

TOPIC_ID_SINCE = 10

Commits = list[tuple[OffsetKey, CommittedOffset]]


class _When(NamedTuple):
    commit_time_ms: int
    expire_time_ms: int


async def handle(broker: GroupHost, call: Call) -> Any:
    """Answered once the offsets are committed. Partitions that are refused do not keep the others from it."""
    request, groups = call.request, broker.groups
    when = _when(request, groups.wall_ms())
    commits: Commits = []
    refused: list[list[ErrorCode]] = []
    async for topic in paced(request.topics):
        image = _topic(call.version, broker.cluster.image, topic)
        checked = _checked(call, groups.settings.offset_metadata_bytes_max, image, topic, when, commits)
        refused.append([each async for each in paced(checked)])
    error = ErrorCode.none
    if commits:
        instance_id = getattr(request, "group_instance_id", None)
        member = (request.member_id, instance_id, request.generation_id_or_member_epoch)
        error = await groups.commit_offsets(request.group_id, member, call.version, commits)
    return await _response(call, refused, error)


def _when(request: Any, now_ms: int) -> _When:
    retention = getattr(request, "retention_time", None)
    retention_ms = NO_TIMESTAMP if retention is None else retention // MILLISECOND
    return _When(now_ms, NO_TIMESTAMP if retention_ms == NO_TIMESTAMP else now_ms + retention_ms)


def _topic(version: int, image: ClusterImage, topic: Any) -> TopicImage | None:
    return image.topics_by_id.get(topic.topic_id) if version >= TOPIC_ID_SINCE else image.topics.get(topic.name)


def _checked(
    call: Call, metadata_max: int, image: TopicImage | None, topic: Any, when: _When, commits: Commits
) -> Iterator[ErrorCode]:
    """Each partition's refusal or none, in which case its offset is now among the commits."""
    for partition in topic.partitions:
        if image is None:
            is_by_id = call.version >= TOPIC_ID_SINCE
            yield ErrorCode.unknown_topic_id if is_by_id else ErrorCode.unknown_topic_or_partition
        elif not 0 <= partition.partition_index < len(image.partitions):
            yield ErrorCode.unknown_topic_or_partition
        elif _java_length(partition.committed_metadata or "", metadata_max) > metadata_max:
            yield ErrorCode.offset_metadata_too_large
        else:
            key = OffsetKey(call.request.group_id, image.name, partition.partition_index)
            commits.append((key, _commit(partition, image, when)))
            yield ErrorCode.none


def _commit(partition: Any, image: TopicImage, when: _When) -> CommittedOffset:
    return CommittedOffset(
        partition.committed_offset,
        getattr(partition, "committed_leader_epoch", NO_LEADER_EPOCH),
        partition.committed_metadata or "",
        when.commit_time_ms,
        when.expire_time_ms,
        image.topic_id,
    )


def _java_length(text: str, interesting: int) -> int:
    """UTF-16 code units, which offset.metadata.max.bytes counts; exact only where that could matter."""
    return len(text) if 2 * len(text) <= interesting else len(text.encode("utf-16-le", "surrogatepass")) // 2


async def _response(call: Call, refused: list[list[ErrorCode]], error: ErrorCode) -> Any:
    types, topics = call.types, []
    async for topic, errors in paced(zip(call.request.topics, refused, strict=True)):
        partitions = [
            types.OffsetCommitResponsePartition(
                partition_index=partition.partition_index,
                error_code=error if refusal is ErrorCode.none else refusal,
            )
            async for partition, refusal in paced(zip(topic.partitions, errors, strict=True))
        ]
        topics.append(
            types.OffsetCommitResponseTopic(
                name=getattr(topic, "name", ""),
                topic_id=getattr(topic, "topic_id", None),
                partitions=tuple(partitions),
            )
        )
    return types.OffsetCommitResponse(topics=tuple(topics))
