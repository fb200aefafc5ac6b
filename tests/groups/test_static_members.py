"""Static membership (KIP-345): members that come back, their successors, the fenced."""

from kio.schema.errors import ErrorCode

from odradek.groups.state import GroupState
from odradek.groups.vocabulary import LeavingMember
from tests.groups.script import INITIAL_DELAY_MS, REBALANCE_MS, SESSION_MS, Script, subscription


def test_a_static_member_comes_back_under_a_new_id_without_a_rebalance() -> None:
    script = Script()
    _, follower = script.stable(2, instances=True)
    back = script.join(instance="i1", version=9)
    assert script.state is GroupState.STABLE
    assert (back.error, back.joined.generation_id) == (ErrorCode.none, 1)
    assert back.joined.member_id not in ("", follower)
    assert script.sync(back.joined.member_id, instance="i1").synced.assignment == f"of {follower}".encode()


def test_the_new_id_is_stored_before_the_member_hears_of_it() -> None:
    script = Script()
    script.stable(2, instances=True)
    script.stores = False
    back = script.join(instance="i1", version=9)
    assert back.is_waiting
    script.store()
    assert back.joined.member_id in [member.member_id for member in script.log[-1].members]
    assert script.log[-1].members[1].assignment == b"of i1-2"


def test_a_new_id_that_cannot_be_stored_is_taken_back() -> None:
    script = Script()
    _, follower = script.stable(2, instances=True)
    script.stores = False
    back = script.join(instance="i1", version=9, session_ms=20_000)
    script.store(ErrorCode.not_coordinator)
    assert (back.error, back.joined.member_id) == (ErrorCode.not_coordinator, "")
    assert script.heartbeat(follower, instance="i1") is ErrorCode.none
    assert script.group.members[follower].session_timeout_ms == SESSION_MS


def test_a_leader_that_comes_back_skips_the_assignment_but_learns_the_members() -> None:
    script = Script()
    script.stable(2, instances=True)
    back = script.join(instance="i0", version=9)
    assert back.joined.leader == back.joined.member_id
    assert back.joined.skip_assignment
    assert len(back.joined.members) == 2


def test_a_leader_too_old_to_skip_the_assignment_is_told_it_does_not_lead() -> None:
    script = Script()
    leader, _ = script.stable(2, instances=True)
    back = script.join(instance="i0", version=8)
    assert (back.joined.leader, back.joined.skip_assignment) == (leader, False)
    assert back.joined.leader != back.joined.member_id


def test_a_member_that_has_a_successor_is_fenced() -> None:
    script = Script()
    _, old = script.stable(2, instances=True)
    new = script.join(instance="i1", version=9).joined.member_id
    assert script.heartbeat(old, instance="i1") is ErrorCode.fenced_instance_id
    assert script.sync(old, instance="i1").error is ErrorCode.fenced_instance_id
    assert script.join(old, instance="i1").error is ErrorCode.fenced_instance_id
    assert script.leave(LeavingMember(old, "i1")) == [ErrorCode.fenced_instance_id]
    assert script.heartbeat(old) is ErrorCode.unknown_member_id
    assert script.heartbeat(new, instance="i1") is ErrorCode.none


def test_a_parked_join_is_fenced_by_the_successor() -> None:
    script = Script()
    leader, follower = script.stable(2, instances=True)
    parked = script.join(leader, instance="i0")
    back = script.join(instance="i0", version=9)
    assert parked.error is ErrorCode.fenced_instance_id
    script.join(follower, instance="i1")
    assert back.joined.generation_id == 2


def test_a_parked_sync_is_fenced_by_the_successor_and_the_rebalance_starts_again() -> None:
    script = Script()
    asks = [script.join(instance=f"i{n}") for n in range(2)]
    script.pass_time(2 * INITIAL_DELAY_MS)
    follower = asks[1].joined.member_id
    parked = script.sync(follower, instance="i1")
    back = script.join(instance="i1", version=9)
    assert parked.error is ErrorCode.fenced_instance_id
    assert script.state is GroupState.PREPARING_REBALANCE
    script.join(asks[0].joined.member_id, instance="i0")
    assert back.joined.generation_id == 2


def test_a_static_member_that_comes_back_with_another_protocol_rebalances_the_group() -> None:
    script = Script()
    both = [("range", subscription("t")), ("roundrobin", subscription("t"))]
    asks = [script.join(instance="i0", protocols=both), script.join(instance="i1", protocols=both)]
    script.pass_time(2 * INITIAL_DELAY_MS)
    leader = asks[0].joined.member_id
    script.sync(asks[1].joined.member_id)
    script.sync(leader, {})
    back = script.join(instance="i1", protocols=both[1:], version=9)
    assert script.state is GroupState.PREPARING_REBALANCE
    script.join(leader, instance="i0", protocols=both)
    assert (back.joined.generation_id, back.joined.protocol_name) == (2, "roundrobin")


def test_a_rebalance_begun_while_the_new_id_is_stored_answers_the_member() -> None:
    script = Script()
    leader, _ = script.stable(2, instances=True)
    script.stores = False
    back = script.join(instance="i1", version=9)
    script.join(leader, instance="i0")
    assert back.joined.generation_id == 2
    script.store()
    assert script.state is GroupState.COMPLETING_REBALANCE


def test_a_static_member_that_is_away_keeps_its_place_through_a_rebalance() -> None:
    script = Script()
    leader, away = script.stable(2, instances=True)
    again = script.join(leader, instance="i0", session_ms=SESSION_MS)
    script.group.members[away].session_timeout_ms = 10 * REBALANCE_MS
    script.heartbeat(away, instance="i1")
    script.pass_time(REBALANCE_MS)
    assert again.joined.generation_id == 2
    assert {member.instance_id for member in again.joined.members} == {"i0", "i1"}


def test_if_no_member_rejoins_the_static_ones_are_waited_for() -> None:
    script = Script()
    first, second = script.stable(2, instances=True)
    for member_id in (first, second):
        script.group.members[member_id].session_timeout_ms = 10 * REBALANCE_MS
        script.heartbeat(member_id)
    stranger = script.join()
    (new_id,) = set(script.group.members) - {first, second}
    script.leave(new_id)
    assert stranger.error is ErrorCode.unknown_member_id
    script.pass_time(REBALANCE_MS)
    assert script.state is GroupState.PREPARING_REBALANCE
    assert set(script.group.members) == {first, second}


def test_an_administrator_removes_a_static_member_by_its_instance_id_alone() -> None:
    script = Script()
    leader, away = script.stable(2, instances=True)
    assert script.leave(LeavingMember("", "i1"), LeavingMember("", "i9"), LeavingMember("")) == [
        ErrorCode.none,
        ErrorCode.unknown_member_id,
        ErrorCode.unknown_member_id,
    ]
    assert away not in script.group.members
    assert script.heartbeat(leader, instance="i0") is ErrorCode.rebalance_in_progress
