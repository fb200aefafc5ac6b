"""Cluster images and their differences, as the metadata store would bring them."""

from collections.abc import Sequence
from uuid import UUID

from odradek.cluster.image import ClusterImage, ImageDelta, PartitionDelta, PartitionImage, TopicImage

BROKER_ID = 1
BROKER_EPOCH = 100


def partition_image(
    leader_epoch: int = 0,
    *,
    leader: int = BROKER_ID,
    broker_epoch: int = BROKER_EPOCH,
    replicas: tuple[int, ...] = (BROKER_ID,),
    isr: tuple[int, ...] = (BROKER_ID,),
    min_isr: int = 1,
    mod_revision: int | None = None,
) -> PartitionImage:
    epochs = tuple(broker_epoch for _ in isr)
    revision = leader_epoch + 1 if mod_revision is None else mod_revision
    return PartitionImage(
        replicas, (), (), leader, broker_epoch, leader_epoch, isr, epochs, (), (), min_isr, leader, revision
    )


def topic_image(name: str, topic_id: UUID, *partitions: PartitionImage, **configs: str) -> TopicImage:
    """Configuration keys with underscores for dots."""
    overrides = {key.replace("_", "."): value for key, value in configs.items()}
    return TopicImage(name, topic_id, partitions, overrides, 1)


def image_of(revision: int, *topics: TopicImage, deleted: Sequence[UUID] = ()) -> ClusterImage:
    return ClusterImage(
        "cluster-1",
        revision,
        topics={topic.name: topic for topic in topics},
        topics_by_id={topic.topic_id: topic for topic in topics},
        parts={topic.topic_id: dict(enumerate(topic.partitions)) for topic in topics},
        deleted=dict.fromkeys(deleted),  # type: ignore[arg-type]
    )


def delta(before: ClusterImage, after: ClusterImage, *, configs: tuple[tuple[str, str], ...] = ()) -> ImageDelta:
    """What changed, as the image builder says it."""
    created = tuple(topic for topic_id, topic in after.topics_by_id.items() if topic_id not in before.topics_by_id)
    gone = tuple(topic for topic_id, topic in before.topics_by_id.items() if topic_id not in after.topics_by_id)
    changes = []
    for topic_id, topic in after.topics_by_id.items():
        earlier = before.topics_by_id.get(topic_id)
        for index, partition in enumerate(topic.partitions):
            known = earlier is not None and index < len(earlier.partitions)
            old = earlier.partitions[index] if earlier is not None and known else None
            if old != partition:
                changes.append(PartitionDelta(topic, index, old, partition))
    for topic in gone:
        changes += [PartitionDelta(topic, index, each, None) for index, each in enumerate(topic.partitions)]
    return ImageDelta(before, after, created, gone, tuple(changes), configs, (), False, False)
