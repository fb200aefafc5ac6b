"""The groups of one partition of `__consumer_offsets`, on the broker that leads it.

A thin shell: it finds the group, runs its rules, sends the answers, stores the records, sets the group's alarm. A
waiter is a future of the loop. Offsets and tombstones change state only once they are committed; the state of live
groups changes at once, and its record is stored before anybody is told of what depends on it.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any
from uuid import UUID

from kio.schema.errors import ErrorCode

from odradek.groups import joining, membership, syncing, validation
from odradek.groups.errors import for_client
from odradek.groups.group import ClassicGroup, GroupSettings
from odradek.groups.loading import Replay
from odradek.groups.offsets import Offsets
from odradek.groups.records import CommittedOffset, GroupKey, OffsetKey
from odradek.groups.state import GroupState
from odradek.groups.timers import Alarm, TimerHeap
from odradek.groups.vocabulary import (
    UNKNOWN_MEMBER_ID,
    Effects,
    EmptyStored,
    GroupMetadata,
    Instant,
    JoinRequest,
    JoinResult,
    LeavingMember,
    Stored,
    SyncRequest,
    SyncResult,
)
from odradek.groups.writer import Change, RecordWriter, Write, all_of, once
from odradek.host.pace import paced

logger = logging.getLogger(__name__)

GROUP_ID_NOT_FOUND_SINCE_COMMIT_VERSION = 9
WRITE_CHANGES_MAX = 500
"""Offsets stored together or not at all; a request may name more, and no turn of the loop stores them all."""

Answer = Callable[[ErrorCode], None]


def _ignore(_: ErrorCode) -> None:
    """Nobody waits for the answer; what could not be stored is tried again at the next round."""


class Shard:
    """Loading until `loaded` is called, then active until `close`."""

    def __init__(
        self,
        index: int,
        settings: GroupSettings,
        writer: RecordWriter,
        timers: TimerHeap,
        wall_ms: Callable[[], int],
    ) -> None:
        self.index = index
        self.error = ErrorCode.coordinator_load_in_progress
        """What every request is answered unless it is none."""
        self.groups: dict[str, ClassicGroup] = {}
        self.offsets = Offsets()
        self.writer = writer
        self._settings = settings
        self._timers = timers
        self._wall_ms = wall_ms
        self._alarms: dict[str, Alarm] = {}

    def now(self) -> Instant:
        return Instant(self._timers.now_ms(), self._wall_ms())

    # ---- life cycle

    async def loaded(self, replay: Replay) -> None:
        """Take over what the partition holds, in slices, and serve it once all of it is there.

        Until then, and when the shard was closed meanwhile, `error` keeps everybody away.
        """
        self.offsets = replay.offsets
        groups = {group.group_id: group async for group in paced(replay.groups(self._settings))}
        if not self._is_loading():
            return
        self.groups = groups
        async for group in paced(groups.values()):
            if not self._is_loading():
                return
            self._carry_out(group, membership.on_loaded(group, self.now()))
        self.error = ErrorCode.none

    def _is_loading(self) -> bool:
        return self.error is ErrorCode.coordinator_load_in_progress

    def close(self, error: ErrorCode) -> None:
        """Serve no more; everybody who waits is answered with the error."""
        self.error = error
        for group in self.groups.values():
            if group.state is not GroupState.DEAD:
                self._send(membership.bury(group, error, self._wall_ms()))
        self.writer.close(error)
        for alarm in self._alarms.values():
            alarm.cancel()
        self._alarms.clear()
        self.groups = {}

    # ---- members

    def join(self, request: JoinRequest, waiter: "asyncio.Future[JoinResult]") -> None:
        """A group comes into being with its first member; one that claims to be a member already is too late."""
        group = self.groups.get(request.group_id)
        if group is not None:
            self._carry_out(group, joining.join(group, request, waiter, self.now()))
        elif request.member_id != UNKNOWN_MEMBER_ID:
            waiter.set_result(JoinResult(ErrorCode.unknown_member_id, request.member_id))
        else:
            self._join_first(request, waiter)

    def _join_first(self, request: JoinRequest, waiter: "asyncio.Future[JoinResult]") -> None:
        now = self.now()
        group = ClassicGroup(request.group_id, self._settings, state_time_ms=now.wall_ms)
        self.groups[request.group_id] = group
        born = GroupMetadata("", 0, None, None, now.wall_ms, ())
        effects = joining.join(group, request, waiter, now)
        effects.store(born, EmptyStored(is_first=True))
        self._carry_out(group, effects)

    def sync(self, request: SyncRequest, waiter: "asyncio.Future[SyncResult]") -> None:
        group = self.groups.get(request.group_id)
        if group is None:
            waiter.set_result(SyncResult(ErrorCode.unknown_member_id))
        else:
            self._carry_out(group, syncing.sync(group, request, waiter, self.now()))

    def heartbeat(self, group_id: str, member_id: str, instance_id: str | None, generation_id: int) -> ErrorCode:
        group = self.groups.get(group_id)
        if group is None:
            return ErrorCode.unknown_member_id
        error = membership.heartbeat(group, member_id, instance_id, generation_id, self._timers.now_ms())
        self._set_alarm(group)
        return error

    def leave(self, group_id: str, leaving: Sequence[LeavingMember]) -> tuple[ErrorCode, list[ErrorCode]]:
        group = self.groups.get(group_id)
        if group is None:
            return ErrorCode.none, [ErrorCode.unknown_member_id] * len(leaving)
        error, errors, effects = membership.leave(group, leaving, self.now())
        self._carry_out(group, effects)
        return error, errors

    # ---- offsets

    def commit(
        self,
        group_id: str,
        member: tuple[str, str | None, int],
        version: int,
        commits: list[tuple[OffsetKey, CommittedOffset]],
        answer: Answer,
    ) -> None:
        """OffsetCommit by `member`: id, instance id, generation. Answered once the offsets are committed."""
        member_id, instance_id, generation_id = member
        group = self.groups.get(group_id)
        error = self._commit_error(group, member_id, instance_id, generation_id, version)
        if error is not ErrorCode.none or not commits:
            answer(error)
            return
        if group is not None and group.state in (GroupState.STABLE, GroupState.PREPARING_REBALANCE):
            known = group.members[member_id]
            group.extend(known, self._timers.now_ms(), known.session_timeout_ms)
            self._set_alarm(group)
        self._submit(commits, answer)

    def _commit_error(
        self, group: ClassicGroup | None, member_id: str, instance_id: str | None, generation_id: int, version: int
    ) -> ErrorCode:
        if group is not None:
            return validation.offset_commit(group, member_id, instance_id, generation_id)
        if generation_id < 0:
            return ErrorCode.none
        is_known_error = version >= GROUP_ID_NOT_FOUND_SINCE_COMMIT_VERSION
        return ErrorCode.group_id_not_found if is_known_error else ErrorCode.illegal_generation

    def delete_offsets(
        self, group_id: str, keys: Sequence[OffsetKey], answer: Callable[[ErrorCode, Any], None]
    ) -> None:
        """OffsetDelete; the second argument of `answer` is the topics that cannot go as the group reads them."""
        group = self.groups.get(group_id)
        error = ErrorCode.group_id_not_found if group is None else validation.offset_delete(group)
        if group is None or error is not ErrorCode.none:
            answer(error, frozenset())
            return
        subscribed = frozenset(key.topic for key in keys if group.is_subscribed_to(key.topic))
        going = [key for key in keys if key.topic not in subscribed and self.offsets.get(key) is not None]
        self._submit([(key, None) for key in going], lambda error: answer(error, subscribed))

    # ---- the end of groups and offsets

    def delete_group(self, group_id: str, answer: Answer) -> None:
        """DeleteGroups. The group is dead from now on, and gone once its tombstones are committed."""
        group = self.groups.get(group_id)
        error = ErrorCode.group_id_not_found if group is None else validation.delete(group)
        if group is None or error is not ErrorCode.none:
            answer(error)
            return
        keys = dict.fromkeys(self.offsets.keys_of_group(group_id))
        keys.update(
            (key, None) for key, _ in self.writer.pending() if isinstance(key, OffsetKey) and key[0] == group_id
        )
        self._bury(group, list(keys), answer)

    def expire(self, retention_ms: int) -> None:
        """Remove offsets past their retention, and empty groups that nothing keeps."""
        now_ms = self._wall_ms()
        busy = frozenset(key.group_id for key, _ in self.writer.pending())
        for group in [each for each in self.groups.values() if each.group_id not in busy]:
            expired, nothing_stays = self.offsets.expired(group, now_ms, retention_ms)
            if nothing_stays and group.state is GroupState.EMPTY and not group.pending_joins:
                self._bury(group, expired, _ignore)
            else:
                self._submit([(key, None) for key in expired], _ignore)

    def forget_topic(self, topic: str) -> None:
        """The topic was deleted: so are its offsets, also those on their way."""
        keys = dict.fromkeys(self.offsets.keys_of_topic(topic))
        keys.update(
            (key, None) for key, _ in self.writer.pending() if isinstance(key, OffsetKey) and key.topic == topic
        )
        self._submit([(key, None) for key in keys], _ignore)

    def forget_offsets(self, is_gone: Callable[[str, UUID | None], bool]) -> None:
        """Remove the offsets of topics that are gone: told by name and, where it was stored, id."""
        gone = [key for key, commit in self.offsets.items() if is_gone(key.topic, commit.topic_id)]
        self._submit([(key, None) for key in gone], _ignore)

    def _bury(self, group: ClassicGroup, keys: list[OffsetKey], answer: Answer) -> None:
        """The group is dead at once. Offsets go first where one write cannot take them all, so that none is left
        without its group; the group goes with the last of them, or lives on when some could not."""
        state_time_ms = group.state_time_ms
        self._send(membership.bury(group, ErrorCode.coordinator_not_available, state_time_ms))
        split = max(len(keys) - WRITE_CHANGES_MAX + 1, 0)
        last: list[Change] = [*((key, None) for key in keys[split:]), (GroupKey(group.group_id), None)]
        answered = once(lambda error: answer(for_client(error)))

        def settled(error: ErrorCode) -> None:
            if error is ErrorCode.none:
                self._apply(last)
            elif self.error is ErrorCode.none:
                membership.revive(group, state_time_ms)

        def first_settled(error: ErrorCode) -> None:
            if error is ErrorCode.none:
                self.writer.submit(Write(last, answered, settled))
            else:
                settled(error)

        if split:
            first = [(key, None) for key in keys[:split]]
            self._submit(first, lambda error: None if error is ErrorCode.none else answered(error), first_settled)
        else:
            self.writer.submit(Write(last, answered, settled))

    # ---- effects

    def _carry_out(self, group: ClassicGroup, effects: Effects) -> None:
        self._send(effects)
        for metadata, stored in effects.stores:
            key = GroupKey(group.group_id)
            self.writer.submit(Write([(key, metadata)], partial(self._on_stored, group, stored)))
        self._set_alarm(group)

    def _set_alarm(self, group: ClassicGroup) -> None:
        alarm = self._alarms.get(group.group_id)
        if alarm is None:
            alarm = self._alarms[group.group_id] = Alarm(self._timers, partial(self._wake, group.group_id))
        alarm.ring_by(group.wake_ms)

    def _send(self, effects: Effects) -> None:
        for waiter, result in effects.replies:
            assert isinstance(waiter, asyncio.Future)
            if not waiter.done():
                waiter.set_result(result)

    def _on_stored(self, group: ClassicGroup, stored: Stored, error: ErrorCode) -> None:
        if error is not ErrorCode.none:
            logger.warning("the record of group %s could not be stored: %s", group.group_id, error.name)
        if self.groups.get(group.group_id) is not group or group.state is GroupState.DEAD:
            return
        if isinstance(stored, EmptyStored) and stored.is_first and error is not ErrorCode.none:
            self._forget(group, for_client(error))
        else:
            self._carry_out(group, syncing.on_stored(group, stored, for_client(error), self.now()))

    def _forget(self, group: ClassicGroup, error: ErrorCode) -> None:
        """It could not be stored that the group exists, so it does not."""
        self._send(membership.bury(group, error, self._wall_ms()))
        self._remove(group.group_id)

    def _wake(self, group_id: str) -> None:
        group = self.groups.get(group_id)
        if group is None:
            return
        if group.wake_ms <= self._timers.now_ms():
            self._carry_out(group, membership.on_time(group, self.now()))
        else:
            self._set_alarm(group)

    def _submit(self, changes: Sequence[Any], answer: Answer, settled: Answer = _ignore) -> None:
        """Store offsets and tombstones of offsets, which count from when they are committed.

        More of them than WRITE_CHANGES_MAX go into several writes, submitted at once: whatever the group does next is
        stored behind all of them. Each is stored whole; the answer is that of the first which was not. `settled` is
        called when the fate of all is known, which may be long after the answer.
        """
        if not changes:
            answer(ErrorCode.none)
            return
        starts = range(0, len(changes), WRITE_CHANGES_MAX)
        chunks = [list(changes[start : start + WRITE_CHANGES_MAX]) for start in starts]
        answered = all_of(len(chunks), lambda error: answer(for_client(error)))
        all_settled = all_of(len(chunks), settled)
        for chunk in chunks:
            self.writer.submit(Write(chunk, answered, partial(self._settled, chunk, all_settled)))

    def _settled(self, changes: Sequence[Change], settled: Answer, error: ErrorCode) -> None:
        if error is ErrorCode.none:
            self._apply(changes)
        settled(error)

    def _apply(self, changes: Sequence[Change]) -> None:
        for key, value in changes:
            if isinstance(key, GroupKey):
                self._remove(key.group_id)
            elif isinstance(value, CommittedOffset):
                self.offsets.put(key, value)
                if key.group_id not in self.groups:
                    self.groups[key.group_id] = ClassicGroup(key.group_id, self._settings)
            else:
                self.offsets.remove(key)

    def _remove(self, group_id: str) -> None:
        self.groups.pop(group_id, None)
        alarm = self._alarms.pop(group_id, None)
        if alarm is not None:
            alarm.cancel()
