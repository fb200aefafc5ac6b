"""What a broker has promised the clients of a scripted run, and whether it is kept."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from kio.schema.errors import ErrorCode

from tests.support.history import CommitAcknowledged, CommitSent, CommittedRead, Crashed, History, Stored

NONE_COMMITTED = -1


@dataclass
class Topic:
    """Its state is "making", "made", "deleting" or "deleted": only "made" and "deleted" are promises.

    `flushed`: nothing acknowledged may be lost with the power.
    """

    name: str
    partitions: int
    flushed: bool
    configs: dict[str, str] = field(default_factory=dict)
    state: str = "making"
    topic_id: Any = None
    known_partitions: int = 0
    known_configs: dict[str, str] = field(default_factory=dict)
    leader_epochs: dict[int, int] = field(default_factory=dict)
    earlier_epochs: dict[int, int] = field(default_factory=dict)
    """Those of the broker's life before this one."""
    starts: dict[int, int] = field(default_factory=dict)
    """Log start offsets as they were last seen."""
    starts_stored: dict[int, int] = field(default_factory=dict)
    """Those that the broker stopped with in good order."""
    history: History = field(default_factory=History)

    def made(self) -> None:
        """The broker has answered that it is there, with what was asked for."""
        self.state = "made"
        self.known_partitions, self.known_configs = self.partitions, dict(self.configs)

    def check(self, answer: Any) -> bool:
        """Hold its part of a Metadata response against what is known; False while its partitions have no leader."""
        if answer.error_code is not ErrorCode.none:
            assert self.state != "made", f"{self.name} was created and is gone: {answer.error_code.name}"
            return True
        assert self.state != "deleted", f"{self.name} was deleted and is back"
        self.check_identity(answer)
        if any(part.error_code is not ErrorCode.none for part in answer.partitions):
            return False
        self.check_epochs(answer.partitions)
        return True

    def check_identity(self, answer: Any) -> None:
        self.topic_id = self.topic_id or answer.topic_id
        assert answer.topic_id == self.topic_id, f"{self.name} has become another topic"
        found = len(answer.partitions)
        assert self.known_partitions <= found <= self.partitions, f"{self.name} has {found} partitions"

    def check_epochs(self, partitions: Sequence[Any]) -> None:
        """Whoever led before a crash can be told from who leads now."""
        for part in partitions:
            before = self.earlier_epochs.get(part.partition_index, NONE_COMMITTED)
            assert part.leader_epoch > before, f"{self.name}-{part.partition_index} is led in epoch {before} again"
            self.leader_epochs[part.partition_index] = part.leader_epoch

    def check_start(self, partition: int, start: int) -> None:
        stored = self.starts_stored.get(partition, 0)
        assert start >= stored, f"{self.name}-{partition} began at {stored} when it was stopped and at {start} now"
        self.starts[partition] = start

    def check_configs(self, found: Mapping[str, str]) -> None:
        for key, value in found.items():
            known = self.known_configs.get(key)
            is_allowed = known is None or value in (known, self.configs[key])
            assert is_allowed, f"{key} of {self.name} is {value}, it was set to {known}"


class Promises:
    """All topics there ever were, the offsets of groups, the producer ids given out."""

    def __init__(self, *, flushed: bool) -> None:
        self.flushed = flushed
        self.had_fault = False
        """The disk has refused something."""
        self.topics: dict[str, Topic] = {}
        """By name, the newest of each."""
        self.offsets = History()
        self.committed: dict[tuple[str, str], None] = {}
        """Every (group, topic) that anything was ever committed for."""
        self.generation, self.generation_lost = 0, -1
        self.producer_ids: dict[int, None] = {}

    def topic(self, name: str, partitions: int, configs: Mapping[str, str]) -> Topic:
        """One is about to be made."""
        flushed = self.flushed or "flush.messages" in configs
        topic = self.topics[name] = Topic(name, partitions, flushed, dict(configs))
        return topic

    def crashed(self, *, loses_suffix: bool) -> None:
        for topic in self.topics.values():
            topic.history.add(Crashed(loses_suffix=loses_suffix and not topic.flushed))
        self.offsets.add(Crashed(loses_suffix=loses_suffix and not self.flushed))
        if loses_suffix and not self.flushed:
            self.generation_lost = self.generation

    def started(self) -> None:
        """A new life begins."""
        for topic in self.topics.values():
            topic.earlier_epochs = dict(topic.leader_epochs)

    def stopped(self) -> None:
        """In good order: all of it is stored."""
        for history in (self.offsets, *(topic.history for topic in self.topics.values())):
            history.add(Stored())
        for topic in self.topics.values():
            topic.starts_stored = dict(topic.starts)

    def producer_id(self, producer_id: int) -> None:
        assert producer_id not in self.producer_ids, f"producer id {producer_id} was given out before"
        self.producer_ids[producer_id] = None

    def joined(self, generation: int) -> None:
        """A member joined; generations that were synced before count, unless a power loss may have taken them."""
        kept = self.generation > self.generation_lost
        assert generation > self.generation or not kept, f"generation {generation} after {self.generation} was synced"

    def synced(self, generation: int) -> None:
        """A member was given its assignment."""
        self.generation = max(self.generation, generation)

    def deleting(self, topic: str) -> None:
        """What groups have committed for it goes with it, sooner or later."""
        for group, name in self.committed:
            if name == topic:
                self.commit_sent(group, topic, NONE_COMMITTED)

    def commit_sent(self, group: str, topic: str, offset: int) -> None:
        self.committed[group, topic] = None
        self.offsets.add(CommitSent(group, (topic, 0), offset))

    def commit_acknowledged(self, group: str, topic: str, offset: int) -> None:
        self.offsets.add(CommitAcknowledged(group, (topic, 0), offset))

    def commit_read(self, group: str, topic: str, offset: int) -> None:
        self.offsets.add(CommittedRead(group, (topic, 0), offset))

    def check(self) -> None:
        """Raises AssertionError with all violations."""
        found = [each for history in self.histories() for each in history.violations()]
        assert not found, "; ".join(map(str, found))

    def histories(self) -> list[History]:
        return [self.offsets, *(topic.history for topic in self.topics.values())]
