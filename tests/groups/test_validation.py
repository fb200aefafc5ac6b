"""Who may commit, and what may be deleted."""

import pytest
from kio.schema.errors import ErrorCode

from odradek.groups import membership, validation
from tests.groups.script import INITIAL_DELAY_MS, Script


def commit(script: Script, member_id: str = "", generation_id: int = -1, instance: str | None = None) -> str:
    return validation.offset_commit(script.group, member_id, instance, generation_id).name


def test_members_commit_in_their_generation() -> None:
    script = Script()
    (member,) = script.stable(1)
    assert commit(script, member, 1) == "none"
    assert commit(script, member, 0) == "illegal_generation"
    assert commit(script, member, -1) == "illegal_generation"
    assert commit(script, "stranger", 1) == "unknown_member_id"


def test_static_members_are_fenced() -> None:
    script = Script()
    (old,) = script.stable(1, instances=True)
    script.join(instance="i0", version=9)
    assert commit(script, old, 1, "i0") == "fenced_instance_id"
    assert commit(script, old, 1, "i9") == "unknown_member_id"


def test_clients_outside_of_any_generation_commit_only_while_the_group_is_empty() -> None:
    script = Script()
    assert commit(script) == "none"
    assert commit(script, "whoever") == "none"
    script.stable(1)
    assert commit(script) == "unknown_member_id"


def test_members_commit_while_others_join_but_not_before_the_assignment_is_there() -> None:
    script = Script()
    leader, follower = script.stable(2)
    script.join(leader)
    assert commit(script, follower, 1) == "none"
    script.join(follower)
    assert commit(script, follower, 1) == "illegal_generation"
    assert commit(script, follower, 2) == "rebalance_in_progress"


def test_nobody_commits_to_a_dead_group() -> None:
    script = Script()
    membership.bury(script.group, ErrorCode.not_coordinator, 0)
    assert commit(script) == "coordinator_not_available"
    assert validation.offset_delete(script.group) is ErrorCode.group_id_not_found
    assert validation.delete(script.group) is ErrorCode.group_id_not_found


@pytest.mark.parametrize(("protocol_type", "error"), [("consumer", "none"), ("connect", "non_empty_group")])
def test_offsets_of_a_busy_group_are_deleted_only_where_subscriptions_are_known(protocol_type: str, error: str) -> None:
    script = Script()
    script.join(protocol_type=protocol_type)
    assert validation.offset_delete(script.group).name == error
    script.pass_time(INITIAL_DELAY_MS)
    assert validation.offset_delete(script.group).name == error


def test_only_an_empty_group_is_deleted() -> None:
    script = Script()
    assert validation.delete(script.group) is ErrorCode.none
    members = script.stable(1)
    assert validation.delete(script.group) is ErrorCode.non_empty_group
    script.leave(*members)
    assert validation.delete(script.group) is ErrorCode.none
