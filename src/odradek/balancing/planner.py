"""The whole plan: leaderships, then replicas that must leave, missing copies, racks, shares, preferred leaders."""

from collections.abc import Iterator
from itertools import islice

from odradek.balancing.copying import add_copies
from odradek.balancing.evacuation import evacuate
from odradek.balancing.leadership import drained_transfers, even_preferences, preferred_transfers
from odradek.balancing.model import Blocked, ClusterState, Move, Plan
from odradek.balancing.sharing import share
from odradek.balancing.spreading import spread
from odradek.balancing.tally import Tally

DEFAULT_PERCENTAGE = 10


def make_plan(
    state: ClusterState,
    *,
    percentage: int = DEFAULT_PERCENTAGE,
    restores_leaders: bool = True,
    balances: bool = True,
    moves_max: int | None = None,
) -> Plan:
    """What should be done about this state.

    percentage: `leader.imbalance.per.broker.percentage`. restores_leaders: whether preferred leaders get back what they
    should lead. balances: whether brokers are also given their shares, beyond emptying those that must be empty.
    moves_max: plan no more moves than this; they are the first ones.
    """
    tally = Tally(state)
    blocked: list[Blocked] = []
    moves = tuple(islice(_moves(tally, blocked, balances and not state.away(), restores_leaders), moves_max))
    drained = tuple(drained_transfers(state))
    known = {(each.topic, each.index) for each in drained}
    restored = preferred_transfers(state, percentage) if restores_leaders else ()
    transfers = (*drained, *(each for each in restored if (each.topic, each.index) not in known))
    return Plan(transfers, moves, tuple(blocked), tuple(state.away()) if balances else ())


def _moves(tally: Tally, blocked: list[Blocked], balances: bool, restores_leaders: bool) -> Iterator[Move]:
    for step in evacuate(tally):
        if isinstance(step, Blocked):
            blocked.append(step)
        else:
            yield step
    if balances:
        yield from add_copies(tally)
        yield from spread(tally)
        yield from share(tally)
    if balances and restores_leaders:
        yield from even_preferences(tally)
