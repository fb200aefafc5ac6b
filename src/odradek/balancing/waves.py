"""How many moves may go on at a time: a bounded number into each broker and out of each leader."""

from collections import Counter
from collections.abc import Iterable, Mapping

from odradek.balancing.model import Move

REORDERINGS_MAX = 100
"""Moves without data that are begun together at most."""

Flow = tuple[tuple[int, ...], int]
"""Brokers that get a replica, and the leader that it is copied from."""


def next_wave(
    moves: Iterable[Move], under_way: Iterable[Flow], leaders: Mapping[tuple[str, int], int], per_broker: int
) -> list[Move]:
    """The moves to begin now, in their order, while others are under way. `leaders` by topic and partition."""
    into: Counter[int] = Counter()
    out_of: Counter[int] = Counter()
    for added, leader in under_way:
        into.update(added)
        out_of[leader] += 1
    begun, reorderings = [], 0
    for move in moves:
        if not move.adds:
            reorderings += 1
            if reorderings <= REORDERINGS_MAX:
                begun.append(move)
            continue
        leader = leaders.get((move.topic, move.index), -1)
        if out_of[leader] < per_broker and all(into[broker] < per_broker for broker in move.adds):
            into.update(move.adds)
            out_of[leader] += 1
            begun.append(move)
    return begun
