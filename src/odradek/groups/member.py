"""A member of a classic group."""

from dataclasses import dataclass

from odradek.groups.vocabulary import MemberMetadata, Protocols, Waiter

NEVER_MS = 1 << 62


@dataclass(slots=True)
class Member:
    """State of one member. A parked JoinGroup or SyncGroup request is its waiter; None when there is none."""

    member_id: str
    instance_id: str | None
    client_id: str
    client_host: str
    rebalance_timeout_ms: int
    session_timeout_ms: int
    protocol_type: str
    protocols: Protocols
    assignment: bytes = b""
    is_new: bool = False
    """Joining for the first time: it cannot heartbeat yet, so its parked join expires."""
    joining: Waiter | None = None
    syncing: Waiter | None = None
    deadline_ms: int = NEVER_MS
    """Loop time at which it counts as gone. Heartbeats only ever write this."""

    @property
    def is_static(self) -> bool:
        """KIP-345."""
        return self.instance_id is not None

    @property
    def is_alive_by_waiting(self) -> bool:
        """A member parked in a rebalance needs no heartbeats, unless it is new."""
        return not self.is_new and (self.joining is not None or self.syncing is not None)

    def protocol_names(self) -> list[str]:
        """In order of preference."""
        return [name for name, _ in self.protocols]

    def metadata(self, protocol: str) -> bytes:
        """Its metadata for the protocol. Raises KeyError when it does not support it."""
        for name, metadata in self.protocols:
            if name == protocol:
                return metadata
        raise KeyError(protocol)

    def vote(self, candidates: frozenset[str]) -> str:
        """The candidate it prefers. Raises StopIteration when there is none."""
        return next(name for name, _ in self.protocols if name in candidates)

    def stored(self, protocol: str, assignment: bytes) -> MemberMetadata:
        """As it goes into the group's record."""
        return MemberMetadata(
            self.member_id,
            self.instance_id,
            self.client_id,
            self.client_host,
            self.rebalance_timeout_ms,
            self.session_timeout_ms,
            self.metadata(protocol),
            assignment,
        )
