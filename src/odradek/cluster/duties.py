"""What the controller has to do, given an image: a pure function.

Order matters and is that of the fields: a broker is fenced before its partitions get other leaders, and unfenced only
after its entries have been brought up to date.
"""

from collections.abc import Callable, Container, Iterator
from dataclasses import dataclass, field
from uuid import UUID

from odradek.cluster.elections import Election, elect, project_brokers, to_record, with_min_isr
from odradek.cluster.grayness import gray_brokers
from odradek.cluster.history import outdated
from odradek.cluster.image import BrokerImage, ClusterImage, DeletedEntry, IntentEntry, PartitionImage, TopicImage


@dataclass(frozen=True, slots=True)
class Rules:
    """What topic configuration says, asked per topic."""

    min_isr: Callable[[TopicImage], int]
    unclean_allowed: Callable[[TopicImage], bool]


@dataclass(frozen=True, slots=True)
class PartitionChange:
    topic: TopicImage
    index: int
    before: PartitionImage
    election: Election


@dataclass(frozen=True, slots=True)
class Duties:
    fence: list[BrokerImage] = field(default_factory=list)
    partitions: list[PartitionChange] = field(default_factory=list)
    unfence: list[BrokerImage] = field(default_factory=list)
    intents: list[tuple[UUID, IntentEntry]] = field(default_factory=list)
    deleted: list[tuple[UUID, DeletedEntry]] = field(default_factory=list)
    history: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.fence or self.partitions or self.unfence or self.intents or self.deleted or self.history)


def decide_duties(image: ClusterImage, rules: Rules, spared: Container[int] = (), dead: Container[int] = ()) -> Duties:
    """Everything the controller should bring about now.

    `spared`: brokers whose silence is not believed yet; `dead`: those found dead, whatever their leases say.
    """
    projected = project_brokers(image, spared, dead)
    flipped = [broker for broker_id, broker in sorted(image.brokers.items())
               if broker.fenced != projected[broker_id].fenced]  # fmt: skip
    return Duties(
        fence=[broker for broker in flipped if not broker.fenced],
        partitions=list(_partition_changes(image, projected, rules, dead)),
        unfence=[broker for broker in flipped if broker.fenced],
        intents=[(topic_id, intent) for topic_id, intent in image.intents.items() if _is_orphan(intent, image)],
        deleted=[(topic_id, entry) for topic_id, entry in image.deleted.items() if _waits_in_vain(entry, image)],
        history=outdated(image.history),
    )


def _partition_changes(
    image: ClusterImage, projected: dict[int, BrokerImage], rules: Rules, dead: Container[int]
) -> Iterator[PartitionChange]:
    """Evidence alone never makes a partition leaderless: where nobody else may lead, its leader's lease decides."""
    gray = gray_brokers(image)
    for topic in image.topics.values():
        min_isr, unclean_allowed = rules.min_isr(topic), rules.unclean_allowed(topic)
        for index, partition in enumerate(topic.partitions):
            if _is_settled(partition, projected, min_isr) and partition.leader not in gray:
                continue
            is_dead = partition.leader in dead
            election = elect(partition, projected, unclean_allowed=unclean_allowed and not is_dead, avoided=gray)
            if is_dead and election is not None and election.kind == "none":
                continue
            record = with_min_isr(to_record(partition) if election is None else election.record, min_isr)
            if election is not None or record != to_record(partition):
                yield PartitionChange(topic, index, partition, Election(record, election.kind if election else "isr"))


def _is_settled(partition: PartitionImage, brokers: dict[int, BrokerImage], min_isr: int) -> bool:
    """The quick check that spares most partitions the rest: led, everybody in the ISR present as recorded, no ELR."""
    if partition.min_isr != min_isr or partition.elr or partition.leader not in partition.isr:
        return False
    for broker_id, epoch in zip(partition.isr, partition.isr_epochs, strict=True):
        broker = brokers.get(broker_id)
        if broker is None or broker.epoch != epoch or not broker.is_active:
            return False
    leader = brokers.get(partition.leader)
    return leader is not None and leader.epoch == partition.leader_broker_epoch


def _is_orphan(intent: IntentEntry, image: ClusterImage) -> bool:
    """Whoever began it is no longer there in the epoch it began in."""
    return image.live.get(intent.record.broker) != intent.record.broker_epoch


def _waits_in_vain(entry: DeletedEntry, image: ClusterImage) -> bool:
    """It waits for a broker that is no longer registered."""
    return any(broker not in image.brokers for broker in entry.record.waiting)


def abandoned_intents(
    image: ClusterImage, broker_id: int, broker_epoch: int, in_progress: Container[UUID]
) -> list[tuple[UUID, IntentEntry]]:
    """What this broker began and is no longer working on (the store did not answer in time): its own to settle."""
    return [
        (topic_id, intent)
        for topic_id, intent in image.intents.items()
        if (intent.record.broker, intent.record.broker_epoch) == (broker_id, broker_epoch)
        and topic_id not in in_progress
    ]
