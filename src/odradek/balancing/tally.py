"""Who has how much: counted once from a state, then kept up to date while a plan is made."""

from collections import Counter
from dataclasses import replace

from odradek.balancing.model import ClusterState, Move, PartitionState

DISK_SHARE_MAX = 0.85
"""No replica is moved to a broker whose disks it would fill beyond this."""


class Tally:
    """`partitions` are as the plan has left them; `held` are the positions of those with a replica on each broker."""

    def __init__(self, state: ClusterState) -> None:
        self.state = state
        self.partitions = list(state.partitions)
        self.targets = [broker.broker_id for broker in state.targets()]
        self.replicas: Counter[int] = Counter()
        self.preferred: Counter[int] = Counter()
        self.bytes: Counter[int] = Counter()
        self.topics: Counter[tuple[int, str]] = Counter()
        self.held: dict[int, dict[int, None]] = {broker: {} for broker in state.brokers}
        self.planned: set[int] = set()
        """Positions of partitions that this plan moves."""
        for position, partition in enumerate(self.partitions):
            self._count(position, partition, 1)
        known = [state.brokers[broker].disk_bytes for broker in self.targets]
        mean = sum(known) / len(known) if known and all(known) else 0
        self.capacity = {broker: state.brokers[broker].disk_bytes / mean if mean else 1.0 for broker in self.targets}
        """Of each broker's disks in relation to the mean; 1 for all when not all are known."""
        sharers = max(len(self.targets), 1)
        self.mean_replicas = max(self.replicas.total() / sharers, 1.0)
        self.mean_bytes = max(self.bytes.total() / sharers, 1.0)
        """What each broker has once all replicas are on brokers that take them."""

    def _count(self, position: int, partition: PartitionState, sign: int) -> None:
        for replica in partition.replicas:
            self.replicas[replica] += sign
            self.bytes[replica] += sign * partition.size_bytes
            self.topics[replica, partition.topic] += sign
            held = self.held.setdefault(replica, {})
            if sign > 0:
                held[position] = None
            else:
                del held[position]
        if partition.replicas:
            self.preferred[partition.replicas[0]] += sign

    def can_move(self, position: int) -> bool:
        """A partition is moved once at a time, and only while there is a leader to copy from."""
        partition = self.partitions[position]
        return not partition.is_moving and position not in self.planned and partition.leader >= 0

    def has_room(self, broker: int, size_bytes: int) -> bool:
        disk_bytes = self.state.brokers[broker].disk_bytes
        return not disk_bytes or self.bytes[broker] + size_bytes <= DISK_SHARE_MAX * disk_bytes

    def change(self, position: int, after: tuple[int, ...], reason: str) -> Move:
        """The partition has other replicas from now on."""
        partition = self.partitions[position]
        self._count(position, partition, -1)
        self.partitions[position] = moved = replace(partition, replicas=after)
        self._count(position, moved, 1)
        self.planned.add(position)
        return Move(partition.topic, partition.index, partition.replicas, after, partition.size_bytes, reason)

    def load(self, broker: int) -> float:
        """Replicas and bytes of a broker, each in relation to its share of all there are."""
        return self.replicas[broker] / self.mean_replicas + self.used(broker) / self.mean_bytes

    def used(self, broker: int) -> float:
        """Bytes in relation to the broker's capacity."""
        return self.bytes[broker] / self.capacity.get(broker, 1.0)


def replaced(replicas: tuple[int, ...], source: int, target: int) -> tuple[int, ...]:
    """The target in the source's place."""
    return tuple(target if replica == source else replica for replica in replicas)
