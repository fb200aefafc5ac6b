"""The join phase: when it starts, how long it waits, and what its end brings about."""

from kio.schema.errors import ErrorCode

from odradek.groups.group import ClassicGroup, JoinTimer
from odradek.groups.member import NEVER_MS, Member
from odradek.groups.state import GroupState
from odradek.groups.vocabulary import Effects, EmptyStored, Instant, JoinResult, SyncResult


def rebalance_or_complete(group: ClassicGroup, now: Instant, effects: Effects) -> None:
    """Membership changed: start a rebalance, or see whether the running one can end."""
    if group.can_rebalance:
        prepare(group, now, effects)
    else:
        complete_if_all_joined(group, now, effects)


def prepare(group: ClassicGroup, now: Instant, effects: Effects) -> None:
    """Enter the join phase. Members that wait for an assignment are told to join again."""
    if group.state is GroupState.COMPLETING_REBALANCE:
        answer_syncs_with_error(group, ErrorCode.rebalance_in_progress, now, effects)
    group.pending_syncs.clear()
    group.sync_deadline_ms = NEVER_MS
    is_initial = group.state is GroupState.EMPTY
    group.transition(GroupState.PREPARING_REBALANCE, now.wall_ms)
    if is_initial:
        _start_initial_delay(group, now)
    elif group.all_joined:
        complete(group, now, effects)
    else:
        _start_timer(group, now)


def complete_if_all_joined(group: ClassicGroup, now: Instant, effects: Effects) -> None:
    """End the join phase early. An initial rebalance always waits for its delay."""
    is_joining = group.state is GroupState.PREPARING_REBALANCE
    if is_joining and group.previous_state is not GroupState.EMPTY and group.all_joined:
        complete(group, now, effects)


def complete(group: ClassicGroup, now: Instant, effects: Effects) -> None:
    """The join phase ends: dynamic members that did not come are out, a new generation forms.

    Static members stay until their session ends. If nobody at all has come, wait for another rebalance timeout.
    """
    group.join_timer = None
    absent = [m.member_id for m in group.members.values() if m.joining is None and not m.is_static]
    for member_id in absent:
        group.remove(member_id)
    if group.members and not _elect_leader(group):
        _start_timer(group, now)
        return
    group.next_generation(now.wall_ms)
    if group.state is GroupState.EMPTY:
        effects.store(group.metadata({}), EmptyStored())
    else:
        _announce_generation(group, now, effects)


def on_join_timer(group: ClassicGroup, now: Instant, effects: Effects) -> None:
    """Its deadline has passed. While new members keep coming an initial rebalance waits on, up to its bound."""
    timer = group.join_timer
    if timer is None or group.state is not GroupState.PREPARING_REBALANCE:
        group.join_timer = None
    elif timer.is_initial and group.new_member_added and timer.remaining_ms:
        group.new_member_added = False
        delay_ms = min(group.settings.initial_rebalance_delay_ms, timer.remaining_ms)
        remaining_ms = max(timer.remaining_ms - timer.delay_ms, 0)
        _set_timer(group, JoinTimer(now.loop_ms + delay_ms, True, delay_ms, remaining_ms))
    else:
        complete(group, now, effects)


def on_sync_timer(group: ClassicGroup, now: Instant, effects: Effects) -> None:
    """Members of the generation that never asked for their assignment are out (KAFKA-13435)."""
    group.sync_deadline_ms = NEVER_MS
    if group.state not in (GroupState.COMPLETING_REBALANCE, GroupState.STABLE) or not group.pending_syncs:
        return
    for member_id in list(group.pending_syncs):
        group.remove(member_id)
    prepare(group, now, effects)


def answer_syncs_with_error(group: ClassicGroup, error: ErrorCode, now: Instant, effects: Effects) -> None:
    """No assignment comes in this generation."""
    for member in group.members.values():
        member.assignment = b""
        if group.answer_sync(member, SyncResult(error), effects):
            group.extend(member, now.loop_ms, member.session_timeout_ms)


def _announce_generation(group: ClassicGroup, now: Instant, effects: Effects) -> None:
    for member in group.members.values():
        group.answer_join(member, generation_of(group, member), effects)
        group.extend(member, now.loop_ms, member.session_timeout_ms)
        member.is_new = False
        group.pending_syncs[member.member_id] = None
    group.sync_deadline_ms = now.loop_ms + group.rebalance_timeout_ms
    group.wake_by(group.sync_deadline_ms)


def generation_of(group: ClassicGroup, member: Member) -> JoinResult:
    """The successful answer to a join: the present generation, with the members for its leader."""
    is_leader = group.leader == member.member_id
    return JoinResult(
        ErrorCode.none,
        member.member_id,
        group.generation_id,
        group.protocol_type,
        group.protocol_name,
        group.leader or "",
        members=group.joined_members() if is_leader else (),
    )


def _elect_leader(group: ClassicGroup) -> bool:
    """Keep the leader if it came; else the first member that did. False when none did."""
    leader = group.members.get(group.leader or "")
    if leader is not None and leader.joining is not None:
        return True
    joined = next((m.member_id for m in group.members.values() if m.joining is not None), None)
    if joined is not None:
        group.leader = joined
    return joined is not None


def _start_initial_delay(group: ClassicGroup, now: Instant) -> None:
    delay_ms = group.settings.initial_rebalance_delay_ms
    remaining_ms = max(group.rebalance_timeout_ms - delay_ms, 0)
    group.new_member_added = False
    _set_timer(group, JoinTimer(now.loop_ms + delay_ms, True, delay_ms, remaining_ms))


def _start_timer(group: ClassicGroup, now: Instant) -> None:
    _set_timer(group, JoinTimer(now.loop_ms + group.rebalance_timeout_ms))


def _set_timer(group: ClassicGroup, timer: JoinTimer) -> None:
    group.join_timer = timer
    group.wake_by(timer.deadline_ms)
