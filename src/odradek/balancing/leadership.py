"""Who leads: away from brokers that are drained, back to preferred leaders, and preferred leaders in equal numbers."""

from collections import Counter
from collections.abc import Iterator

from odradek.balancing.model import ClusterState, Move, PartitionState, Transfer
from odradek.balancing.tally import Tally

DIFFERENCE = 2
"""Brokers that differ by fewer preferred leaderships are left alone."""


def drained_transfers(state: ClusterState) -> Iterator[Transfer]:
    """From each draining leader to the first replica that is in sync and stays."""
    for partition in state.partitions:
        leader = state.brokers.get(partition.leader)
        if leader is None or not leader.is_draining:
            continue
        if (target := next(iter(_staying(state, partition)), None)) is not None:
            reason = f"broker {leader.broker_id} is drained"
            yield Transfer(partition.topic, partition.index, leader.broker_id, target, reason)


def _staying(state: ClusterState, partition: PartitionState) -> list[int]:
    """Replicas that are in sync and on brokers that are up and not drained, in their order."""
    return [
        replica
        for replica in partition.replicas
        if replica in partition.isr and replica in state.brokers and state.brokers[replica].takes_replicas
    ]


def preferred_transfers(state: ClusterState, percentage: int) -> Iterator[Transfer]:
    """Back to preferred leaders of brokers that lead more than so many percent too few of what they should.

    A partition that is on the move gets its leader when it has arrived.
    """
    wanted: Counter[int] = Counter(partition.replicas[0] for partition in state.partitions if partition.replicas)
    missing: dict[int, list[PartitionState]] = {}
    for partition in state.partitions:
        if partition.replicas and not partition.is_moving and partition.leader not in (-1, partition.replicas[0]):
            missing.setdefault(partition.replicas[0], []).append(partition)
    for broker, partitions in sorted(missing.items()):
        if 100 * len(partitions) <= percentage * wanted[broker]:
            continue
        for partition in partitions:
            if broker in _staying(state, partition):
                reason = f"broker {broker} is the preferred leader"
                yield Transfer(partition.topic, partition.index, partition.leader, broker, reason)


def even_preferences(tally: Tally) -> Iterator[Move]:
    """Another of the same replicas first in the list, where one broker is it for more partitions than another.

    Each makes the sum of the squares of these numbers smaller; all partitions are gone through until none does.
    """
    is_even = False
    while not is_even:
        is_even = True
        for position, partition in enumerate(tally.partitions):
            if (target := _led_less(tally, position, partition)) is None:
                continue
            source = partition.replicas[0]
            more, fewer = tally.preferred[source], tally.preferred[target]
            reason = f"broker {source} is the preferred leader of {more} partitions, broker {target} of {fewer}"
            yield tally.change(position, _swapped(partition.replicas, target), reason)
            is_even = False


def _led_less(tally: Tally, position: int, partition: PartitionState) -> int | None:
    """The one of its in-sync replicas that leads fewest, where that is fewer enough than the preferred leader does."""
    if not partition.replicas or partition.replicas[0] not in tally.state.brokers or not tally.can_move(position):
        return None
    least = min(_staying(tally.state, partition), key=lambda each: (tally.preferred[each], each), default=None)
    if least is None or tally.preferred[partition.replicas[0]] - tally.preferred[least] < DIFFERENCE:
        return None
    return least


def _swapped(replicas: tuple[int, ...], first: int) -> tuple[int, ...]:
    others = tuple(replicas[0] if replica == first else replica for replica in replicas[1:])
    return (first, *others)
