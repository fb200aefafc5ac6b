"""OffsetDelete (API key 47), version 0 (KIP-496)."""

from typing import Any

from kio.schema.errors import ErrorCode

from odradek.broker.call import Call
from odradek.broker.handlers.group_host import GroupHost
from odradek.groups.records import OffsetKey


async def handle(broker: GroupHost, call: Call) -> Any:
    request, image = call.request, broker.cluster.image
    keys = [
        OffsetKey(request.group_id, topic.name, partition.partition_index)
        for topic in request.topics
        for partition in topic.partitions
        if image.partition(topic.name, partition.partition_index) is not None
    ]
    error, subscribed = await broker.groups.delete_offsets(request.group_id, keys)
    topics = (
        () if error is not ErrorCode.none else tuple(_topic(call, each, keys, subscribed) for each in request.topics)
    )
    return call.types.OffsetDeleteResponse(error_code=error, topics=topics)


def _topic(call: Call, topic: Any, keys: list[OffsetKey], subscribed: frozenset[str]) -> Any:
    known = {key.partition for key in keys if key.topic == topic.name}
    allowed = ErrorCode.group_subscribed_to_topic if topic.name in subscribed else ErrorCode.none
    partitions = [
        call.types.OffsetDeleteResponsePartition(
            partition_index=each.partition_index,
            error_code=allowed if each.partition_index in known else ErrorCode.unknown_topic_or_partition,
        )
        for each in topic.partitions
    ]
    return call.types.OffsetDeleteResponseTopic(name=topic.name, partitions=tuple(partitions))
