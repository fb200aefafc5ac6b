"""SyncGroup, and what follows once a group's record is stored or could not be."""

from kio.schema.errors import ErrorCode

from odradek.groups import rebalancing
from odradek.groups.group import ClassicGroup
from odradek.groups.member import NEVER_MS
from odradek.groups.state import GroupState
from odradek.groups.vocabulary import (
    UNKNOWN_MEMBER_ID,
    AssignmentStored,
    Effects,
    Instant,
    JoinResult,
    StaticMemberStored,
    Stored,
    SyncRequest,
    SyncResult,
    Waiter,
)


def sync(group: ClassicGroup, request: SyncRequest, waiter: Waiter, now: Instant) -> Effects:
    """One SyncGroup request. The leader's assignment is stored before anybody gets it.

    Errors: COORDINATOR_NOT_AVAILABLE, UNKNOWN_MEMBER_ID, FENCED_INSTANCE_ID, ILLEGAL_GENERATION,
    INCONSISTENT_GROUP_PROTOCOL, REBALANCE_IN_PROGRESS.
    """
    effects = Effects()
    error = _refusal(group, request)
    if error is not ErrorCode.none:
        effects.reply(waiter, SyncResult(error))
        return effects
    member = group.members[request.member_id]
    group.pending_syncs.pop(member.member_id, None)
    if not group.pending_syncs:
        group.sync_deadline_ms = NEVER_MS
    if group.state is GroupState.STABLE:
        effects.reply(waiter, _assignment_of(group, member.assignment))
        return effects
    group.park_sync(member, waiter, effects)
    if group.leader == member.member_id and group.storing_generation_id != group.generation_id:
        group.storing_generation_id = group.generation_id
        assignments = {each: request.assignments.get(each, b"") for each in group.members}
        stored = AssignmentStored(group.generation_id, member.member_id, assignments)
        effects.store(group.metadata(assignments), stored)
    return effects


def _refusal(group: ClassicGroup, request: SyncRequest) -> ErrorCode:
    if group.state is GroupState.DEAD:
        return ErrorCode.coordinator_not_available
    error = group.validate(request.member_id, request.instance_id)
    if error is not ErrorCode.none:
        return error
    if request.generation_id != group.generation_id:
        return ErrorCode.illegal_generation
    if _differs(request.protocol_type, group.protocol_type) or _differs(request.protocol_name, group.protocol_name):
        return ErrorCode.inconsistent_group_protocol
    if group.state is GroupState.PREPARING_REBALANCE:
        return ErrorCode.rebalance_in_progress
    return ErrorCode.none


def _differs(asked: str | None, present: str | None) -> bool:
    """Versions before 5 do not say."""
    return asked is not None and present is not None and asked != present


def _assignment_of(group: ClassicGroup, assignment: bytes) -> SyncResult:
    return SyncResult(ErrorCode.none, group.protocol_type, group.protocol_name, assignment)


def on_stored(group: ClassicGroup, stored: Stored, error: ErrorCode, now: Instant) -> Effects:
    """A record of the group was stored (error none) or could not be; the error is one for clients."""
    effects = Effects()
    if isinstance(stored, AssignmentStored):
        _on_assignment(group, stored, error, now, effects)
    elif isinstance(stored, StaticMemberStored):
        _on_static_member(group, stored, error, now, effects)
    return effects


def _on_assignment(
    group: ClassicGroup, stored: AssignmentStored, error: ErrorCode, now: Instant, effects: Effects
) -> None:
    """Only if the group still waits for just this: it may have begun another rebalance meanwhile."""
    if group.state is not GroupState.COMPLETING_REBALANCE or group.generation_id != stored.generation_id:
        return
    if error is not ErrorCode.none:
        rebalancing.answer_syncs_with_error(group, error, now, effects)
        rebalancing.prepare(group, now, effects)
        return
    for member in group.members.values():
        member.assignment = stored.assignments.get(member.member_id, b"")
        if group.answer_sync(member, _assignment_of(group, member.assignment), effects):
            group.extend(member, now.loop_ms, member.session_timeout_ms)
    group.transition(GroupState.STABLE, now.wall_ms)


def _on_static_member(
    group: ClassicGroup, stored: StaticMemberStored, error: ErrorCode, now: Instant, effects: Effects
) -> None:
    """Tell the member it can go on, or go back to its old id. A rebalance begun meanwhile answers it instead."""
    member = group.members.get(stored.new_member_id)
    if member is None or group.state is not GroupState.STABLE:
        return
    if error is ErrorCode.none:
        group.answer_join(member, _generation_without_rebalance(group, stored), effects)
        return
    group.update(member, stored.old_protocols, stored.old_rebalance_timeout_ms, stored.old_session_timeout_ms)
    group.answer_join(member, JoinResult(error, UNKNOWN_MEMBER_ID, group.generation_id), effects)
    group.rename(stored.instance_id, stored.new_member_id, stored.old_member_id)
    group.extend(member, now.loop_ms, member.session_timeout_ms)


def _generation_without_rebalance(group: ClassicGroup, stored: StaticMemberStored) -> JoinResult:
    """A returning leader is told to skip assignment (KIP-814); one too old for that is told it does not lead."""
    is_leader = stored.skips_assignment and group.leader == stored.new_member_id
    return JoinResult(
        ErrorCode.none,
        stored.new_member_id,
        group.generation_id,
        group.protocol_type,
        group.protocol_name,
        (group.leader or "") if stored.skips_assignment else stored.old_leader,
        skip_assignment=is_leader,
        members=group.joined_members() if is_leader else (),
    )
