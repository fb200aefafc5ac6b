"""A group driven by a script: requests in, virtual time, storage that succeeds, fails or takes its time."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import count

from kio.schema.errors import ErrorCode

from odradek.groups import joining, membership, syncing
from odradek.groups.group import ClassicGroup, GroupSettings
from odradek.groups.member import NEVER_MS
from odradek.groups.state import GroupState
from odradek.groups.vocabulary import (
    Effects,
    GroupMetadata,
    Instant,
    JoinRequest,
    JoinResult,
    LeavingMember,
    Stored,
    SyncRequest,
    SyncResult,
)

WALL_MS = 1_700_000_000_000
SESSION_MS = 10_000
REBALANCE_MS = 60_000
INITIAL_DELAY_MS = 3_000


def subscription(*topics: str) -> bytes:
    """ConsumerProtocolSubscription, version 0, without user data."""
    body = b"".join(len(topic).to_bytes(2, "big") + topic.encode() for topic in topics)
    return b"\x00\x00" + len(topics).to_bytes(4, "big") + body + b"\xff\xff\xff\xff"


@dataclass(eq=False)
class Ask:
    """A request on its way; `joined` and `synced` raise while it is not answered."""

    member_id: str = ""
    result: JoinResult | SyncResult | None = None

    @property
    def is_waiting(self) -> bool:
        return self.result is None

    @property
    def error(self) -> ErrorCode:
        assert self.result is not None, "not answered yet"
        return self.result.error

    @property
    def joined(self) -> JoinResult:
        assert isinstance(self.result, JoinResult), "not answered yet"
        return self.result

    @property
    def synced(self) -> SyncResult:
        assert isinstance(self.result, SyncResult), "not answered yet"
        return self.result


class Script:
    """`stores` is True: records are stored at once; False: they wait for `store`."""

    def __init__(self, settings: GroupSettings | None = None, group: ClassicGroup | None = None) -> None:
        self.settings = settings or GroupSettings(INITIAL_DELAY_MS)
        self.group = group or ClassicGroup("g", self.settings)
        self.now_ms = 1_000
        self.stores = True
        self.held: list[tuple[GroupMetadata, Stored]] = []
        self.log: list[GroupMetadata] = []
        self._ids = count(1)

    @property
    def now(self) -> Instant:
        return Instant(self.now_ms, WALL_MS + self.now_ms)

    @property
    def state(self) -> GroupState:
        return self.group.state

    def join(
        self,
        member_id: str = "",
        *,
        instance: str | None = None,
        protocols: Iterable[tuple[str, bytes]] = (("range", subscription("t")),),
        protocol_type: str = "consumer",
        session_ms: int = SESSION_MS,
        rebalance_ms: int = REBALANCE_MS,
        version: int = 3,
    ) -> Ask:
        """Versions before 4 join at once; from 4 on a new member is first told its id."""
        ask = Ask(member_id)
        request = JoinRequest(
            "g",
            member_id,
            f"{instance or 'member'}-{next(self._ids)}",
            instance,
            "client",
            "/127.0.0.1",
            session_ms,
            rebalance_ms,
            protocol_type,
            tuple(protocols),
            "",
            version >= 4,
            version >= 9,
        )
        self.carry_out(joining.join(self.group, request, ask, self.now))
        return ask

    def sync(
        self,
        member_id: str,
        assignments: dict[str, bytes] | None = None,
        *,
        generation: int | None = None,
        instance: str | None = None,
        protocol_type: str | None = None,
        protocol_name: str | None = None,
    ) -> Ask:
        ask = Ask(member_id)
        generation = self.group.generation_id if generation is None else generation
        request = SyncRequest("g", member_id, instance, generation, protocol_type, protocol_name, assignments or {})
        self.carry_out(syncing.sync(self.group, request, ask, self.now))
        return ask

    def heartbeat(self, member_id: str, *, instance: str | None = None, generation: int | None = None) -> ErrorCode:
        generation = self.group.generation_id if generation is None else generation
        error = membership.heartbeat(self.group, member_id, instance, generation, self.now_ms)
        self.check()
        return error

    def leave(self, *members: str | LeavingMember) -> list[ErrorCode]:
        leaving = [LeavingMember(each) if isinstance(each, str) else each for each in members]
        error, errors, effects = membership.leave(self.group, leaving, self.now)
        assert error is ErrorCode.none
        self.carry_out(effects)
        return errors

    def pass_time(self, duration_ms: int) -> None:
        """Waking the group whenever it asks to be."""
        end_ms = self.now_ms + duration_ms
        while self.group.wake_ms <= end_ms:
            self.now_ms = max(self.now_ms, self.group.wake_ms)
            self.carry_out(membership.on_time(self.group, self.now))
        self.now_ms = end_ms

    def store(self, error: ErrorCode = ErrorCode.none) -> None:
        """What was held is stored now, or fails with the error."""
        held, self.held = self.held, []
        for metadata, stored in held:
            if error is ErrorCode.none:
                self.log.append(metadata)
            self.carry_out(syncing.on_stored(self.group, stored, error, self.now))

    def carry_out(self, effects: Effects) -> None:
        for ask, result in effects.replies:
            assert isinstance(ask, Ask)
            assert ask.is_waiting, "a request is answered once"
            ask.result = result
        self.held += effects.stores
        self.check()
        if self.stores and self.held:
            self.store()

    def check(self) -> None:
        """What holds after every step."""
        group = self.group
        members = group.members
        assert group.awaiting_joins == sum(member.joining is not None for member in members.values())
        assert group.wake_ms <= group.earliest_deadline_ms() or group.state is GroupState.DEAD
        assert all(member_id == member.member_id for member_id, member in members.items())
        assert group.leader is None or group.leader in members
        assert set(group.pending_syncs) <= set(members)
        assert not set(group.pending_joins) & set(members)
        static = {member.instance_id: member.member_id for member in members.values() if member.is_static}
        assert group.static_members == static
        if group.state is GroupState.EMPTY:
            assert not members
        if group.state is GroupState.PREPARING_REBALANCE:
            assert group.join_timer is not None
            assert not any(member.syncing for member in members.values())
        if group.state is GroupState.STABLE:
            assert not any(member.syncing for member in members.values())
        if group.state in (GroupState.COMPLETING_REBALANCE, GroupState.STABLE):
            assert members
            assert group.protocol_name is not None
        for member in members.values():
            if group.state is not GroupState.DEAD and not member.is_alive_by_waiting:
                assert member.deadline_ms < NEVER_MS

    # ---- common beginnings

    def stable(self, size: int, *, instances: bool = False, version: int = 3) -> list[str]:
        """A stable group of that many members; their ids, the leader first."""
        asks = [self.join(instance=f"i{n}" if instances else None, version=version) for n in range(size)]
        self.pass_time(self.settings.initial_rebalance_delay_ms)
        while any(ask.is_waiting for ask in asks):
            self.pass_time(self.settings.initial_rebalance_delay_ms)
        ids = [ask.joined.member_id for ask in asks]
        leader = asks[0].joined.leader
        for member_id in ids:
            if member_id != leader:
                self.sync(member_id)
        self.sync(leader, {member_id: f"of {member_id}".encode() for member_id in ids})
        assert self.state is GroupState.STABLE
        return ids
