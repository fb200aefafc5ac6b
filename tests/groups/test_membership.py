"""Heartbeats, sessions, leaving."""

import pytest
from kio.schema.errors import ErrorCode

from odradek.groups import membership
from odradek.groups.group import ClassicGroup, GroupSettings
from odradek.groups.state import GroupState, InvalidTransitionError
from odradek.groups.vocabulary import LeavingMember
from tests.groups.script import INITIAL_DELAY_MS, SESSION_MS, Script


def test_heartbeats_keep_a_member_in_the_group() -> None:
    script = Script()
    (member,) = script.stable(1)
    for _ in range(10):
        script.pass_time(SESSION_MS - 1)
        assert script.heartbeat(member) is ErrorCode.none


def test_a_member_without_heartbeats_is_out_when_its_session_ends() -> None:
    script = Script()
    (member,) = script.stable(1)
    script.pass_time(SESSION_MS - 1)
    assert script.heartbeat(member) is ErrorCode.none
    script.pass_time(SESSION_MS)
    assert script.heartbeat(member) is ErrorCode.unknown_member_id
    assert script.state is GroupState.EMPTY


def test_a_group_that_loses_its_last_member_is_stored_empty_in_its_next_generation() -> None:
    script = Script()
    script.stable(1)
    script.pass_time(SESSION_MS)
    stored = script.log[-1]
    assert (stored.generation_id, stored.protocol_type, stored.protocol_name) == (2, "consumer", None)
    assert (stored.leader, stored.members) == (None, ())


def test_losing_a_member_rebalances_the_others() -> None:
    script = Script()
    first, second = script.stable(2)
    script.pass_time(SESSION_MS - 1)
    script.heartbeat(second)
    script.pass_time(1)
    assert first not in script.group.members
    assert script.heartbeat(second) is ErrorCode.rebalance_in_progress


def test_heartbeats_of_another_generation_or_member_are_refused() -> None:
    script = Script()
    (member,) = script.stable(1)
    assert script.heartbeat(member, generation=0) is ErrorCode.illegal_generation
    assert script.heartbeat("stranger") is ErrorCode.unknown_member_id
    assert script.heartbeat(member, instance="i") is ErrorCode.unknown_member_id


def test_heartbeats_are_fine_while_the_leader_assigns() -> None:
    script = Script()
    first = script.join()
    script.pass_time(INITIAL_DELAY_MS)
    assert script.heartbeat(first.joined.member_id) is ErrorCode.none


def test_a_refused_heartbeat_during_a_rebalance_still_keeps_the_session() -> None:
    script = Script()
    leader, follower = script.stable(2)
    script.join(leader)
    for _ in range(4):
        script.pass_time(SESSION_MS - 1)
        assert script.heartbeat(follower) is ErrorCode.rebalance_in_progress


def test_members_parked_in_a_rebalance_need_no_heartbeats() -> None:
    script = Script()
    leader, follower = script.stable(2)
    waiting = script.join(leader)
    for _ in range(4):
        script.pass_time(SESSION_MS - 1)
        script.heartbeat(follower)
    assert waiting.is_waiting
    assert leader in script.group.members


def test_members_parked_for_their_assignment_need_no_heartbeats() -> None:
    script = Script()
    asks = [script.join(), script.join()]
    script.pass_time(2 * INITIAL_DELAY_MS)
    leader, follower = [ask.joined.member_id for ask in asks]
    waiting = script.sync(follower)
    for _ in range(3):
        script.pass_time(SESSION_MS - 1)
        script.heartbeat(leader)
    assert waiting.is_waiting
    script.sync(leader, {follower: b"b"})
    assert waiting.synced.assignment == b"b"
    script.pass_time(SESSION_MS)
    assert follower not in script.group.members


def test_a_dead_group_has_no_heartbeats_and_no_leaving() -> None:
    script = Script()
    (member,) = script.stable(1)
    membership.bury(script.group, ErrorCode.not_coordinator, 0)
    assert script.heartbeat(member) is ErrorCode.coordinator_not_available
    error, errors, _ = membership.leave(script.group, [LeavingMember(member)], script.now)
    assert (error, errors) == (ErrorCode.coordinator_not_available, [])


def test_leaving_rebalances_at_once() -> None:
    script = Script()
    first, second = script.stable(2)
    assert script.leave(first) == [ErrorCode.none]
    assert script.heartbeat(second) is ErrorCode.rebalance_in_progress
    again = script.join(second)
    assert (again.joined.generation_id, again.joined.leader) == (2, second)


def test_the_last_member_that_leaves_empties_the_group_at_once() -> None:
    script = Script()
    script.leave(*script.stable(2))
    assert (script.state, script.group.generation_id) == (GroupState.EMPTY, 2)


def test_each_member_of_a_batch_has_its_own_error() -> None:
    script = Script()
    first, _ = script.stable(2)
    assert script.leave("stranger", first, first) == [
        ErrorCode.unknown_member_id,
        ErrorCode.none,
        ErrorCode.unknown_member_id,
    ]


def test_nobody_leaving_changes_nothing() -> None:
    script = Script()
    script.stable(1)
    assert script.leave("stranger") == [ErrorCode.unknown_member_id]
    assert script.state is GroupState.STABLE


def test_a_member_that_leaves_has_its_parked_requests_answered() -> None:
    script = Script()
    leader, follower = script.stable(2)
    joining = script.join(leader)
    script.leave(leader)
    assert (joining.error, joining.joined.member_id) == (ErrorCode.unknown_member_id, "")
    script.join(follower)
    waiting = script.join()
    script.leave(waiting.joined.member_id) if not waiting.is_waiting else None
    assert leader not in script.group.members


def test_a_member_that_leaves_while_it_waits_for_its_assignment_is_answered() -> None:
    script = Script()
    asks = [script.join(), script.join()]
    script.pass_time(2 * INITIAL_DELAY_MS)
    follower = asks[1].joined.member_id
    syncing = script.sync(follower)
    script.leave(follower)
    assert syncing.error is ErrorCode.unknown_member_id


def test_an_id_that_was_handed_out_can_be_given_back() -> None:
    script = Script()
    (leader,) = script.stable(1)
    pending = script.join(version=4).joined.member_id
    again = script.join(leader)
    assert script.leave(pending) == [ErrorCode.none]
    assert again.joined.generation_id == 2


def test_an_id_that_expires_no_longer_holds_up_the_rebalance() -> None:
    script = Script()
    (leader,) = script.stable(1)
    script.join(version=4)
    again = script.join(leader)
    script.pass_time(SESSION_MS)
    assert again.joined.generation_id == 2


def test_everybody_leaving_before_the_initial_delay_is_over_leaves_an_empty_group() -> None:
    script = Script()
    script.join()
    (member_id,) = script.group.members
    script.leave(member_id)
    assert script.state is GroupState.PREPARING_REBALANCE
    script.pass_time(INITIAL_DELAY_MS)
    assert (script.state, script.group.generation_id) == (GroupState.EMPTY, 1)


def test_loaded_members_get_a_whole_session_and_then_are_out() -> None:
    live = Script()
    ids = live.stable(2)
    loaded = Script(group=ClassicGroup.loaded("g", live.settings, live.log[-1]))
    loaded.carry_out(membership.on_loaded(loaded.group, loaded.now))
    loaded.pass_time(SESSION_MS - 1)
    assert loaded.heartbeat(ids[0]) is ErrorCode.none
    loaded.pass_time(1)
    assert list(loaded.group.members) == [ids[0]]
    assert loaded.state is GroupState.PREPARING_REBALANCE


def test_a_loaded_group_that_is_too_large_now_is_rebalanced() -> None:
    live = Script()
    live.stable(3)
    settings = GroupSettings(INITIAL_DELAY_MS, max_size=2)
    loaded = Script(settings, ClassicGroup.loaded("g", settings, live.log[-1]))
    loaded.carry_out(membership.on_loaded(loaded.group, loaded.now))
    assert loaded.state is GroupState.PREPARING_REBALANCE


def test_a_state_that_the_table_does_not_allow_is_a_broken_invariant() -> None:
    script = Script()
    with pytest.raises(InvalidTransitionError):
        script.group.transition(GroupState.STABLE, 0)


def test_an_empty_group_whose_tombstone_could_not_be_stored_lives_on() -> None:
    script = Script()
    script.leave(*script.stable(1))
    state_time_ms = script.group.state_time_ms
    membership.bury(script.group, ErrorCode.coordinator_not_available, state_time_ms)
    membership.revive(script.group, state_time_ms)
    assert script.join().is_waiting
