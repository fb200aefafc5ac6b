"""The cluster's metadata at one revision, immutable. `image_builder` makes the next one; handlers only read."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from types import MappingProxyType
from typing import Any
from uuid import UUID

import msgspec

from odradek.cluster.records import DeletedRecord, Endpoint, IntentRecord, LoadRecord, PartitionRecord, TopicRecord

NO_LEADER = -1
DRAINING_BROKERS = "odradek.draining.brokers"
"""The key of the cluster's default broker configuration that names the brokers to be emptied."""
ConfigKey = tuple[str, str]
"""Resource type ("topic", "broker", "group") and name; broker "" is the default of the whole cluster."""

EMPTY: Mapping[Any, Any] = MappingProxyType({})


def _empty() -> Mapping[Any, Any]:
    return EMPTY


class BrokerImage(msgspec.Struct, frozen=True):
    """A registered broker. It is active when it is not fenced and not draining."""

    broker_id: int
    epoch: int
    incarnation: str
    endpoints: tuple[Endpoint, ...]
    rack: str | None
    directory_id: str
    predecessor_epoch: int
    fenced: bool
    draining: bool
    mod_revision: int
    gray: str = ""

    @property
    def is_active(self) -> bool:
        return not self.fenced and not self.draining

    def endpoint(self, listener: str) -> Endpoint | None:
        """Where it listens under that listener name."""
        return next((endpoint for endpoint in self.endpoints if endpoint.listener == listener), None)


class PartitionImage(msgspec.Struct, frozen=True, gc=False):
    """One partition. `isr` and `elr` are broker ids; `isr_epochs` and `elr_epochs` run parallel to them."""

    replicas: tuple[int, ...]
    adding: tuple[int, ...]
    removing: tuple[int, ...]
    leader: int
    leader_broker_epoch: int
    leader_epoch: int
    isr: tuple[int, ...]
    isr_epochs: tuple[int, ...]
    elr: tuple[int, ...]
    elr_epochs: tuple[int, ...]
    min_isr: int
    last_leader: int
    mod_revision: int

    def is_led_by(self, broker_id: int, broker_epoch: int) -> bool:
        """A broker leads only in the broker epoch it was elected in."""
        return self.leader == broker_id and self.leader_broker_epoch == broker_epoch

    @staticmethod
    def of(record: PartitionRecord, mod_revision: int) -> "PartitionImage":
        return PartitionImage(
            _shared(record.replicas),
            record.adding,
            record.removing,
            record.leader,
            record.leader_broker_epoch,
            record.leader_epoch,
            _shared(tuple([entry[0] for entry in record.isr])),
            _shared(tuple([entry[1] for entry in record.isr])),
            tuple([entry[0] for entry in record.elr]),
            tuple([entry[1] for entry in record.elr]),
            record.min_isr,
            record.last_leader,
            mod_revision,
        )


@lru_cache(maxsize=4096)
def _shared(numbers: tuple[int, ...]) -> tuple[int, ...]:
    """The same tuple for equal ones: partitions have few different sets of brokers and of broker epochs."""
    return numbers


@dataclass(frozen=True, slots=True, eq=False)
class TopicImage:
    """A topic that exists. `configs` are its overrides alone; `partitions` is indexed by partition."""

    name: str
    topic_id: UUID
    partitions: tuple[PartitionImage, ...]
    configs: Mapping[str, str]
    mod_revision: int

    @property
    def replication_factor(self) -> int:
        """Of the first partition, as Kafka reports it."""
        return len(self.partitions[0].replicas)


class TopicEntry(msgspec.Struct, frozen=True):
    """What `topic/<name>` holds, also while the topic is being made."""

    record: TopicRecord
    topic_id: UUID
    mod_revision: int


class IntentEntry(msgspec.Struct, frozen=True):
    record: IntentRecord
    mod_revision: int


class DeletedEntry(msgspec.Struct, frozen=True):
    record: DeletedRecord
    mod_revision: int


@dataclass(frozen=True, slots=True, eq=False)
class ClusterImage:
    """Everything known at `revision`. The mappings are never changed once the image exists.

    `topics` and `topics_by_id` hold live topics only; `entries`, `parts` and `intents` also what is being made.
    `reassigning` holds the partitions (topic id, index) whose replicas are on the move. `restored` is the last
    restoring of the store from an older backup, 0 for none. `suspects`: (who, found dead by whom) -> in which epoch.
    """

    cluster_id: str = ""
    revision: int = 0
    controller_id: int = -1
    controller_epoch: int = -1
    controller_revision: int = 0
    brokers: Mapping[int, BrokerImage] = field(default_factory=_empty)
    live: Mapping[int, int] = field(default_factory=_empty)
    topics: Mapping[str, TopicImage] = field(default_factory=_empty)
    topics_by_id: Mapping[UUID, TopicImage] = field(default_factory=_empty)
    configs: Mapping[ConfigKey, Mapping[str, str]] = field(default_factory=_empty)
    config_revisions: Mapping[ConfigKey, int] = field(default_factory=_empty)
    collisions: Mapping[str, str] = field(default_factory=_empty)
    deleted: Mapping[UUID, DeletedEntry] = field(default_factory=_empty)
    entries: Mapping[str, TopicEntry] = field(default_factory=_empty)
    parts: Mapping[UUID, Mapping[int, PartitionImage]] = field(default_factory=_empty)
    intents: Mapping[UUID, IntentEntry] = field(default_factory=_empty)
    reassigning: Mapping[tuple[UUID, int], bool] = field(default_factory=_empty)
    loads: Mapping[int, LoadRecord] = field(default_factory=_empty)
    suspects: Mapping[tuple[int, int], int] = field(default_factory=_empty)
    restored: int = 0
    history: Mapping[str, int] = field(default_factory=_empty)
    """Token -> the revision that added it, as they came (`cluster.history`)."""
    history_token: str = ""
    """The newest of them."""

    def config(self, resource_type: str, name: str) -> Mapping[str, str]:
        """The overrides of one resource, empty when it has none."""
        return self.configs.get((resource_type, name), EMPTY)

    def partition(self, topic: str, index: int) -> PartitionImage | None:
        found = self.topics.get(topic)
        return found.partitions[index] if found is not None and 0 <= index < len(found.partitions) else None

    def draining_brokers(self) -> frozenset[int]:
        """Ids of brokers that are to give up their leaderships and replicas, registered or not."""
        return draining_ids(self.config("broker", "").get(DRAINING_BROKERS, ""))

    def active_brokers(self) -> list[BrokerImage]:
        """Unfenced and not draining, by id."""
        return [self.brokers[broker_id] for broker_id in sorted(self.brokers) if self.brokers[broker_id].is_active]

    def broker_overrides(self, broker_id: int) -> dict[str, str]:
        """Dynamic broker configuration as it applies to one broker: the cluster's default, then its own."""
        return {**self.config("broker", ""), **self.config("broker", str(broker_id))}


def draining_ids(text: str) -> frozenset[int]:
    """What `odradek.draining.brokers` holds."""
    return frozenset(int(each) for each in text.split(",") if each.strip())


@dataclass(frozen=True, slots=True)
class PartitionDelta:
    """`before` is None for a new partition, `after` for one that is gone; `topic` is the later image it is in."""

    topic: TopicImage
    index: int
    before: PartitionImage | None
    after: PartitionImage | None


@dataclass(frozen=True, slots=True)
class ImageDelta:
    """What changed from one image to the next. `partitions` also lists those of new and of deleted topics.

    A topic deleted and made again under its name is in both `topics_deleted` and `topics_created`.
    """

    before: ClusterImage
    after: ClusterImage
    topics_created: tuple[TopicImage, ...]
    topics_deleted: tuple[TopicImage, ...]
    partitions: tuple[PartitionDelta, ...]
    configs: tuple[ConfigKey, ...]
    brokers: tuple[int, ...]
    controller_changed: bool
    duties_changed: bool
    """Whether the controller may have something to do: brokers, leases, intents, election of the controller."""
    reassignments_changed: bool = False
    """Whether a partition whose replicas are on the move, before or after, has changed."""
