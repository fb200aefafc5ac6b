"""States of a classic group and the transitions between them.

Two rules: a group is in exactly one state; it moves only along the table. `valid_from[S]` lists where S may be
entered from.

    Empty ──join──▶ PreparingRebalance ──all joined──▶ CompletingRebalance ──leader's sync stored──▶ Stable
      ▲                  ▲   │                                │                                        │
      └──nobody left─────┼───┘◀──────── member joins, leaves or expires ───────────────────────────────┘
"""

from enum import Enum


class GroupState(Enum):
    """The value is the name DescribeGroups and ListGroups answer with."""

    EMPTY = "Empty"
    """No members; it may still have committed offsets."""
    PREPARING_REBALANCE = "PreparingRebalance"
    """Waiting for every member to (re)join."""
    COMPLETING_REBALANCE = "CompletingRebalance"
    """A generation has formed; waiting for the leader's assignment."""
    STABLE = "Stable"
    """Every member of the generation can have its assignment."""
    DEAD = "Dead"
    """A tombstone for the group is being stored, or its coordinator has gone."""


VALID_FROM: dict[GroupState, frozenset[GroupState]] = {
    GroupState.EMPTY: frozenset({GroupState.PREPARING_REBALANCE, GroupState.DEAD}),
    GroupState.PREPARING_REBALANCE: frozenset({GroupState.EMPTY, GroupState.COMPLETING_REBALANCE, GroupState.STABLE}),
    GroupState.COMPLETING_REBALANCE: frozenset({GroupState.PREPARING_REBALANCE}),
    GroupState.STABLE: frozenset({GroupState.COMPLETING_REBALANCE}),
    GroupState.DEAD: frozenset(GroupState),
}
"""EMPTY from DEAD: the tombstone could not be stored and the group lives on."""


class InvalidTransitionError(Exception):
    """A broken invariant: the table has no such move."""


def checked_transition(current: GroupState, target: GroupState) -> GroupState:
    """The target state, if the table allows the move. Raises InvalidTransitionError."""
    if current not in VALID_FROM[target]:
        raise InvalidTransitionError(f"a group cannot move from {current.value} to {target.value}")
    return target
