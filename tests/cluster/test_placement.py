"""Replicas are spread over racks and brokers."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odradek.cluster.placement import PlacementError, place
from tests.cluster.clusters import broker


def test_one_broker_has_everything() -> None:
    assert place([broker(7)], 0, 3, 1, start=5) == [(7,), (7,), (7,)]


def test_leaders_walk_around_the_brokers() -> None:
    placed = place([broker(0), broker(1), broker(2)], 0, 6, 1, start=1)
    assert placed == [(1,), (2,), (0,), (1,), (2,), (0,)]


def test_copies_are_in_different_racks() -> None:
    registered = [broker(0, rack="a"), broker(1, rack="a"), broker(2, rack="b"), broker(3, rack="b")]
    for replicas in place(registered, 0, 40, 2, start=0):
        assert {each < 2 for each in replicas} == {True, False}


def test_a_fenced_broker_is_used_only_when_needed_and_never_leads() -> None:
    registered = [broker(0), broker(1, fenced=True), broker(2)]
    assert all(1 not in replicas for replicas in place(registered, 0, 9, 2, start=0))
    for replicas in place(registered, 0, 9, 3, start=0):
        assert replicas[-1] == 1


def test_a_broker_that_is_drained_is_used_only_when_needed_before_fenced_ones() -> None:
    registered = [broker(0), broker(1), broker(2), broker(3, fenced=True)]
    for replicas in place(registered, 0, 9, 2, start=0, avoided={1}):
        assert 1 not in replicas
    for replicas in place(registered, 0, 9, 4, start=0, avoided={1}):
        assert replicas[-2:] == (1, 3)
    assert place(registered[1:2], 0, 2, 1, start=0, avoided={1}) == [(1,), (1,)]


def test_too_few_brokers_are_named() -> None:
    with pytest.raises(PlacementError, match="because only 2 broker"):
        place([broker(0), broker(1)], 0, 1, 3, start=0)
    with pytest.raises(PlacementError, match="All brokers are currently fenced"):
        place([broker(0, fenced=True)], 0, 1, 1, start=0)


@given(
    racks=st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=8),
    factor=st.integers(1, 8),
    count=st.integers(1, 40),
    start=st.integers(0, 1 << 30),
)
def test_replicas_are_distinct_racks_are_used_and_leaders_are_balanced(
    racks: list[str], factor: int, count: int, start: int
) -> None:
    factor = min(factor, len(racks))
    placed = place([broker(index, rack=rack) for index, rack in enumerate(racks)], 0, count, factor, start)
    assert len(placed) == count
    for replicas in placed:
        assert len(set(replicas)) == factor
        assert len({racks[each] for each in replicas}) == min(factor, len(set(racks)))
    leaders = Counter(replicas[0] for replicas in placed)
    assert max(leaders.values()) - min(leaders.get(each, 0) for each in range(len(racks))) <= 1
