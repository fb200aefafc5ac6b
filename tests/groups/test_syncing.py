"""SyncGroup: the leader's assignment, stored before anybody gets it."""

from kio.schema.errors import ErrorCode

from odradek.groups.membership import bury
from odradek.groups.state import GroupState
from tests.groups.script import INITIAL_DELAY_MS, REBALANCE_MS, SESSION_MS, Script


def completing(size: int = 2) -> tuple[Script, list[str]]:
    """A group that waits for its leader's assignment."""
    script = Script()
    asks = [script.join() for _ in range(size)]
    script.pass_time(2 * INITIAL_DELAY_MS)
    return script, [ask.joined.member_id for ask in asks]


def test_everybody_gets_the_part_the_leader_assigned() -> None:
    script, (leader, follower) = completing()
    waiting = script.sync(follower)
    assert waiting.is_waiting
    led = script.sync(leader, {leader: b"a", follower: b"b"})
    assert (led.synced.assignment, waiting.synced.assignment) == (b"a", b"b")
    assert (led.synced.protocol_type, led.synced.protocol_name) == ("consumer", "range")
    assert script.state is GroupState.STABLE


def test_nobody_gets_an_assignment_before_it_is_stored() -> None:
    script, (leader, follower) = completing()
    script.stores = False
    asks = [script.sync(follower), script.sync(leader, {follower: b"b"})]
    assert [ask.is_waiting for ask in asks] == [True, True]
    assert script.state is GroupState.COMPLETING_REBALANCE
    script.store()
    assert [ask.synced.assignment for ask in asks] == [b"b", b""]


def test_a_member_the_leader_forgot_gets_an_empty_assignment() -> None:
    script, (leader, follower) = completing()
    script.sync(leader, {leader: b"a", "stranger": b"x"})
    assert script.sync(follower).synced.assignment == b""
    assert [member.member_id for member in script.log[-1].members] == [leader, follower]


def test_a_late_member_gets_its_assignment_from_the_stable_group() -> None:
    script, (leader, follower) = completing()
    script.sync(leader, {follower: b"b"})
    assert script.sync(follower).synced.assignment == b"b"


def test_the_same_assignment_is_answered_again_and_again() -> None:
    script = Script()
    leader, _ = script.stable(2)
    assert script.sync(leader).synced.assignment == script.sync(leader).synced.assignment == f"of {leader}".encode()


def test_an_assignment_that_cannot_be_stored_is_an_error_for_all_and_a_new_rebalance() -> None:
    script, (leader, follower) = completing()
    script.stores = False
    asks = [script.sync(follower), script.sync(leader, {follower: b"b"})]
    script.store(ErrorCode.coordinator_not_available)
    assert {ask.error for ask in asks} == {ErrorCode.coordinator_not_available}
    assert script.state is GroupState.PREPARING_REBALANCE


def test_an_assignment_stored_too_late_is_not_given_out() -> None:
    script, (leader, follower) = completing()
    script.stores = False
    waiting = script.sync(leader, {leader: b"a"})
    new = script.join()
    assert waiting.error is ErrorCode.rebalance_in_progress
    script.store()
    assert script.state is GroupState.PREPARING_REBALANCE
    assert new.is_waiting
    assert script.group.members[leader].assignment == b""
    assert follower in script.group.members


def test_an_assignment_stored_in_the_time_of_the_next_generation_is_not_taken_for_its_own() -> None:
    script, (leader, follower) = completing()
    script.stores = False
    script.sync(leader, {leader: b"a", follower: b"b"})
    asks = [script.join(leader, protocols=[("range", b"new")]), script.join(follower)]
    assert {ask.joined.generation_id for ask in asks} == {2}
    waiting = script.sync(follower)
    script.store()
    assert script.state is GroupState.COMPLETING_REBALANCE
    assert waiting.is_waiting


def test_a_sync_of_another_generation_is_refused() -> None:
    script = Script()
    (leader,) = script.stable(1)
    assert script.sync(leader, generation=0).error is ErrorCode.illegal_generation
    assert script.sync(leader, generation=2).error is ErrorCode.illegal_generation


def test_a_sync_of_a_stranger_is_refused() -> None:
    script = Script()
    script.stable(1)
    assert script.sync("stranger").error is ErrorCode.unknown_member_id


def test_a_sync_with_another_protocol_is_refused() -> None:
    script = Script()
    (leader,) = script.stable(1)
    assert script.sync(leader, protocol_type="connect").error is ErrorCode.inconsistent_group_protocol
    assert script.sync(leader, protocol_name="sticky").error is ErrorCode.inconsistent_group_protocol
    assert script.sync(leader, protocol_type="consumer", protocol_name="range").error is ErrorCode.none


def test_a_sync_while_members_join_asks_to_join_again() -> None:
    script = Script()
    leader, follower = script.stable(2)
    script.join(leader)
    assert script.sync(follower).error is ErrorCode.rebalance_in_progress


def test_a_dead_group_sends_members_to_look_for_the_coordinator_again() -> None:
    script = Script()
    (leader,) = script.stable(1)
    bury(script.group, ErrorCode.not_coordinator, 0)
    assert script.sync(leader).error is ErrorCode.coordinator_not_available


def test_members_that_wait_are_told_when_the_coordinator_goes() -> None:
    script, (_, follower) = completing()
    waiting = script.sync(follower)
    script.carry_out(bury(script.group, ErrorCode.not_coordinator, 0))
    assert waiting.error is ErrorCode.not_coordinator


def test_members_that_never_ask_for_their_assignment_are_out_after_the_rebalance_timeout() -> None:
    script, (leader, follower) = completing()
    script.sync(leader, {})
    for _ in range(REBALANCE_MS // (SESSION_MS - 1) + 1):
        script.pass_time(SESSION_MS - 1)
        script.heartbeat(leader, generation=1)
        if follower in script.group.members:
            script.heartbeat(follower, generation=1)
    assert follower not in script.group.members
    assert script.state is GroupState.PREPARING_REBALANCE


def test_members_that_all_asked_are_not_looked_for_again() -> None:
    script = Script()
    ids = script.stable(2)
    for _ in range(3 * REBALANCE_MS // (SESSION_MS - 1)):
        script.pass_time(SESSION_MS - 1)
        assert [script.heartbeat(member_id).name for member_id in ids] == ["none", "none"]


def test_a_sync_that_replaces_one_of_the_same_member_answers_the_older_one() -> None:
    script, (_, follower) = completing()
    older, newer = script.sync(follower), script.sync(follower)
    assert older.error is ErrorCode.rebalance_in_progress
    assert newer.is_waiting


def test_a_leader_that_asks_again_while_its_assignment_is_being_stored_stores_no_second_one() -> None:
    script, (leader, _) = completing()
    script.stores = False
    script.sync(leader, {leader: b"first"})
    answer = script.sync(leader, {leader: b"second"})
    assert len(script.held) == 1
    script.stores = True
    script.store()
    assert answer.synced.assignment == b"first"
    assert script.log[-1].members[0].assignment == b"first"
