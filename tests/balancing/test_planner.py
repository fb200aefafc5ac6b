"""Plans: what they do first, and the rules that hold whatever the cluster looks like."""

import math
from dataclasses import replace

from hypothesis import given, settings

from odradek.balancing.model import ClusterState, Plan
from odradek.balancing.planner import make_plan
from tests.balancing.states import brokers, carried_out, counts, partition, preferred, state, states

ROUNDS_MAX = 60


def settled(before: ClusterState) -> ClusterState:
    """Plans carried out until there is nothing left to do."""
    for _ in range(ROUNDS_MAX):
        plan = make_plan(before)
        if not plan:
            return before
        before = carried_out(before, plan)
    raise AssertionError("plans never come to an end")


def spread_over(ids: tuple[int, ...], count: int, factor: int) -> list[tuple[int, ...]]:
    return [tuple(ids[(index + step) % len(ids)] for step in range(factor)) for index in range(count)]


def test_a_balanced_cluster_is_left_alone() -> None:
    replicas = spread_over((1, 2, 3), 9, 3)
    balanced = state(brokers(1, 2, 3), *(partition(index, *each) for index, each in enumerate(replicas)))
    assert make_plan(balanced) == Plan()


def test_an_empty_broker_gets_its_share_of_replicas_and_leaders_in_as_few_moves_as_possible() -> None:
    replicas = spread_over((1, 2, 3), 12, 2)
    joined = state(brokers(1, 2, 3, 4), *(partition(index, *each) for index, each in enumerate(replicas)))
    plan = make_plan(joined)
    assert len([move for move in plan.moves if move.adds]) == 6
    assert all(move.adds == (4,) for move in plan.moves if move.adds)
    after = settled(joined)
    assert counts(after) == {1: 6, 2: 6, 3: 6, 4: 6}
    assert preferred(after) == {1: 3, 2: 3, 3: 3, 4: 3}


def test_what_a_new_broker_gets_is_of_all_topics() -> None:
    parts = [
        partition(index, *each, topic=topic) for topic in "abc" for index, each in enumerate(spread_over((1, 2), 6, 1))
    ]
    plan = make_plan(state(brokers(1, 2, 3), *parts))
    assert sorted(move.topic for move in plan.moves if move.adds) == ["a", "a", "b", "b", "c", "c"]


def test_a_drained_broker_loses_leaderships_first_and_then_its_replicas() -> None:
    replicas = spread_over((1, 2, 3), 6, 2)
    known = brokers(1, 2, 3, 4, draining=[1])
    plan = make_plan(state(known, *(partition(index, *each) for index, each in enumerate(replicas))))
    assert [(each.source, each.reason) for each in plan.transfers] == [(1, "broker 1 is drained")] * 2
    leaving = [move for move in plan.moves if 1 in move.removes]
    assert len(leaving) == 4
    assert {move.reason for move in leaving} == {"broker 1 is drained"}
    after = settled(state(known, *(partition(index, *each) for index, each in enumerate(replicas))))
    assert counts(after)[1] == 0


def test_a_replica_that_can_go_nowhere_is_named_with_its_reason() -> None:
    plan = make_plan(state(brokers(1, 2, 3, draining=[3]), partition(0, 1, 2, 3)))
    (blocked,) = plan.blocked
    assert (blocked.broker, blocked.reason) == (3, "it has 3 replicas and 2 brokers for them")
    (leaderless,) = make_plan(state(brokers(1, 2, draining=[1]), partition(0, 1, leader=-1, isr=[]))).blocked
    assert leaderless.reason == "it has no leader to copy it from"


def test_replicas_on_a_broker_that_is_no_longer_in_the_cluster_are_made_elsewhere() -> None:
    plan = make_plan(state(brokers(1, 2, 3), partition(0, 1, 9, isr=[1])))
    (move,) = plan.moves
    assert (move.removes, move.reason) == ((9,), "broker 9 is no longer in the cluster")


def test_a_broker_that_is_only_away_keeps_its_replicas_and_nothing_else_is_balanced_meanwhile() -> None:
    parts = [partition(index, 1, isr=[1]) for index in range(8)]
    plan = make_plan(state(brokers(1, 2, 3, down=[3]), *parts))
    assert (plan.moves, plan.waits_for) == ((), (3,))


def test_a_broker_is_emptied_even_while_it_or_another_one_is_down() -> None:
    plan = make_plan(state(brokers(1, 2, 3, 4, draining=[3], down=[3, 4]), partition(0, 1, 3, isr=[1])))
    (move,) = plan.moves
    assert (move.removes, move.adds) == ((3,), (2,))


def test_copies_in_one_rack_are_taken_apart_where_there_is_another_rack() -> None:
    racks = {1: "a", 2: "a", 3: "b"}
    plan = make_plan(state(brokers(1, 2, 3, racks=racks), partition(0, 1, 2)))
    (move,) = plan.moves
    assert (move.after, move.reason) == ((1, 3), "two copies are in rack a")


def test_a_drained_brokers_copy_goes_to_a_rack_that_has_none() -> None:
    racks = {1: "a", 2: "b", 3: "a", 4: "b"}
    plan = make_plan(state(brokers(1, 2, 3, 4, racks=racks, draining=[2]), partition(0, 1, 2)))
    assert plan.moves[0].after == (1, 4)


def test_bytes_are_shared_too() -> None:
    parts = [partition(index, 1, size=1000) for index in range(4)] + [partition(4 + i, 2, size=1) for i in range(4)]
    before = state(brokers(1, 2), *parts)
    after = settled(before)
    held = {broker: sum(each.size_bytes for each in after.partitions if broker in each.replicas) for broker in (1, 2)}
    assert max(held.values()) == 2002
    assert "in bytes" in make_plan(before).moves[0].reason


def test_a_replica_does_not_move_to_a_broker_whose_disk_it_would_fill() -> None:
    known = {**brokers(1, disk_bytes=10_000), **brokers(2, disk_bytes=1000)}
    plan = make_plan(state(known, partition(0, 1, size=900), partition(1, 1, size=900), partition(2, 1, size=100)))
    assert [move.index for move in plan.moves] == [2]
    drained = {**brokers(1, disk_bytes=10_000, draining=[1]), **brokers(2, disk_bytes=1000)}
    (blocked,) = make_plan(state(drained, partition(0, 1, size=900))).blocked
    assert blocked.reason == "no other broker has room for it"


def test_preferred_leaders_get_back_what_they_lead_too_little_of() -> None:
    led = [partition(index, 1, 2, leader=2 if index == 0 else 1) for index in range(20)]
    led += [partition(20 + index, 2, 1) for index in range(20)]
    assert make_plan(state(brokers(1, 2), *led)).transfers == ()
    (transfer,) = make_plan(state(brokers(1, 2), *led), percentage=4).transfers
    assert (transfer.source, transfer.target, transfer.reason) == (2, 1, "broker 1 is the preferred leader")
    assert make_plan(state(brokers(1, 2), *led), percentage=4, restores_leaders=False).transfers == ()


def test_a_preferred_leader_that_is_not_in_sync_waits() -> None:
    assert make_plan(state(brokers(1, 2), partition(0, 1, 2, leader=2, isr=[2]))).transfers == ()


def test_preferred_leaders_become_equal_in_number_without_moving_data() -> None:
    before = state(brokers(1, 2, 3), *(partition(index, 1, 2, 3) for index in range(6)))
    plan = make_plan(before)
    assert all(not move.adds and not move.removes for move in plan.moves)
    assert preferred(settled(before)) == {1: 2, 2: 2, 3: 2}
    assert make_plan(before, restores_leaders=False).moves == ()


def test_no_more_moves_are_planned_than_asked_for_and_they_are_the_first() -> None:
    before = state(brokers(1, 2, draining=[1]), *(partition(index, 1) for index in range(9)))
    assert make_plan(before, moves_max=4).moves == make_plan(before).moves[:4]


def test_missing_copies_are_made_as_soon_as_there_are_brokers_for_them() -> None:
    alone = state(brokers(1), *(partition(index, 1, copies=3) for index in range(6)), partition(6, 1))
    assert make_plan(alone).moves == ()
    pair = settled(replace(alone, brokers=brokers(1, 2)))
    assert {len(each.replicas) for each in pair.partitions if each.copies} == {2}
    plan = make_plan(replace(pair, brokers=brokers(1, 2, 3)))
    assert {move.reason for move in plan.moves if len(move.after) == 3} == {"it is to have 3 copies"}
    whole = settled(replace(pair, brokers=brokers(1, 2, 3)))
    assert [sorted(each.replicas) for each in whole.partitions if each.copies] == [[1, 2, 3]] * 6
    assert len(whole.partitions[6].replicas) == 1


def test_a_copy_more_goes_to_a_rack_that_has_none() -> None:
    racks = {1: "a", 2: "a", 3: "b"}
    (move,) = make_plan(state(brokers(1, 2, 3, racks=racks), partition(0, 1, copies=2))).moves
    assert move.after == (1, 3)


def test_copies_wait_for_brokers_that_are_expected_back() -> None:
    assert make_plan(state(brokers(1, 2, 3, down=[3]), partition(0, 1, copies=3))).moves == ()


def test_a_partition_on_the_move_is_left_alone() -> None:
    assert make_plan(state(brokers(1, 2, draining=[1]), partition(0, 1, is_moving=True))).moves == ()


@settings(deadline=None)
@given(states())
def test_plans_come_to_an_end_and_then_there_is_none(before: ClusterState) -> None:
    assert not make_plan(settled(before))


@settings(deadline=None)
@given(states())
def test_every_move_is_one_that_can_be_made(before: ClusterState) -> None:
    plan = make_plan(before)
    by_place = {(each.topic, each.index): each for each in before.partitions}
    assert len({(move.topic, move.index) for move in plan.moves}) == len(plan.moves)
    for move in plan.moves:
        moved = by_place[move.topic, move.index]
        assert move.before == moved.replicas
        assert not moved.is_moving
        assert moved.leader >= 0
        assert len(set(move.after)) == len(move.after)
        assert len(move.before) <= len(move.after) <= max(len(move.before), moved.copies)
        assert all(before.brokers[each].takes_replicas for each in move.adds)
        assert move.reason
    for transfer in plan.transfers:
        led = by_place[transfer.topic, transfer.index]
        assert transfer.source == led.leader
        assert transfer.target in led.isr
        assert before.brokers[transfer.target].takes_replicas


@settings(deadline=None)
@given(states())
def test_racks_are_never_worse_apart_unless_a_broker_has_to_be_emptied(before: ClusterState) -> None:
    for move in make_plan(before).moves:
        must_leave = [each for each in move.before if each not in before.brokers or before.brokers[each].is_draining]
        possible = len({before.rack(each) for each in before.brokers if before.brokers[each].takes_replicas})
        if must_leave:
            assert before.racks(move.after) >= min(before.racks(move.before), possible)
        else:
            assert before.racks(move.after) >= before.racks(move.before)


@settings(deadline=None)
@given(states(may_be_down=False))
def test_emptied_brokers_are_empty_or_it_is_said_why_not(before: ClusterState) -> None:
    after = settled(before)
    blocked = {(each.topic, each.index, each.broker) for each in make_plan(after).blocked}
    for each in after.partitions:
        for replica in each.replicas:
            must_leave = replica not in after.brokers or after.brokers[replica].is_draining
            assert not must_leave or each.is_moving or (each.topic, each.index, replica) in blocked


@settings(deadline=None)
@given(states(may_be_down=False, with_sizes=False))
def test_without_racks_and_sizes_shares_are_equal_and_moves_as_few_as_can_be(drawn: ClusterState) -> None:
    known = brokers(*drawn.brokers)
    parts = [partition(each.index, *each.replicas, topic=each.topic) for each in drawn.partitions]
    before = state(known, *(each for each in parts if all(replica in known for replica in each.replicas)))
    moved = [move for move in make_plan(before).moves if move.adds]
    after = counts(settled(before))
    highest = math.ceil(sum(after.values()) / len(after))
    surplus = sum(max(count - highest, 0) for count in counts(before).values())
    missing = sum(max(highest - 1 - count, 0) for count in counts(before).values())
    assert max(after.values()) - min(after.values()) <= 1 or _cannot_differ_less(settled(before))
    assert len(moved) <= surplus + missing


def _cannot_differ_less(settled_state: ClusterState) -> bool:
    """No single replica could move from a broker with two more to one that lacks it."""
    held = counts(settled_state)
    return not any(
        held[source] - held[target] >= 2
        for each in settled_state.partitions
        for source in each.replicas
        for target in settled_state.brokers
        if target not in each.replicas
    )


@settings(deadline=None)
@given(states(may_be_down=False))
def test_what_should_have_copies_has_them_or_there_is_nobody_to_take_them(before: ClusterState) -> None:
    for each in settled(before).partitions:
        if len(each.replicas) < each.copies and each.leader >= 0 and not each.is_moving:
            assert {target.broker_id for target in before.targets()} <= set(each.replicas)
