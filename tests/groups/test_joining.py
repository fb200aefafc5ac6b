"""JoinGroup: who gets in, under which id, with which error."""

from kio.schema.errors import ErrorCode

from odradek.groups.group import GroupSettings
from odradek.groups.joining import METADATA_BYTES_MAX
from odradek.groups.membership import bury
from odradek.groups.state import GroupState
from tests.groups.script import INITIAL_DELAY_MS, REBALANCE_MS, SESSION_MS, Script, subscription

RANGE = ("range", subscription("t"))
ROUND_ROBIN = ("roundrobin", subscription("t"))


def test_the_first_member_waits_for_the_initial_rebalance_delay_and_leads() -> None:
    script = Script()
    first = script.join()
    assert first.is_waiting
    script.pass_time(INITIAL_DELAY_MS)
    joined = first.joined
    assert (joined.error, joined.generation_id, joined.leader) == (ErrorCode.none, 1, joined.member_id)
    assert (joined.protocol_type, joined.protocol_name) == ("consumer", "range")
    assert [member.member_id for member in joined.members] == [joined.member_id]
    assert script.state is GroupState.COMPLETING_REBALANCE


def test_only_the_leader_is_told_who_the_members_are() -> None:
    script = Script()
    first, second = script.join(), script.join()
    script.pass_time(2 * INITIAL_DELAY_MS)
    assert len(first.joined.members) == 2
    assert second.joined.members == ()
    assert second.joined.leader == first.joined.member_id


def test_members_that_come_during_the_initial_delay_extend_it() -> None:
    script = Script()
    first = script.join()
    script.pass_time(INITIAL_DELAY_MS - 1)
    second = script.join()
    script.pass_time(1)
    assert first.is_waiting
    script.pass_time(INITIAL_DELAY_MS)
    assert first.joined.generation_id == second.joined.generation_id == 1


def test_the_initial_delay_is_never_extended_beyond_the_rebalance_timeout() -> None:
    script = Script()
    first = script.join(rebalance_ms=2 * INITIAL_DELAY_MS)
    for _ in range(3):
        script.pass_time(INITIAL_DELAY_MS - 1)
        script.join(rebalance_ms=2 * INITIAL_DELAY_MS)
    assert not first.is_waiting


def test_without_an_initial_delay_the_first_member_gets_its_generation_at_the_next_look() -> None:
    script = Script(GroupSettings(initial_rebalance_delay_ms=0))
    first = script.join()
    script.pass_time(0)
    assert first.joined.generation_id == 1


def test_from_version_4_on_a_new_member_must_join_again_with_the_id_it_is_given() -> None:
    script = Script()
    refused = script.join(version=4)
    assert refused.error is ErrorCode.member_id_required
    known = script.join(refused.joined.member_id, version=4)
    script.pass_time(INITIAL_DELAY_MS)
    assert known.joined.member_id == refused.joined.member_id


def test_a_static_member_needs_no_second_join() -> None:
    script = Script()
    joined = script.join(instance="i", version=5)
    script.pass_time(INITIAL_DELAY_MS)
    assert joined.error is ErrorCode.none


def test_an_id_that_was_handed_out_expires_with_the_session() -> None:
    script = Script()
    member_id = script.join(version=4).joined.member_id
    script.pass_time(SESSION_MS)
    assert script.join(member_id, version=4).error is ErrorCode.unknown_member_id


def test_an_id_handed_out_cannot_be_taken_by_a_static_member() -> None:
    script = Script()
    member_id = script.join(version=4).joined.member_id
    assert script.join(member_id, instance="i", version=5).error is ErrorCode.unknown_member_id


def test_a_rebalance_waits_for_members_that_were_handed_an_id() -> None:
    script = Script()
    (leader,) = script.stable(1)
    pending = script.join(version=4).joined.member_id
    again = script.join(leader)
    assert again.is_waiting
    script.join(pending, version=4)
    assert again.joined.generation_id == 2


def test_a_member_the_group_does_not_know_is_refused() -> None:
    script = Script()
    script.stable(1)
    assert script.join("stranger").error is ErrorCode.unknown_member_id


def test_a_member_that_joins_an_empty_group_must_start_anew() -> None:
    script = Script()
    (member,) = script.stable(1)
    script.leave(member)
    assert script.state is GroupState.EMPTY
    assert script.join(member).error is ErrorCode.unknown_member_id


def test_a_member_without_protocols_or_protocol_type_is_refused() -> None:
    script = Script()
    assert script.join(protocols=()).error is ErrorCode.inconsistent_group_protocol
    assert script.join(protocol_type="").error is ErrorCode.inconsistent_group_protocol


def test_a_member_of_another_protocol_type_is_refused() -> None:
    script = Script()
    script.stable(1)
    assert script.join(protocol_type="connect").error is ErrorCode.inconsistent_group_protocol


def test_a_member_that_shares_no_protocol_with_all_others_is_refused() -> None:
    script = Script()
    script.join(protocols=[RANGE, ROUND_ROBIN])
    script.join(protocols=[RANGE])
    assert script.join(protocols=[ROUND_ROBIN]).error is ErrorCode.inconsistent_group_protocol


def test_members_vote_among_the_protocols_all_of_them_support() -> None:
    script = Script()
    asks = [
        script.join(protocols=[("sticky", b""), RANGE, ROUND_ROBIN]),
        script.join(protocols=[ROUND_ROBIN, RANGE]),
        script.join(protocols=[ROUND_ROBIN, RANGE]),
    ]
    script.pass_time(2 * INITIAL_DELAY_MS)
    assert {ask.joined.protocol_name for ask in asks} == {"roundrobin"}


def test_the_group_has_no_room_for_more_than_its_maximum() -> None:
    script = Script(GroupSettings(INITIAL_DELAY_MS, max_size=2))
    script.stable(2)
    refused = script.join()
    assert (refused.error, refused.joined.member_id) == (ErrorCode.group_max_size_reached, "")


def test_while_members_join_the_last_to_come_are_the_ones_refused() -> None:
    script = Script(GroupSettings(INITIAL_DELAY_MS, max_size=2))
    asks = [script.join() for _ in range(3)]
    script.pass_time(2 * INITIAL_DELAY_MS)
    assert [ask.error.name for ask in asks] == ["none", "none", "group_max_size_reached"]


def test_a_group_larger_than_a_lowered_maximum_loses_the_last_to_rejoin_at_once() -> None:
    script = Script()
    first, second, third = script.stable(3)
    script.group.settings = GroupSettings(INITIAL_DELAY_MS, max_size=2)
    asks = [script.join(first), script.join(second), script.join(third)]
    assert [ask.error.name for ask in asks] == ["none", "none", "group_max_size_reached"]
    assert set(script.group.members) == {first, second}


def test_a_dead_group_sends_members_to_look_for_the_coordinator_again() -> None:
    script = Script()
    bury(script.group, ErrorCode.not_coordinator, 0)
    assert script.join().error is ErrorCode.coordinator_not_available
    assert script.join("m").error is ErrorCode.coordinator_not_available


def test_a_follower_that_joins_a_stable_group_unchanged_is_told_the_generation_again() -> None:
    script = Script()
    _, follower = script.stable(2)
    again = script.join(follower)
    assert (again.joined.generation_id, again.joined.members) == (1, ())
    assert script.state is GroupState.STABLE


def test_the_leader_that_joins_a_stable_group_rebalances_it() -> None:
    script = Script()
    leader, follower = script.stable(2)
    again = script.join(leader)
    assert again.is_waiting
    assert script.heartbeat(follower) is ErrorCode.rebalance_in_progress
    script.join(follower)
    assert again.joined.generation_id == 2


def test_a_follower_that_changes_its_subscription_rebalances_the_group() -> None:
    script = Script()
    leader, follower = script.stable(2)
    changed = script.join(follower, protocols=[("range", subscription("other"))])
    leads = script.join(leader)
    assert changed.joined.generation_id == 2
    assert [member.metadata for member in leads.joined.members] == [subscription("t"), subscription("other")]


def test_a_member_that_missed_its_answer_gets_it_again_while_the_leader_assigns() -> None:
    script = Script()
    asks = [script.join(), script.join()]
    script.pass_time(2 * INITIAL_DELAY_MS)
    again = script.join(asks[0].joined.member_id)
    assert again.joined == asks[0].joined


def test_a_changed_member_restarts_the_rebalance_while_the_leader_assigns() -> None:
    script = Script()
    asks = [script.join(), script.join()]
    script.pass_time(2 * INITIAL_DELAY_MS)
    leader, follower = [ask.joined.member_id for ask in asks]
    waiting = script.sync(follower)
    script.join(leader, protocols=[("range", subscription("other"))])
    assert waiting.error is ErrorCode.rebalance_in_progress
    assert script.state is GroupState.PREPARING_REBALANCE


def test_a_new_member_rebalances_a_stable_group() -> None:
    script = Script()
    (leader,) = script.stable(1)
    new = script.join()
    assert script.heartbeat(leader) is ErrorCode.rebalance_in_progress
    again = script.join(leader)
    assert new.joined.generation_id == again.joined.generation_id == 2
    assert len(again.joined.members) == 2


def test_a_join_that_replaces_one_of_the_same_member_answers_the_older_one() -> None:
    script = Script()
    leader, _ = script.stable(2)
    older, newer = script.join(leader), script.join(leader)
    assert older.error is ErrorCode.rebalance_in_progress
    assert newer.is_waiting


def test_a_member_that_does_not_rejoin_in_time_is_out() -> None:
    script = Script()
    leader, follower = script.stable(2, version=3)
    again = script.join(leader)
    for _ in range(REBALANCE_MS // SESSION_MS):
        script.pass_time(SESSION_MS - 1)
        script.heartbeat(follower)
    script.pass_time(REBALANCE_MS // SESSION_MS)
    assert again.joined.generation_id == 2
    assert list(script.group.members) == [leader]


def test_another_member_leads_when_the_leader_does_not_rejoin() -> None:
    script = Script()
    leader, follower = script.stable(2)
    changed = script.join(follower, protocols=[("range", subscription("x"))])
    script.pass_time(SESSION_MS)
    assert changed.joined.leader == follower
    assert leader not in script.group.members


def test_a_new_member_that_never_gets_its_answer_is_out_after_five_minutes() -> None:
    script = Script()
    (leader,) = script.stable(1, version=3)
    new = script.join(rebalance_ms=1_000_000)
    for _ in range(40):
        script.pass_time(SESSION_MS - 1)
        script.heartbeat(leader)
    assert new.error is ErrorCode.unknown_member_id


def test_metadata_that_fits_into_no_record_is_refused_and_not_kept() -> None:
    script = Script()
    half = bytes(METADATA_BYTES_MAX // 2)
    assert script.join(protocols=(("range", half), ("roundrobin", half))).is_waiting
    refused = script.join(protocols=(("range", half), ("roundrobin", half + b"x")))
    assert refused.error is ErrorCode.invalid_request
    assert len(script.group.members) == 1
