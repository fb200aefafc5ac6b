"""Cluster states for plans, and what they become when plans are carried out."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from hypothesis import strategies as st

from odradek.balancing.model import BrokerState, ClusterState, Move, PartitionState, Plan


def brokers(*ids: int, racks: Mapping[int, str] | None = None, draining: Iterable[int] = (), down: Iterable[int] = (),
            disk_bytes: int = 0) -> dict[int, BrokerState]:  # fmt: skip
    gone, leaving = set(down), set(draining)
    return {
        each: BrokerState(each, (racks or {}).get(each), each not in gone, each in leaving, disk_bytes) for each in ids
    }


def partition(index: int, *replicas: int, leader: int | None = None, size: int = 0, topic: str = "t", copies: int = 0,
              isr: Sequence[int] | None = None, is_moving: bool = False) -> PartitionState:  # fmt: skip
    """Led by its first replica, all in sync, unless said otherwise."""
    return PartitionState(
        topic,
        index,
        replicas,
        replicas[0] if leader is None else leader,
        replicas if isr is None else tuple(isr),
        size,
        is_moving,
        copies,
    )


def state(known: Mapping[int, BrokerState], *partitions: PartitionState) -> ClusterState:
    return ClusterState(known, partitions)


def carried_out(before: ClusterState, plan: Plan) -> ClusterState:
    """Every move done, its data copied; then every transfer that its partition still allows."""
    moves = {(move.topic, move.index): move for move in plan.moves}
    transfers = {(each.topic, each.index): each.target for each in plan.transfers}
    after = []
    for each in before.partitions:
        target = transfers.get((each.topic, each.index))
        led = each if target is None else replace(each, leader=target)
        move = moves.get((each.topic, each.index))
        after.append(led if move is None else _moved(led, move))
    return ClusterState(before.brokers, after)


def _moved(partition: PartitionState, move: Move) -> PartitionState:
    assert partition.replicas == move.before
    leader = partition.leader if partition.leader in move.after else move.after[0]
    return replace(partition, replicas=move.after, isr=move.after, leader=leader)


def counts(of: ClusterState) -> dict[int, int]:
    """Replicas of each registered broker."""
    return {each: sum(each in partition.replicas for partition in of.partitions) for each in of.brokers}


def preferred(of: ClusterState) -> dict[int, int]:
    """How often each broker is the preferred leader."""
    return {each: sum(each == partition.replicas[0] for partition in of.partitions) for each in of.brokers}


@st.composite
def states(draw: st.DrawFn, *, may_be_down: bool = True, with_sizes: bool = True) -> ClusterState:
    """Up to seven brokers in up to three racks, some drained or down or gone, and up to 24 partitions."""
    ids = draw(st.lists(st.integers(0, 9), min_size=1, max_size=7, unique=True))
    has_racks = draw(st.booleans())
    known = {
        each: BrokerState(
            each,
            draw(st.sampled_from(["a", "b", "c"])) if has_racks else None,
            not may_be_down or draw(st.integers(0, 9)) > 0,
            draw(st.integers(0, 5)) == 0,
        )
        for each in ids
    }
    placeable = [*ids, *([42] if draw(st.integers(0, 4)) == 0 else [])]
    partitions = []
    for index in range(draw(st.integers(0, 24))):
        replicas = draw(st.lists(st.sampled_from(placeable), min_size=1, max_size=min(3, len(placeable)), unique=True))
        isr = [each for each in replicas if each in known and known[each].is_up]
        partitions.append(
            PartitionState(
                draw(st.sampled_from(["t", "u"])),
                index,
                tuple(replicas),
                isr[0] if isr else -1,
                tuple(isr),
                draw(st.integers(0, 1000)) if with_sizes else 0,
                draw(st.integers(0, 9)) == 0,
                draw(st.sampled_from([0, 0, 0, 2, 3])),
            )
        )
    return ClusterState(known, partitions)
