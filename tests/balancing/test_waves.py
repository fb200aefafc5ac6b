"""A bounded number of moves goes on at a time."""

from hypothesis import given, settings
from hypothesis import strategies as st

from odradek.balancing.model import Move
from odradek.balancing.waves import REORDERINGS_MAX, next_wave


def move(index: int, source: int, target: int) -> Move:
    return Move("t", index, (source, 99), (target, 99), 10, "because")


def reordering(index: int) -> Move:
    return Move("t", index, (1, 2), (2, 1), 10, "because")


def test_each_broker_gets_only_so_many_at_a_time() -> None:
    moves = [move(index, 1, 2 + index % 2) for index in range(8)]
    leaders = {("t", index): index for index in range(8)}
    assert next_wave(moves, [], leaders, 2) == moves[:4]
    assert next_wave(moves, [((2,), 7), ((2,), 8)], leaders, 2) == [moves[1], moves[3]]


def test_each_leader_gives_only_so_many_at_a_time() -> None:
    moves = [move(index, 1, 2 + index) for index in range(5)]
    leaders = {("t", index): 1 for index in range(5)}
    assert next_wave(moves, [], leaders, 2) == moves[:2]
    assert next_wave(moves, [((30,), 1)], leaders, 2) == moves[:1]


def test_moves_without_data_do_not_wait_for_others() -> None:
    moves = [move(0, 1, 2), *(reordering(index) for index in range(1, REORDERINGS_MAX + 9))]
    begun = next_wave(moves, [((2,), 1), ((2,), 1)], {("t", 0): 1}, 2)
    assert len(begun) == REORDERINGS_MAX


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 4), st.integers(5, 9)), max_size=40),
    st.lists(st.tuples(st.tuples(st.integers(5, 9)), st.integers(0, 4)), max_size=6),
    st.integers(1, 3),
)
def test_whatever_is_planned_the_bounds_hold_and_something_always_begins(
    pairs: list[tuple[int, int]], under_way: list[tuple[tuple[int, ...], int]], per_broker: int
) -> None:
    moves = [move(index, source, target) for index, (source, target) in enumerate(pairs)]
    leaders = {("t", index): source for index, (source, _) in enumerate(pairs)}
    wave = next_wave(moves, under_way, leaders, per_broker)
    for broker in range(10):
        into = sum(broker in each.adds for each in wave)
        out_of = sum(leaders["t", each.index] == broker for each in wave)
        assert not into or into + sum(broker in added for added, _ in under_way) <= per_broker
        assert not out_of or out_of + sum(leader == broker for _, leader in under_way) <= per_broker
    assert wave or not moves or under_way
