"""What a plan is made from, and what it consists of."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

NO_LEADER = -1


@dataclass(frozen=True, slots=True)
class BrokerState:
    """A registered broker. `disk_bytes` is the size of its volumes, 0 when it is not known."""

    broker_id: int
    rack: str | None = None
    is_up: bool = True
    is_draining: bool = False
    disk_bytes: int = 0
    is_gray: bool = False
    """It lives, and does its work badly: it keeps what it has."""

    @property
    def takes_replicas(self) -> bool:
        """And leaderships."""
        return self.is_up and not self.is_draining and not self.is_gray


@dataclass(frozen=True, slots=True)
class PartitionState:
    """`replicas` are those it has once what is under way is done, the preferred leader first; `size_bytes` of one."""

    topic: str
    index: int
    replicas: tuple[int, ...]
    leader: int
    isr: tuple[int, ...]
    size_bytes: int = 0
    is_moving: bool = False
    copies: int = 0
    """Replicas it should have as soon as there are brokers for them, 0 for as many as it has."""

    @property
    def name(self) -> str:
        return f"{self.topic}-{self.index}"


@dataclass(frozen=True, slots=True)
class ClusterState:
    brokers: Mapping[int, BrokerState]
    partitions: Sequence[PartitionState]

    def rack(self, broker_id: int) -> str:
        """A broker without a rack, or one that is not registered, is a rack of its own."""
        broker = self.brokers.get(broker_id)
        named = None if broker is None else broker.rack
        return f"/{broker_id}" if named is None else named

    def racks(self, replicas: Sequence[int]) -> int:
        """In how many racks these are."""
        return len({self.rack(replica) for replica in replicas})

    def targets(self) -> list[BrokerState]:
        """Brokers that may get replicas, by id."""
        return [self.brokers[each] for each in sorted(self.brokers) if self.brokers[each].takes_replicas]

    def away(self) -> list[int]:
        """Brokers that are down, or gray, and expected back."""
        return [
            each
            for each, broker in sorted(self.brokers.items())
            if not broker.is_draining and (broker.is_gray or not broker.is_up)
        ]


@dataclass(frozen=True, slots=True)
class Transfer:
    """Leadership to another in-sync replica; no data moves."""

    topic: str
    index: int
    source: int
    target: int
    reason: str


@dataclass(frozen=True, slots=True)
class Move:
    """Other replicas for a partition: `before` and `after`, the preferred leader first.

    When both hold the same brokers only the preferred leader changes, and no data moves.
    """

    topic: str
    index: int
    before: tuple[int, ...]
    after: tuple[int, ...]
    size_bytes: int
    reason: str

    @property
    def adds(self) -> tuple[int, ...]:
        return tuple(replica for replica in self.after if replica not in self.before)

    @property
    def removes(self) -> tuple[int, ...]:
        return tuple(replica for replica in self.before if replica not in self.after)

    @property
    def copied_bytes(self) -> int:
        return self.size_bytes * len(self.adds)


@dataclass(frozen=True, slots=True)
class Blocked:
    """A replica that should leave its broker and cannot."""

    topic: str
    index: int
    broker: int
    reason: str


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything in the order in which it should be done. `waits_for` are brokers that are away: until they are back,
    or drained, or removed, brokers are emptied but not balanced."""

    transfers: tuple[Transfer, ...] = ()
    moves: tuple[Move, ...] = ()
    blocked: tuple[Blocked, ...] = ()
    waits_for: tuple[int, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.transfers or self.moves)
