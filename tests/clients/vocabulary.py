"""What a scenario says to a client, whichever library is behind it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Sent:
    """A record as it is given to a producer."""

    value: bytes | None
    key: bytes | None = None
    partition: int = 0
    headers: tuple[tuple[str, bytes], ...] = ()
    timestamp_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Received:
    """A record as a consumer got it."""

    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()


@dataclass(frozen=True, slots=True)
class Membership:
    """How a consumer takes part in a group."""

    group: str
    topics: tuple[str, ...]
    assignor: str = "range"
    instance_id: str | None = None
    session_timeout_ms: int = 6000


@dataclass(slots=True)
class Seen:
    """What a group member has polled so far."""

    records: list[Received] = field(default_factory=list)


class Member(Protocol):
    """A consumer in a group. It commits only when told to."""

    def poll(self) -> list[Received]:
        """Whatever arrives within a short while; also drives the group protocol."""
        ...

    def assignment(self) -> set[int]:
        """Partitions of the first topic that this member owns now."""
        ...

    def commit(self) -> None:
        """Positions of all owned partitions, synchronously."""
        ...

    def close(self) -> None: ...


class Client(Protocol):
    """One Kafka library."""

    name: str

    def produce(
        self, topic: str, records: Sequence[Sent], *, compression: str = "none", idempotent: bool = False
    ) -> list[int]:
        """Offsets in the order of the records; raises on any delivery error. acks=all."""
        ...

    def read(self, topic: str, partition: int, *, offset: int = 0, count: int) -> list[Received]:
        """`count` records from `offset` on, without a group."""
        ...

    def offset_for_time(self, topic: str, partition: int, timestamp_ms: int) -> int | None:
        """The first offset whose timestamp is at least the given one; None when there is none."""
        ...

    def join(self, membership: Membership) -> Member: ...
