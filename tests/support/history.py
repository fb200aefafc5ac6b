"""What clients saw, and whether a log may look like that.

A `History` is the list of events in the order the test saw them; every value sent is unique. `check` returns the
violations. An outcome that is unknown (no acknowledgement, no refusal) stays unknown: the value may be there or not,
the offset may have been committed or not, also later.

A `Crashed` event says what the crash may take: nothing (the process died, or everything acknowledged is synced), or a
suffix of each log (power loss without flush): then the survivors must be a prefix, and offsets may be used again. What
was acknowledged before a `Stored` event no crash may take.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum

Partition = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Sent:
    """A producer sends a value; values of one producer to one partition are expected in this order."""

    producer: str
    partition: Partition
    value: str


@dataclass(frozen=True, slots=True)
class Acknowledged:
    partition: Partition
    value: str
    offset: int


@dataclass(frozen=True, slots=True)
class Refused:
    """The broker said that the value was not stored."""

    partition: Partition
    value: str


@dataclass(frozen=True, slots=True)
class Polled:
    """One batch of records as a consumer got it."""

    consumer: str
    partition: Partition
    records: tuple[tuple[int, str], ...]


@dataclass(frozen=True, slots=True)
class Sought:
    """The consumer's next poll starts at `offset`."""

    consumer: str
    partition: Partition
    offset: int


@dataclass(frozen=True, slots=True)
class CaughtUp:
    """A fetch at the consumer's position came back empty: it has seen all that was acknowledged before it was sent."""

    consumer: str
    partition: Partition


@dataclass(frozen=True, slots=True)
class CommitSent:
    group: str
    partition: Partition
    offset: int


@dataclass(frozen=True, slots=True)
class CommitAcknowledged:
    group: str
    partition: Partition
    offset: int


@dataclass(frozen=True, slots=True)
class CommitRefused:
    group: str
    partition: Partition
    offset: int


@dataclass(frozen=True, slots=True)
class CommittedRead:
    """What OffsetFetch answered; -1 for none."""

    group: str
    partition: Partition
    offset: int


@dataclass(frozen=True, slots=True)
class Crashed:
    """`loses_suffix`: acknowledged records may be gone, from some point of each log on."""

    loses_suffix: bool


@dataclass(frozen=True, slots=True)
class Stored:
    """The broker stopped in good order: no later crash may take what was acknowledged before."""


@dataclass(frozen=True, slots=True)
class Trimmed:
    """Records below `offset` were deleted on purpose."""

    partition: Partition
    offset: int


@dataclass(frozen=True, slots=True)
class Final:
    """The whole partition, read at the end from its log start offset."""

    partition: Partition
    log_start_offset: int
    records: tuple[tuple[int, str], ...]


Event = (
    Sent
    | Acknowledged
    | Refused
    | Polled
    | Sought
    | CaughtUp
    | CommitSent
    | CommitAcknowledged
    | CommitRefused
    | CommittedRead
    | Crashed
    | Stored
    | Trimmed
    | Final
)


class Kind(Enum):
    """What can be wrong, as a user would say it."""

    LOST_WRITE = "an acknowledged record is gone"
    TAKEN_BACK = "a record that a consumer has read is gone"
    HOLE = "a record is gone and a later one that was acknowledged with it survived"
    DUPLICATE = "one record is at two offsets"
    REORDERED = "records of one producer are not in the order it sent them"
    NON_MONOTONIC_POLL = "a consumer went back without seeking"
    SKIPPED = "a consumer jumped over a record"
    UNSEEN = "a consumer was told it has everything and has not"
    INCONSISTENT_OFFSET = "one offset held two records"
    NEVER_SENT = "a record nobody sent"
    REFUSED_READ = "a record that was refused is there"
    COMMIT_LOST = "a committed offset went back"
    COMMIT_NEVER_SENT = "a committed offset nobody committed"


@dataclass(frozen=True, slots=True)
class Violation:
    kind: Kind
    partition: Partition
    detail: str

    def __str__(self) -> str:
        return f"{self.partition[0]}-{self.partition[1]}: {self.kind.value}: {self.detail}"


@dataclass(slots=True)
class Write:
    """A value's life. `seen_at` is the index of the event that first showed it stored."""

    producer: str
    order: int
    refused: bool = False
    acknowledged_at: int | None = None
    seen_at: int | None = None
    offset: int = -1


@dataclass(slots=True)
class PartitionView:
    """Everything known of one partition; `holders` maps an offset to the value last seen there, and when."""

    name: Partition
    writes: dict[str, Write] = field(default_factory=dict)
    holders: dict[int, tuple[str, int]] = field(default_factory=dict)
    positions: dict[str, int] = field(default_factory=dict)
    start: int = 0


@dataclass(slots=True)
class Commits:
    """A group's offset of one partition: what a read may answer now."""

    acknowledged: list[int] = field(default_factory=list)
    unknown: list[int] = field(default_factory=list)
    possible: list[int] = field(default_factory=lambda: [-1])
    stored: list[int] = field(default_factory=lambda: [-1])
    """What it may have been when the broker last stopped in good order."""
    earlier: list[int] = field(default_factory=lambda: [-1])
    """What was acknowledged before that."""


class Checker:
    """Walks a history once; `violations` in the order they show."""

    def __init__(self) -> None:
        self.violations: list[Violation] = []
        self._views: dict[Partition, PartitionView] = {}
        self._commits: dict[tuple[str, Partition], Commits] = {}
        self._losing_crashes: list[tuple[int, int]] = []
        """Each with the event from which on it may take what happened."""
        self._stored_at = -1

    def feed(self, index: int, event: Event) -> None:
        match event:
            case Sent():
                view = self._view(event.partition)
                view.writes[event.value] = Write(event.producer, index)
            case Acknowledged():
                write = self._see(index, event.partition, event.offset, event.value)
                if write is not None:
                    write.acknowledged_at = index
            case Refused():
                self._view(event.partition).writes[event.value].refused = True
            case Polled():
                self._poll(index, event)
            case Sought():
                self._view(event.partition).positions[event.consumer] = event.offset
            case CaughtUp():
                self._caught_up(event)
            case Crashed() | Stored():
                self._end_life(index, event)
            case Trimmed():
                view = self._view(event.partition)
                view.start = max(view.start, event.offset)
            case Final():
                self._final(index, event)
            case CommitSent() | CommitAcknowledged() | CommitRefused() | CommittedRead():
                self._commit(event)

    # Records

    def _see(self, index: int, partition: Partition, offset: int, value: str) -> Write | None:
        """A value was seen at an offset: as an acknowledgement or in a read."""
        view = self._view(partition)
        write = view.writes.get(value)
        if write is None:
            self._found(Kind.NEVER_SENT, partition, f"{value!r} at offset {offset}")
            return None
        if write.refused:
            self._found(Kind.REFUSED_READ, partition, f"{value!r} at offset {offset}")
        holder, since = view.holders.get(offset, (value, index))
        if holder != value and not self._lost_between(since, index):
            self._found(Kind.INCONSISTENT_OFFSET, partition, f"{holder!r} and {value!r} at offset {offset}")
        if write.seen_at is not None and write.offset != offset:
            self._found(Kind.DUPLICATE, partition, f"{value!r} at offsets {write.offset} and {offset}")
        if write.seen_at is None:
            write.seen_at, write.offset = index, offset
        view.holders[offset] = (value, index)
        return write

    def _poll(self, index: int, event: Polled) -> None:
        view = self._view(event.partition)
        for offset, value in event.records:
            position = view.positions.get(event.consumer, offset)
            if offset < position:
                detail = f"{event.consumer} got offset {offset} after {position - 1}"
                self._found(Kind.NON_MONOTONIC_POLL, event.partition, detail)
            for missed in self._live_records(view, max(position, view.start), offset):
                self._found(Kind.SKIPPED, event.partition, f"{event.consumer} jumped over offset {missed}")
            self._see(index, event.partition, offset, value)
            view.positions[event.consumer] = offset + 1

    def _caught_up(self, event: CaughtUp) -> None:
        view = self._view(event.partition)
        position = max(view.positions.get(event.consumer, 0), view.start)
        for value, write in view.writes.items():
            if write.acknowledged_at is not None and write.offset >= position and self._certain(write.acknowledged_at):
                detail = f"{event.consumer} at {position} has not seen {value!r} at offset {write.offset}"
                self._found(Kind.UNSEEN, event.partition, detail)

    def _live_records(self, view: PartitionView, start: int, end: int) -> Iterator[int]:
        """Offsets in the range that hold a record for certain."""
        for offset in range(start, end):
            held = view.holders.get(offset)
            if held is not None and self._certain(held[1]):
                yield offset

    def _end_life(self, index: int, event: Crashed | Stored) -> None:
        if isinstance(event, Stored):
            self._store(index)
        elif event.loses_suffix:
            self._losing_crashes.append((index, self._stored_at))
            for commits in self._commits.values():
                commits.possible = [*commits.stored, *commits.acknowledged]

    def _store(self, index: int) -> None:
        self._stored_at = index
        for commits in self._commits.values():
            commits.earlier += commits.acknowledged
            commits.stored, commits.acknowledged = list(commits.possible), []

    # The end

    def _final(self, index: int, event: Final) -> None:
        view = self._view(event.partition)
        view.start = event.log_start_offset
        for offset, value in event.records:
            self._see(index, event.partition, offset, value)
        present = {value: offset for offset, value in event.records}
        if len(present) < len(event.records):
            self._found(Kind.DUPLICATE, event.partition, "a value is in the log twice")
        self._check_losses(view, present)
        self._check_order(view, event)

    def _check_losses(self, view: PartitionView, present: dict[str, int]) -> None:
        for value, write in view.writes.items():
            if self._is_taken_back(view, value, write, present):
                self._found(Kind.TAKEN_BACK, view.name, f"{value!r} was read at offset {write.offset}")
            if write.acknowledged_at is None or value in present or write.offset < view.start:
                continue
            if self._certain(write.acknowledged_at):
                self._found(Kind.LOST_WRITE, view.name, f"{value!r} was acknowledged at offset {write.offset}")
            else:
                self._check_prefix(view, value, write, present)

    def _is_taken_back(self, view: PartitionView, value: str, write: Write, present: dict[str, int]) -> bool:
        if write.acknowledged_at is not None or write.seen_at is None or value in present:
            return False
        return write.offset >= view.start and self._certain(write.seen_at)

    def _check_prefix(self, view: PartitionView, lost: str, gone: Write, present: dict[str, int]) -> None:
        """What a crash took, it took with all that came after it and was there before the crash."""
        assert gone.acknowledged_at is not None
        for value, offset in present.items():
            seen_at = view.writes[value].acknowledged_at if value in view.writes else None
            if seen_at is None or offset < gone.offset or self._lost_between(gone.acknowledged_at, seen_at):
                continue
            self._found(Kind.HOLE, view.name, f"{lost!r} at {gone.offset} is gone, {value!r} at {offset} survived")

    def _check_order(self, view: PartitionView, event: Final) -> None:
        last: dict[str, tuple[int, str]] = {}
        for _, value in event.records:
            write = view.writes.get(value)
            if write is None:
                continue
            before, before_value = last.get(write.producer, (-1, ""))
            if write.order < before:
                self._found(Kind.REORDERED, event.partition, f"{value!r} comes after {before_value!r}")
            last[write.producer] = (write.order, value)

    # Offsets of groups

    def _commit(self, event: CommitSent | CommitAcknowledged | CommitRefused | CommittedRead) -> None:
        commits = self._commits.setdefault((event.group, event.partition), Commits())
        match event:
            case CommitSent():
                commits.unknown.append(event.offset)
            case CommitAcknowledged():
                commits.unknown.remove(event.offset)
                commits.acknowledged.append(event.offset)
                commits.possible = [event.offset]
            case CommitRefused():
                commits.unknown.remove(event.offset)
            case CommittedRead():
                self._committed_read(event, commits)

    def _committed_read(self, event: CommittedRead, commits: Commits) -> None:
        if event.offset in commits.possible:
            commits.possible = [event.offset]
        elif event.offset not in commits.unknown:
            known = event.offset in (*commits.earlier, *commits.acknowledged)
            kind = Kind.COMMIT_LOST if known else Kind.COMMIT_NEVER_SENT
            detail = f"{event.group} reads {event.offset}, possible are {commits.possible} and {commits.unknown}"
            self._found(kind, event.partition, detail)

    # Helpers

    def _certain(self, index: int) -> bool:
        """What was true at that event is true still: no crash since could take a suffix."""
        return not any(stored < index < crash for crash, stored in self._losing_crashes)

    def _lost_between(self, first: int, second: int) -> bool:
        return any(stored < first < crash < second for crash, stored in self._losing_crashes)

    def _view(self, partition: Partition) -> PartitionView:
        return self._views.setdefault(partition, PartitionView(partition))

    def _found(self, kind: Kind, partition: Partition, detail: str) -> None:
        self.violations.append(Violation(kind, partition, detail))


@dataclass(slots=True)
class History:
    """Collects events while a test runs."""

    events: list[Event] = field(default_factory=list)

    def add(self, *events: Event) -> None:
        self.events.extend(events)

    def violations(self) -> list[Violation]:
        return check(self.events)


def check(events: list[Event]) -> list[Violation]:
    """All violations of a history, in the order they show."""
    checker = Checker()
    for index, event in enumerate(events):
        checker.feed(index, event)
    return checker.violations
