"""JoinGroup: who may join, under which id, and what a join sets off."""

from kio.schema.errors import ErrorCode

from odradek.groups import rebalancing
from odradek.groups.group import ClassicGroup
from odradek.groups.member import Member
from odradek.groups.state import GroupState
from odradek.groups.vocabulary import (
    UNKNOWN_MEMBER_ID,
    Effects,
    Instant,
    JoinRequest,
    JoinResult,
    StaticMemberStored,
    SyncResult,
    Waiter,
)

PENDING_JOINS_MAX = 10_000
"""Member ids a group may have handed out that nobody has joined with yet."""

METADATA_BYTES_MAX = 1 << 20
"""Of one member, for all its protocols together: what is larger fits into no record of the group."""


def join(group: ClassicGroup, request: JoinRequest, waiter: Waiter, now: Instant) -> Effects:
    """One JoinGroup request. It is answered in the effects, or later, when the join phase ends.

    Errors: COORDINATOR_NOT_AVAILABLE, INVALID_REQUEST, GROUP_MAX_SIZE_REACHED, INCONSISTENT_GROUP_PROTOCOL,
    MEMBER_ID_REQUIRED, UNKNOWN_MEMBER_ID, FENCED_INSTANCE_ID.
    """
    effects = Effects()
    error = _refusal(group, request)
    if error is ErrorCode.group_max_size_reached:
        effects.reply(waiter, JoinResult(error, UNKNOWN_MEMBER_ID))
        _shut_out(group, request.member_id, now, effects)
    elif error is not ErrorCode.none:
        effects.reply(waiter, JoinResult(error, request.member_id))
    elif request.member_id == UNKNOWN_MEMBER_ID:
        _join_new(group, request, waiter, now, effects)
    elif request.member_id in group.pending_joins and request.instance_id is None:
        _add(group, request, request.member_id, waiter, now, effects)
    else:
        _join_known(group, request, waiter, now, effects)
    return effects


def _refusal(group: ClassicGroup, request: JoinRequest) -> ErrorCode:
    if group.state is GroupState.DEAD:
        return ErrorCode.coordinator_not_available
    if sum(len(metadata) for _, metadata in request.protocols) > METADATA_BYTES_MAX:
        return ErrorCode.invalid_request
    if not _has_room(group, request.member_id):
        return ErrorCode.group_max_size_reached
    if not group.supports(request.protocol_type, [name for name, _ in request.protocols]):
        return ErrorCode.inconsistent_group_protocol
    return ErrorCode.none


def _has_room(group: ClassicGroup, member_id: str) -> bool:
    """While members join those already waiting count, so that the last to come are the ones refused."""
    member = group.members.get(member_id)
    if member is None and len(group.pending_joins) >= PENDING_JOINS_MAX and member_id not in group.pending_joins:
        return False
    if group.state is GroupState.EMPTY:
        return True
    if group.state is GroupState.PREPARING_REBALANCE:
        is_waiting = member is not None and member.joining is not None
        return is_waiting or group.awaiting_joins < group.settings.max_size
    return member is not None or len(group.members) < group.settings.max_size


def _shut_out(group: ClassicGroup, member_id: str, now: Instant, effects: Effects) -> None:
    """A member of a group that has become too large comes too late and is out; nobody waits for it."""
    member = group.members.get(member_id)
    if member is not None:
        group.answer_join(member, JoinResult(ErrorCode.group_max_size_reached, UNKNOWN_MEMBER_ID), effects)
    group.remove(member_id)
    rebalancing.complete_if_all_joined(group, now, effects)


def _join_new(group: ClassicGroup, request: JoinRequest, waiter: Waiter, now: Instant, effects: Effects) -> None:
    if request.instance_id is not None and request.instance_id in group.static_members:
        _replace_static(group, request, request.instance_id, waiter, now, effects)
    elif request.instance_id is None and request.requires_known_member_id:
        deadline_ms = now.loop_ms + request.session_timeout_ms
        group.pending_joins[request.new_member_id] = deadline_ms
        group.wake_by(deadline_ms)
        effects.reply(waiter, JoinResult(ErrorCode.member_id_required, request.new_member_id))
    else:
        _add(group, request, request.new_member_id, waiter, now, effects)


def _add(
    group: ClassicGroup, request: JoinRequest, member_id: str, waiter: Waiter, now: Instant, effects: Effects
) -> None:
    if group.state is GroupState.PREPARING_REBALANCE and group.previous_state is GroupState.EMPTY:
        group.new_member_added = True
    member = Member(
        member_id,
        request.instance_id,
        request.client_id,
        request.client_host,
        request.rebalance_timeout_ms,
        request.session_timeout_ms,
        request.protocol_type,
        request.protocols,
        is_new=True,
        joining=waiter,
    )
    member.deadline_ms = now.loop_ms + group.settings.new_member_join_timeout_ms
    group.add(member)
    rebalancing.rebalance_or_complete(group, now, effects)


def _join_known(group: ClassicGroup, request: JoinRequest, waiter: Waiter, now: Instant, effects: Effects) -> None:
    error = group.validate(request.member_id, request.instance_id)
    if error is not ErrorCode.none or group.state is GroupState.EMPTY:
        error = error if error is not ErrorCode.none else ErrorCode.unknown_member_id
        effects.reply(waiter, JoinResult(error, request.member_id))
        return
    member = group.members[request.member_id]
    if _changes_nothing(group, member, request):
        effects.reply(waiter, rebalancing.generation_of(group, member))
        return
    group.update(member, request.protocols, request.rebalance_timeout_ms, request.session_timeout_ms)
    group.park_join(member, waiter, effects)
    rebalancing.rebalance_or_complete(group, now, effects)


def _changes_nothing(group: ClassicGroup, member: Member, request: JoinRequest) -> bool:
    """The member may have missed its answer: it is given again. A stable group's leader joins to rebalance."""
    is_same = member.protocols == request.protocols
    if group.state is GroupState.STABLE:
        return is_same and group.leader != member.member_id
    return group.state is GroupState.COMPLETING_REBALANCE and is_same


def _replace_static(
    group: ClassicGroup, request: JoinRequest, instance_id: str, waiter: Waiter, now: Instant, effects: Effects
) -> None:
    """A static member is back under a new id (KIP-345). A stable group goes on if its protocol stays the same."""
    old_id, old_leader = group.static_members[instance_id], group.leader or ""
    member = group.members[old_id]
    before = (member.protocols, member.rebalance_timeout_ms, member.session_timeout_ms)
    _fence(group, member, effects)
    group.rename(instance_id, old_id, request.new_member_id)
    group.extend(member, now.loop_ms, member.session_timeout_ms)
    group.update(member, request.protocols, request.rebalance_timeout_ms, request.session_timeout_ms)
    group.park_join(member, waiter, effects)
    if group.state is GroupState.STABLE and group.select_protocol() == group.protocol_name:
        skips = request.supports_skipping_assignment
        ids = (instance_id, request.new_member_id, old_id, old_leader)
        stored = StaticMemberStored(*ids, *before, waiter, skips)
        effects.store(group.metadata({m.member_id: m.assignment for m in group.members.values()}), stored)
    elif group.state is GroupState.PREPARING_REBALANCE:
        rebalancing.complete_if_all_joined(group, now, effects)
    else:
        rebalancing.prepare(group, now, effects)


def _fence(group: ClassicGroup, member: Member, effects: Effects) -> None:
    """Whoever still waits under the old id is told that it has a successor."""
    group.answer_join(member, JoinResult(ErrorCode.fenced_instance_id, member.member_id), effects)
    group.answer_sync(member, SyncResult(ErrorCode.fenced_instance_id), effects)
