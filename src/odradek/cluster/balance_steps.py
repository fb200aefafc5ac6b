"""From what is planned to what is written, as far as it still fits the image: pure functions."""

from collections.abc import Iterable

from odradek.balancing.model import Move, Transfer
from odradek.balancing.waves import Flow
from odradek.cluster.duties import PartitionChange
from odradek.cluster.elections import Election, elect_member, to_record
from odradek.cluster.image import ClusterImage
from odradek.cluster.reassignments import finished, is_reassigning, reassigned


def begun(image: ClusterImage, move: Move) -> PartitionChange | None:
    """The move's reassignment; None when partition or brokers are no longer as it was planned for."""
    partition = image.partition(move.topic, move.index)
    if partition is None or is_reassigning(partition) or partition.replicas != move.before:
        return None
    draining = image.draining_brokers()
    for broker_id in move.adds:
        broker = image.brokers.get(broker_id)
        if broker is None or not broker.is_active or broker_id in draining:
            return None
    record = reassigned(to_record(partition), move.after)
    record = finished(record, image.brokers) or record
    return PartitionChange(image.topics[move.topic], move.index, partition, Election(record, "isr"))


def transferred(image: ClusterImage, transfer: Transfer) -> PartitionChange | None:
    """The transfer's election; None when the leader is another one by now or the target not in sync."""
    partition = image.partition(transfer.topic, transfer.index)
    if partition is None or partition.leader != transfer.source:
        return None
    record = elect_member(partition, transfer.target, image.brokers)
    if record is None:
        return None
    return PartitionChange(image.topics[transfer.topic], transfer.index, partition, Election(record, "isr"))


def flows(image: ClusterImage) -> list[Flow]:
    """What is being copied where."""
    found: list[Flow] = []
    for topic_id, index in image.reassigning:
        topic = image.topics_by_id.get(topic_id)
        if topic is not None:
            partition = topic.partitions[index]
            waiting = tuple(each for each in partition.adding if each not in partition.isr)
            found.append((waiting, partition.leader))
    return found


def leaders(image: ClusterImage, moves: Iterable[Move]) -> dict[tuple[str, int], int]:
    """By topic and partition."""
    found = {}
    for move in moves:
        partition = image.partition(move.topic, move.index)
        found[move.topic, move.index] = -1 if partition is None else partition.leader
    return found
