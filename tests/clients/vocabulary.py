"""What a scenario says to a client, whichever library is behind it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

Headers = tuple[tuple[str, bytes | None], ...]


class OffsetIsGone(Exception):
    """There is nothing at this position, and the reader was told not to choose another."""


class Fenced(Exception):
    """Another member took this one's name, and the library said so."""


@dataclass(frozen=True, slots=True)
class Sent:
    """A record as it is given to a producer."""

    value: bytes | None
    key: bytes | None = None
    partition: int = 0
    headers: Headers = ()
    timestamp_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Received:
    """A record as a consumer got it."""

    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: Headers = ()


@dataclass(frozen=True, slots=True)
class Writing:
    """How a producer sends. Always with acks=all."""

    compression: str = "none"
    level: int | None = None
    """Of the compression; None for the library's own."""
    idempotent: bool = False


@dataclass(frozen=True, slots=True)
class Reading:
    """Where a consumer of one partition begins, and what it does when its offset does not exist."""

    topic: str
    offset: int
    partition: int = 0
    reset: str = "earliest"
    """earliest, latest or none."""
    group: str = "reads-alone"
    isolation: str = "read_uncommitted"


@dataclass(frozen=True, slots=True)
class Membership:
    """How a consumer takes part in a group."""

    group: str
    topics: tuple[str, ...] = ()
    assignor: str = "range"
    instance_id: str | None = None
    session_timeout_ms: int = 6000
    max_poll_interval_ms: int = 300_000
    pattern: str | None = None
    """Instead of topics: whatever matches this regular expression."""


class Member(Protocol):
    """A consumer in a group. It commits only when told to."""

    def poll(self) -> list[Received]:
        """Whatever arrives within a short while; also drives the group protocol. May raise `Fenced`."""
        ...

    def assignment(self) -> set[int]:
        """Partitions of the first topic that this member owns now."""
        ...

    def commit(self) -> None:
        """Positions of all owned partitions, synchronously. May raise `Fenced`."""
        ...

    def close(self) -> None: ...


class Reader(Protocol):
    """A consumer of one partition, without a group's protocol."""

    def poll(self) -> list[Received]:
        """At most one record, whatever arrives within a short while. Raises `OffsetIsGone`."""
        ...

    def position(self) -> int: ...

    def seek(self, offset: int) -> None: ...

    def seek_to_beginning(self) -> None: ...

    def seek_to_end(self) -> None:
        """Returns once the end is known."""
        ...

    def pause(self) -> None: ...

    def resume(self) -> None: ...

    def bounds(self) -> tuple[int, int]:
        """The first offset, and the one after the last."""
        ...

    def commit(self) -> None: ...

    def committed(self) -> int | None: ...

    def close(self) -> None: ...


class Writer(Protocol):
    """A producer that stays open."""

    def send(self, topic: str, record: Sent) -> None:
        """May wait while the library's buffer is full."""
        ...

    def flush(self) -> list[int]:
        """Offsets in the order of the records since the last flush; raises on any delivery error."""
        ...

    def close(self) -> None: ...


class Client(Protocol):
    """One Kafka library."""

    name: str

    def writer(self, writing: Writing) -> Writer: ...

    def produce(
        self, topic: str, records: Sequence[Sent], *, compression: str = "none", idempotent: bool = False
    ) -> list[int]:
        """Offsets in the order of the records; raises on any delivery error. acks=all."""
        ...

    def reader(self, reading: Reading) -> Reader: ...

    def read(self, topic: str, partition: int, *, offset: int = 0, count: int) -> list[Received]:
        """`count` records from `offset` on, without a group."""
        ...

    def offset_for_time(self, topic: str, partition: int, timestamp_ms: int) -> int | None:
        """The first offset whose timestamp is at least the given one; None when there is none."""
        ...

    def join(self, membership: Membership) -> Member: ...
