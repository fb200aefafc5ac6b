"""The cluster's image as a plan needs it. Sizes are what brokers told last: of the largest replicas, else a mean."""

from collections.abc import Mapping
from uuid import UUID

from odradek.balancing.model import BrokerState, ClusterState, PartitionState
from odradek.cluster.grayness import gray_brokers
from odradek.cluster.ids import uuid_from_text
from odradek.cluster.image import EMPTY, ClusterImage, PartitionImage, TopicImage
from odradek.cluster.reassignments import is_reassigning, target_replicas
from odradek.cluster.records import LoadRecord

Key = tuple[UUID, int]


def balance_state(image: ClusterImage, copies: Mapping[str, int] = EMPTY) -> ClusterState:
    """Every broker and every partition. `copies` by topic, where it should have more than it has."""
    draining, gray = image.draining_brokers(), gray_brokers(image)
    brokers = {
        broker_id: BrokerState(
            broker_id,
            broker.rack,
            is_up=broker.is_active,
            is_draining=broker_id in draining,
            disk_bytes=_disk_bytes(image.loads.get(broker_id)),
            is_gray=broker_id in gray,
        )
        for broker_id, broker in image.brokers.items()
    }
    sizes, means = _largest(image.loads), {broker: _mean_bytes(load) for broker, load in image.loads.items()}
    partitions = [
        _partition(topic, index, partition, sizes, means, copies.get(topic.name, 0))
        for topic in image.topics.values()
        for index, partition in enumerate(topic.partitions)
    ]
    return ClusterState(brokers, partitions)


def _partition(
    topic: TopicImage, index: int, partition: PartitionImage, sizes: Mapping[Key, int], means: Mapping[int, int],
    copies: int,
) -> PartitionState:  # fmt: skip
    size = sizes.get((topic.topic_id, index))
    return PartitionState(
        topic.name,
        index,
        target_replicas(partition) if is_reassigning(partition) else partition.replicas,
        partition.leader,
        partition.isr,
        means.get(partition.leader, 0) if size is None else size,
        is_moving=is_reassigning(partition),
        copies=copies,
    )


def _disk_bytes(load: LoadRecord | None) -> int:
    return 0 if load is None else load.disk_total_bytes


def _largest(loads: Mapping[int, LoadRecord]) -> dict[Key, int]:
    """A partition's size is that of its largest replica: others may only be on their way there."""
    sizes: dict[Key, int] = {}
    for load in loads.values():
        for topic_id, index, size_bytes in load.largest:
            key = (uuid_from_text(topic_id), index)
            sizes[key] = max(sizes.get(key, 0), size_bytes)
    return sizes


def _mean_bytes(load: LoadRecord) -> int:
    """Of a replica that is not among the largest ones."""
    others = load.replicas - len(load.largest)
    rest = load.replica_bytes - sum(size_bytes for _, _, size_bytes in load.largest)
    return max(rest, 0) // others if others > 0 else 0
