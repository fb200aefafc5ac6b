"""ListPartitionReassignments (API key 46), version 0 (KIP-455).

Null asks for all. What is not on the move, or does not exist, is left out.
"""

from collections.abc import Iterable
from typing import Any

from kio.schema.errors import ErrorCode

from odradek.broker.admin_host import AdminHost
from odradek.broker.call import Call
from odradek.cluster.image import ClusterImage
from odradek.cluster.reassignments import is_reassigning
from odradek.host.pace import paced

Asked = Iterable[tuple[str, tuple[int, ...]]]


async def handle(broker: AdminHost, call: Call) -> Any:
    image, topics = broker.cluster.image, []
    for name, indexes in _asked(call.request, image):
        moving = [each async for index in paced(indexes) if (each := _partition(call, image, name, index)) is not None]
        if moving:
            topics.append(call.types.OngoingTopicReassignment(name=name, partitions=tuple(moving)))
    return call.types.ListPartitionReassignmentsResponse(
        error_code=ErrorCode.none, error_message=None, topics=tuple(topics)
    )


def _asked(request: Any, image: ClusterImage) -> Asked:
    if request.topics is not None:
        return [(topic.name, tuple(topic.partition_indexes)) for topic in request.topics]
    indexes: dict[str, list[int]] = {}
    for topic_id, index in sorted(image.reassigning, key=lambda key: key[1]):
        if (topic := image.topics_by_id.get(topic_id)) is not None:
            indexes.setdefault(topic.name, []).append(index)
    return [(name, tuple(moving)) for name, moving in sorted(indexes.items())]


def _partition(call: Call, image: ClusterImage, topic: str, index: int) -> Any:
    partition = image.partition(topic, index)
    if partition is None or not is_reassigning(partition):
        return None
    return call.types.OngoingPartitionReassignment(
        partition_index=index,
        replicas=partition.replicas,
        adding_replicas=partition.adding,
        removing_replicas=partition.removing,
    )
