"""Replicas that must leave their broker: it is drained, or no longer part of the cluster."""

from collections.abc import Iterator

from odradek.balancing.model import Blocked, Move, PartitionState
from odradek.balancing.tally import Tally, replaced


def evacuate(tally: Tally) -> Iterator[Move | Blocked]:
    """A move for each partition with such replicas, in their order; racks stay apart as far as the rest allows."""
    for position, partition in enumerate(tally.partitions):
        leaving = [replica for replica in partition.replicas if _must_leave(tally, replica)]
        if not leaving or partition.is_moving:
            continue
        if partition.leader < 0:
            yield from (_blocked(partition, replica, "it has no leader to copy it from") for replica in leaving)
            continue
        yield from _evacuated(tally, position, leaving)


def _must_leave(tally: Tally, replica: int) -> bool:
    broker = tally.state.brokers.get(replica)
    return broker is None or broker.is_draining


def _evacuated(tally: Tally, position: int, leaving: list[int]) -> Iterator[Move | Blocked]:
    partition = tally.partitions[position]
    after, left = partition.replicas, []
    for replica in leaving:
        target = refuge(tally, partition, after, replica)
        if target is None:
            yield _blocked(partition, replica, _why_nowhere(tally, partition))
            continue
        after = replaced(after, replica, target)
        left.append(replica)
    if left:
        yield tally.change(position, after, " and ".join(_why(tally, replica) for replica in left))


def refuge(tally: Tally, partition: PartitionState, replicas: tuple[int, ...], source: int | None = None) -> int | None:
    """Who takes the source's replica, or one more: if possible in a rack that has none of the others, least loaded."""
    state = tally.state
    choices = [each for each in tally.targets if each not in replicas and tally.has_room(each, partition.size_bytes)]
    if not choices:
        return None
    others = {state.rack(replica) for replica in replicas if replica != source}
    return min(choices, key=lambda each: (state.rack(each) in others, tally.load(each), each))


def _why(tally: Tally, replica: int) -> str:
    if replica in tally.state.brokers:
        return f"broker {replica} is drained"
    return f"broker {replica} is no longer in the cluster"


def _why_nowhere(tally: Tally, partition: PartitionState) -> str:
    if all(each in partition.replicas for each in tally.targets):
        return (
            f"it has {_plural(len(partition.replicas), 'replica')} and {_plural(len(tally.targets), 'broker')} for them"
        )
    return "no other broker has room for it"


def _plural(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _blocked(partition: PartitionState, replica: int, reason: str) -> Blocked:
    return Blocked(partition.topic, partition.index, replica, reason)
