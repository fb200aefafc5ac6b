"""Where the replicas of new partitions go: plain synchronous Python, the random start is an argument.

Brokers are put in one ring in which racks alternate. Leaders walk around the ring, so each broker leads its share;
followers are the next ones of racks not used yet, from a distance that grows with each round, so that the followers
of one broker's partitions are spread too.
"""

from collections.abc import Container, Iterable, Sequence
from itertools import chain, zip_longest

from odradek.cluster.image import BrokerImage


class PlacementError(Exception):
    """There are too few brokers; the message is Kafka's."""


def place(
    brokers: Iterable[BrokerImage],
    first: int,
    count: int,
    replication_factor: int,
    start: int,
    avoided: Container[int] = frozenset(),
) -> list[tuple[int, ...]]:
    """Replicas of partitions [first, first + count), the preferred leader first.

    Brokers to be avoided (they are drained) are used only where the others do not suffice, fenced ones after those and
    never as leader. Raises PlacementError.
    """
    registered = sorted(brokers, key=lambda broker: broker.broker_id)
    active = [broker for broker in registered if broker.is_active]
    ring = rack_ring([broker for broker in active if broker.broker_id not in avoided] or active)
    if not ring:
        raise PlacementError("All brokers are currently fenced.")
    if replication_factor > len(registered):
        raise PlacementError(
            f"The target replication factor of {replication_factor} cannot be reached because only "
            f"{len(registered)} broker(s) are registered."
        )
    placed = {broker.broker_id for broker in ring}
    others = [broker for broker in registered if broker.broker_id not in placed]
    spare = sorted(others, key=lambda broker: not broker.is_active)
    return [_replicas(ring, spare, index, replication_factor, start) for index in range(first, first + count)]


def rack_ring(brokers: Sequence[BrokerImage]) -> list[BrokerImage]:
    """All brokers, racks alternating, those of the largest racks last. No rack is a rack too."""
    racks: dict[str, list[BrokerImage]] = {}
    for broker in brokers:
        racks.setdefault(broker.rack or "", []).append(broker)
    columns = zip_longest(*(racks[rack] for rack in sorted(racks)))
    return [broker for broker in chain.from_iterable(columns) if broker is not None]


def _replicas(
    ring: Sequence[BrokerImage], spare: Sequence[BrokerImage], index: int, replication_factor: int, start: int
) -> tuple[int, ...]:
    position = start + index
    leader = ring[position % len(ring)]
    others = _others(ring, position)
    chosen = [leader]
    while len(chosen) < replication_factor and others:
        used = {broker.rack for broker in chosen}
        follower = next((broker for broker in others if broker.rack not in used), others[0])
        others.remove(follower)
        chosen.append(follower)
    chosen += spare[: replication_factor - len(chosen)]
    return tuple(broker.broker_id for broker in chosen)


def _others(ring: Sequence[BrokerImage], position: int) -> list[BrokerImage]:
    """The rest of the ring, from a place that moves on by one with each round of leaders."""
    size = len(ring)
    if size == 1:
        return []
    shift = 1 + (position // size) % (size - 1)
    distances = [1 + (shift - 1 + step) % (size - 1) for step in range(size - 1)]
    return [ring[(position + distance) % size] for distance in distances]
