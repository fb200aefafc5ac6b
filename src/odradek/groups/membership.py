"""How members stay in a group and leave it: heartbeats, LeaveGroup, deadlines, the end of the group."""

from collections.abc import Sequence

from kio.schema.errors import ErrorCode

from odradek.groups import rebalancing
from odradek.groups.group import ClassicGroup
from odradek.groups.member import NEVER_MS, Member
from odradek.groups.state import GroupState
from odradek.groups.vocabulary import (
    UNKNOWN_MEMBER_ID,
    Effects,
    Instant,
    JoinResult,
    LeavingMember,
    SyncResult,
)


def heartbeat(
    group: ClassicGroup, member_id: str, instance_id: str | None, generation_id: int, now_ms: int
) -> ErrorCode:
    """none, COORDINATOR_NOT_AVAILABLE, UNKNOWN_MEMBER_ID, FENCED_INSTANCE_ID, ILLEGAL_GENERATION or
    REBALANCE_IN_PROGRESS, which asks the member to join again and keeps its session too."""
    if group.state is GroupState.DEAD:
        return ErrorCode.coordinator_not_available
    error = group.validate(member_id, instance_id)
    if error is not ErrorCode.none:
        return error
    if generation_id != group.generation_id:
        return ErrorCode.illegal_generation
    member = group.members[member_id]
    group.extend(member, now_ms, member.session_timeout_ms)
    if group.state is GroupState.PREPARING_REBALANCE:
        return ErrorCode.rebalance_in_progress
    return ErrorCode.none


def leave(
    group: ClassicGroup, leaving: Sequence[LeavingMember], now: Instant
) -> tuple[ErrorCode, list[ErrorCode], Effects]:
    """LeaveGroup: the error of all, each member's error, and what follows. One rebalance for all who leave."""
    effects = Effects()
    if group.state is GroupState.DEAD:
        return ErrorCode.coordinator_not_available, [], effects
    errors = [_leave_one(group, each, effects) for each in leaving]
    if ErrorCode.none in errors:
        if group.state in (GroupState.STABLE, GroupState.COMPLETING_REBALANCE):
            rebalancing.prepare(group, now, effects)
        else:
            rebalancing.complete_if_all_joined(group, now, effects)
    return ErrorCode.none, errors, effects


def _leave_one(group: ClassicGroup, leaving: LeavingMember, effects: Effects) -> ErrorCode:
    member_id = leaving.member_id
    if member_id == UNKNOWN_MEMBER_ID:
        found = group.static_members.get(leaving.instance_id) if leaving.instance_id is not None else None
        if found is None:
            return ErrorCode.unknown_member_id
        member_id = found
    elif member_id not in group.pending_joins:
        error = group.validate(member_id, leaving.instance_id)
        if error is not ErrorCode.none:
            return error
    _remove(group, member_id, effects)
    return ErrorCode.none


def _remove(group: ClassicGroup, member_id: str, effects: Effects) -> None:
    """Whatever the member waits for is answered: if it is still there after all, it will join as a new one."""
    member = group.members.get(member_id)
    if member is not None:
        group.answer_join(member, JoinResult(ErrorCode.unknown_member_id, UNKNOWN_MEMBER_ID), effects)
        group.answer_sync(member, SyncResult(ErrorCode.unknown_member_id), effects)
    group.remove(member_id)


def on_time(group: ClassicGroup, now: Instant) -> Effects:
    """Act on every deadline that has passed, and set `wake_ms` to the next one."""
    effects = Effects()
    if group.state is not GroupState.DEAD:
        _expire_pending_joins(group, now, effects)
        _expire_members(group, now, effects)
        if group.join_timer is not None and group.join_timer.deadline_ms <= now.loop_ms:
            rebalancing.on_join_timer(group, now, effects)
        if group.sync_deadline_ms <= now.loop_ms:
            rebalancing.on_sync_timer(group, now, effects)
    group.wake_ms = group.earliest_deadline_ms() if group.state is not GroupState.DEAD else NEVER_MS
    return effects


def _expire_pending_joins(group: ClassicGroup, now: Instant, effects: Effects) -> None:
    expired = [member_id for member_id, deadline_ms in group.pending_joins.items() if deadline_ms <= now.loop_ms]
    for member_id in expired:
        group.remove(member_id)
        _complete_without_delay(group, now, effects)


def _expire_members(group: ClassicGroup, now: Instant, effects: Effects) -> None:
    expired = [member for member in group.members.values() if member.deadline_ms <= now.loop_ms]
    for member in expired:
        if member.is_alive_by_waiting:
            # Answering it sets a new deadline.
            member.deadline_ms = NEVER_MS
        elif group.members.get(member.member_id) is member:
            _expire_member(group, member, now, effects)


def _expire_member(group: ClassicGroup, member: Member, now: Instant, effects: Effects) -> None:
    _remove(group, member.member_id, effects)
    if group.state in (GroupState.STABLE, GroupState.COMPLETING_REBALANCE):
        rebalancing.prepare(group, now, effects)
    else:
        _complete_without_delay(group, now, effects)


def _complete_without_delay(group: ClassicGroup, now: Instant, effects: Effects) -> None:
    """Unlike a leave, an expiry also ends an initial rebalance that everybody else has joined."""
    if group.state is GroupState.PREPARING_REBALANCE and group.all_joined:
        rebalancing.complete(group, now, effects)


def on_loaded(group: ClassicGroup, now: Instant) -> Effects:
    """The group was read from its partition: members get a whole session to show up at the new coordinator."""
    effects = Effects()
    for member in group.members.values():
        group.extend(member, now.loop_ms, member.session_timeout_ms)
    if len(group.members) > group.settings.max_size:
        rebalancing.prepare(group, now, effects)
    return effects


def bury(group: ClassicGroup, error: ErrorCode, wall_ms: int) -> Effects:
    """Its coordinator has gone, or a tombstone is about to be stored: answer whoever still waits."""
    effects = Effects()
    for member in group.members.values():
        group.answer_join(member, JoinResult(error, member.member_id), effects)
        group.answer_sync(member, SyncResult(error), effects)
    group.transition(GroupState.DEAD, wall_ms)
    group.wake_ms = NEVER_MS
    return effects


def revive(group: ClassicGroup, state_time_ms: int) -> None:
    """The tombstone of an empty group could not be stored: it is as it was."""
    group.transition(GroupState.EMPTY, state_time_ms)
