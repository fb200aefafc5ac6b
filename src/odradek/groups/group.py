"""A classic group: its members, generation and deadlines, and the invariants among them.

The rules by which it changes are functions beside it: `joining`, `rebalancing`, `syncing`, `membership`. They call
these primitives, which keep the counts (`awaiting_joins`, votes) and `wake_ms` right.

Deadlines are plain numbers looked at lazily. `wake_ms` is never later than the earliest of them; the shell calls
`membership.on_time` at `wake_ms`, which acts on what is really due and sets the next `wake_ms`. A heartbeat therefore
costs one store: it moves a deadline later and leaves `wake_ms` alone.
"""

from collections import Counter
from dataclasses import dataclass

from kio.schema.errors import ErrorCode

from odradek.groups.member import NEVER_MS, Member
from odradek.groups.records import NO_TIMESTAMP
from odradek.groups.state import GroupState, checked_transition
from odradek.groups.subscription import CONSUMER_PROTOCOL, subscribed_topics
from odradek.groups.vocabulary import (
    Effects,
    GroupMetadata,
    JoinedMember,
    JoinResult,
    Protocols,
    SyncResult,
    Waiter,
)

GROUP_TYPE = "classic"


@dataclass(frozen=True, slots=True)
class GroupSettings:
    """The configuration a group's rules depend on."""

    initial_rebalance_delay_ms: int = 3_000
    max_size: int = (1 << 31) - 1
    new_member_join_timeout_ms: int = 300_000
    """How long a new member may stay parked in its first join before it is taken for gone."""


@dataclass(frozen=True, slots=True)
class JoinTimer:
    """When to end the join phase. An initial rebalance waits in steps while new members keep coming."""

    deadline_ms: int
    is_initial: bool = False
    delay_ms: int = 0
    remaining_ms: int = 0


class ClassicGroup:
    """State of one group. Everything about it that survives a restart is in its last `GroupMetadata`."""

    __slots__ = (
        "_supporters",
        "awaiting_joins",
        "generation_id",
        "group_id",
        "join_timer",
        "leader",
        "members",
        "new_member_added",
        "pending_joins",
        "pending_syncs",
        "previous_state",
        "protocol_name",
        "protocol_type",
        "settings",
        "state",
        "state_time_ms",
        "static_members",
        "storing_generation_id",
        "subscribed",
        "sync_deadline_ms",
        "wake_ms",
    )

    def __init__(self, group_id: str, settings: GroupSettings, *, state_time_ms: int = NO_TIMESTAMP) -> None:
        self.group_id = group_id
        self.settings = settings
        self.state = GroupState.EMPTY
        self.previous_state = GroupState.EMPTY
        self.state_time_ms = state_time_ms
        """Wall time of the last change of state, -1 where a record of old did not say."""
        self.generation_id = 0
        self.protocol_type: str | None = None
        self.protocol_name: str | None = None
        self.leader: str | None = None
        self.members: dict[str, Member] = {}
        self.static_members: dict[str, str] = {}
        """Instance id to member id."""
        self.pending_joins: dict[str, int] = {}
        """Ids handed out (KIP-394) that have not joined yet, with their deadlines."""
        self.pending_syncs: dict[str, None] = {}
        """Members of this generation that have not asked for their assignment yet."""
        self.storing_generation_id = -1
        """Generation whose assignment is on its way to the log: a leader that asks again must not store another."""
        self.subscribed: frozenset[str] | None = None
        """Topics of all members; None when they cannot be told."""
        self.new_member_added = False
        self.join_timer: JoinTimer | None = None
        self.sync_deadline_ms = NEVER_MS
        self.wake_ms = NEVER_MS
        self.awaiting_joins = 0
        self._supporters: Counter[str] = Counter()

    # ---- members

    def add(self, member: Member) -> None:
        """A member joins; the first one decides the protocol type and leads."""
        if member.instance_id is not None:
            self.static_members[member.instance_id] = member.member_id
        if not self.members:
            self.protocol_type = member.protocol_type
        if self.leader is None:
            self.leader = member.member_id
        self.members[member.member_id] = member
        self._supporters.update(member.protocol_names())
        self.awaiting_joins += member.joining is not None
        self.pending_joins.pop(member.member_id, None)
        self.wake_by(member.deadline_ms)

    def remove(self, member_id: str) -> None:
        """Forget a member, pending or not; answer its waiters first. The next in line leads."""
        self.pending_joins.pop(member_id, None)
        self.pending_syncs.pop(member_id, None)
        member = self.members.pop(member_id, None)
        if member is None:
            return
        self._supporters.subtract(member.protocol_names())
        self.awaiting_joins -= member.joining is not None
        if member.instance_id is not None:
            self.static_members.pop(member.instance_id, None)
        if self.leader == member_id:
            self.leader = next(iter(self.members), None)

    def update(self, member: Member, protocols: Protocols, rebalance_timeout_ms: int, session_timeout_ms: int) -> None:
        """A member joins again, perhaps with other protocols."""
        self._supporters.subtract(member.protocol_names())
        member.protocols = protocols
        self._supporters.update(member.protocol_names())
        member.rebalance_timeout_ms = rebalance_timeout_ms
        member.session_timeout_ms = session_timeout_ms

    def rename(self, instance_id: str, old_member_id: str, new_member_id: str) -> Member:
        """The static member goes on under a new id, in the place of the old one."""
        member = self.members.pop(old_member_id)
        member.member_id = new_member_id
        self.members[new_member_id] = member
        self.static_members[instance_id] = new_member_id
        if self.leader == old_member_id:
            self.leader = new_member_id
        if old_member_id in self.pending_syncs:
            del self.pending_syncs[old_member_id]
            self.pending_syncs[new_member_id] = None
        return member

    def validate(self, member_id: str, instance_id: str | None) -> ErrorCode:
        """none, or why this member may not speak for the group: unknown, or fenced by its successor (KIP-345)."""
        if instance_id is not None:
            current = self.static_members.get(instance_id)
            if current is None:
                return ErrorCode.unknown_member_id
            if current != member_id:
                return ErrorCode.fenced_instance_id
        return ErrorCode.none if member_id in self.members else ErrorCode.unknown_member_id

    # ---- parked requests

    def park_join(self, member: Member, waiter: Waiter, effects: Effects) -> None:
        """The member's join waits. One it replaces came from a connection given up: it is told to try again."""
        self.answer_join(member, JoinResult(ErrorCode.rebalance_in_progress, member.member_id), effects)
        member.joining = waiter
        self.awaiting_joins += 1

    def answer_join(self, member: Member, result: JoinResult, effects: Effects) -> None:
        """Answer the member's parked join, if there is one."""
        if member.joining is not None:
            effects.reply(member.joining, result)
            member.joining = None
            self.awaiting_joins -= 1

    def park_sync(self, member: Member, waiter: Waiter, effects: Effects) -> None:
        """The member's sync waits for the assignment."""
        self.answer_sync(member, SyncResult(ErrorCode.rebalance_in_progress), effects)
        member.syncing = waiter

    def answer_sync(self, member: Member, result: SyncResult, effects: Effects) -> bool:
        """Answer the member's parked sync; False if there is none."""
        if member.syncing is None:
            return False
        effects.reply(member.syncing, result)
        member.syncing = None
        return True

    # ---- deadlines

    def extend(self, member: Member, now_ms: int, timeout_ms: int) -> None:
        """The member is alive: it counts as gone only `timeout_ms` from now."""
        member.deadline_ms = deadline_ms = now_ms + timeout_ms
        if deadline_ms < self.wake_ms:
            self.wake_ms = deadline_ms

    def wake_by(self, deadline_ms: int) -> None:
        """Some deadline was set: be woken no later."""
        if deadline_ms < self.wake_ms:
            self.wake_ms = deadline_ms

    def earliest_deadline_ms(self) -> int:
        """NEVER_MS when nothing is waited for."""
        earliest = min((member.deadline_ms for member in self.members.values()), default=NEVER_MS)
        earliest = min(earliest, self.sync_deadline_ms, *self.pending_joins.values())
        return min(earliest, self.join_timer.deadline_ms) if self.join_timer else earliest

    # ---- state

    @property
    def is_simple(self) -> bool:
        """It was never joined: offsets are committed by clients that assign partitions themselves."""
        return self.protocol_type is None and self.state is GroupState.EMPTY and not self.pending_joins

    @property
    def can_rebalance(self) -> bool:
        """A rebalance can be started now."""
        return self.state in (GroupState.EMPTY, GroupState.COMPLETING_REBALANCE, GroupState.STABLE)

    @property
    def all_joined(self) -> bool:
        """Every member waits in the join phase and no id handed out is still to come."""
        return self.awaiting_joins == len(self.members) and not self.pending_joins

    @property
    def rebalance_timeout_ms(self) -> int:
        """The longest any member asked for."""
        return max((member.rebalance_timeout_ms for member in self.members.values()), default=0)

    def transition(self, target: GroupState, wall_ms: int) -> None:
        """Raises InvalidTransitionError where the table has no such move."""
        self.previous_state, self.state = self.state, checked_transition(self.state, target)
        self.state_time_ms = wall_ms

    def next_generation(self, wall_ms: int) -> None:
        """The join phase is over: a new generation forms, of nobody if nobody is left."""
        self.generation_id += 1
        self.protocol_name = self.select_protocol() if self.members else None
        self.subscribed = self._subscribed_topics()
        self.transition(GroupState.COMPLETING_REBALANCE if self.members else GroupState.EMPTY, wall_ms)
        self.pending_syncs.clear()

    # ---- protocols

    def supports(self, protocol_type: str, names: list[str]) -> bool:
        """Whether a member with these protocols can be in the group: one of them is known to all."""
        if self.state is GroupState.EMPTY:
            return bool(protocol_type and names)
        return protocol_type == self.protocol_type and any(self._supporters[n] == len(self.members) for n in names)

    def select_protocol(self) -> str:
        """Each member votes for its favourite among those all support; the one with most votes, then oldest vote."""
        names = (name for name, count in self._supporters.items() if count == len(self.members))
        candidates = frozenset(names)
        votes = Counter(member.vote(candidates) for member in self.members.values())
        return votes.most_common(1)[0][0]

    @property
    def uses_consumer_protocol(self) -> bool:
        return self.protocol_type == CONSUMER_PROTOCOL

    def is_subscribed_to(self, topic: str) -> bool:
        """Where subscriptions cannot be told, a consumer group counts as subscribed to everything."""
        return self.uses_consumer_protocol if self.subscribed is None else topic in self.subscribed

    def _subscribed_topics(self) -> frozenset[str] | None:
        if not self.uses_consumer_protocol:
            return None
        if not self.members:
            return frozenset()
        if self.protocol_name is None:
            return None
        topics: set[str] = set()
        for member in self.members.values():
            of_member = subscribed_topics(member.metadata(self.protocol_name))
            if of_member is None:
                return None
            topics |= of_member
        return frozenset(topics)

    # ---- what others see

    def joined_members(self) -> tuple[JoinedMember, ...]:
        """What the leader is told."""
        protocol = self.protocol_name or ""
        return tuple(JoinedMember(m.member_id, m.instance_id, m.metadata(protocol)) for m in self.members.values())

    def metadata(self, assignments: dict[str, bytes]) -> GroupMetadata:
        """The record that stores this generation with these assignments."""
        protocol = self.protocol_name or ""
        members = tuple(m.stored(protocol, assignments.get(m.member_id, b"")) for m in self.members.values())
        type_ = self.protocol_type or ""
        return GroupMetadata(type_, self.generation_id, self.protocol_name, self.leader, self.state_time_ms, members)

    @classmethod
    def loaded(cls, group_id: str, settings: GroupSettings, stored: GroupMetadata) -> "ClassicGroup":
        """The group a record describes: stable with its members, or empty. Deadlines are not set yet."""
        group = cls(group_id, settings, state_time_ms=stored.state_time_ms)
        for m in stored.members:
            protocols = ((stored.protocol_name or "", m.subscription),)
            timeouts = (m.rebalance_timeout_ms, m.session_timeout_ms)
            group.add(
                Member(
                    m.member_id,
                    m.instance_id,
                    m.client_id,
                    m.client_host,
                    *timeouts,
                    stored.protocol_type,
                    protocols,
                    m.assignment,
                )
            )
        group.state = GroupState.STABLE if stored.members else GroupState.EMPTY
        group.previous_state = group.state
        group.generation_id = stored.generation_id
        group.protocol_type = stored.protocol_type or None
        group.protocol_name = stored.protocol_name
        group.leader = stored.leader
        group.subscribed = group._subscribed_topics()
        return group
