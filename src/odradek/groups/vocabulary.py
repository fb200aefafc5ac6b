"""What goes in and out of a group's rules: requests, results, what happened, what to do.

A waiter is any object by which the shell finds the request that is parked; the rules only hand it back. Results with
`error` other than none carry whatever fields the protocol says go with that error.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

from kio.schema.errors import ErrorCode

Waiter = object
Protocols = tuple[tuple[str, bytes], ...]
"""(name, metadata) in the member's order of preference."""

UNKNOWN_MEMBER_ID = ""
NO_GENERATION = -1


class Instant(NamedTuple):
    """Now, twice: `loop_ms` for deadlines (never jumps), `wall_ms` for what is stored (milliseconds since 1970)."""

    loop_ms: int
    wall_ms: int


@dataclass(frozen=True, slots=True)
class JoinRequest:
    """JoinGroup. `new_member_id` is what to call the member should it have none yet."""

    group_id: str
    member_id: str
    new_member_id: str
    instance_id: str | None
    client_id: str
    client_host: str
    session_timeout_ms: int
    rebalance_timeout_ms: int
    protocol_type: str
    protocols: Protocols
    reason: str = ""
    requires_known_member_id: bool = False
    """Version 4 on (KIP-394): a new dynamic member is told its id and must join again with it."""
    supports_skipping_assignment: bool = False
    """Version 9 on (KIP-814)."""


class JoinedMember(NamedTuple):
    """A member as the leader sees it, with its metadata for the chosen protocol."""

    member_id: str
    instance_id: str | None
    metadata: bytes


@dataclass(frozen=True, slots=True)
class JoinResult:
    error: ErrorCode
    member_id: str
    generation_id: int = NO_GENERATION
    protocol_type: str | None = None
    protocol_name: str | None = None
    leader: str = ""
    skip_assignment: bool = False
    members: tuple[JoinedMember, ...] = ()
    """Only the leader gets them."""


@dataclass(frozen=True, slots=True)
class SyncRequest:
    """SyncGroup. `assignments` maps member ids; only the leader's counts."""

    group_id: str
    member_id: str
    instance_id: str | None
    generation_id: int
    protocol_type: str | None
    protocol_name: str | None
    assignments: dict[str, bytes]


@dataclass(frozen=True, slots=True)
class SyncResult:
    error: ErrorCode
    protocol_type: str | None = None
    protocol_name: str | None = None
    assignment: bytes = b""


class LeavingMember(NamedTuple):
    """LeaveGroup names a member by id, or an administrator by instance id alone."""

    member_id: str
    instance_id: str | None = None
    reason: str | None = None


class MemberMetadata(NamedTuple):
    """A member as it is stored."""

    member_id: str
    instance_id: str | None
    client_id: str
    client_host: str
    rebalance_timeout_ms: int
    session_timeout_ms: int
    subscription: bytes
    assignment: bytes


class GroupMetadata(NamedTuple):
    """A group as it is stored: a generation with its assignments, or an empty one. `state_time_ms` -1: unknown."""

    protocol_type: str
    generation_id: int
    protocol_name: str | None
    leader: str | None
    state_time_ms: int
    members: tuple[MemberMetadata, ...]


@dataclass(frozen=True, slots=True)
class EmptyStored:
    """A group without members was stored; `is_first`: to bring it into being."""

    is_first: bool = False


@dataclass(frozen=True, slots=True)
class AssignmentStored:
    """The leader's assignment of one generation was stored."""

    generation_id: int
    leader: str
    assignments: dict[str, bytes]


@dataclass(frozen=True, slots=True)
class StaticMemberStored:
    """A static member's new id was stored; the rest is what to go back to if not."""

    instance_id: str
    new_member_id: str
    old_member_id: str
    old_leader: str
    old_protocols: Protocols
    old_rebalance_timeout_ms: int
    old_session_timeout_ms: int
    waiter: Waiter
    skips_assignment: bool


Stored = EmptyStored | AssignmentStored | StaticMemberStored


@dataclass(slots=True)
class Effects:
    """What the shell must do now, in order: answer, then store and report back with `on_stored`."""

    replies: list[tuple[Waiter, JoinResult | SyncResult]] = field(default_factory=list)
    stores: list[tuple[GroupMetadata, Stored]] = field(default_factory=list)

    def reply(self, waiter: Waiter, result: JoinResult | SyncResult) -> None:
        """Answer a parked request."""
        self.replies.append((waiter, result))

    def store(self, metadata: GroupMetadata, then: Stored) -> None:
        """Append the group's record; its fate comes back as `then`."""
        self.stores.append((metadata, then))
