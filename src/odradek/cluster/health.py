"""How the partitions of a cluster are: counted over all of them, once for each image that somebody asks about."""

from dataclasses import dataclass

from odradek.cluster.image import NO_LEADER, ClusterImage, PartitionImage


@dataclass(frozen=True, slots=True)
class PartitionHealth:
    """Numbers of partitions. Names and rules are those of Kafka's metrics of the controller and of replication."""

    partitions: int = 0
    offline: int = 0
    """Without a leader: nobody can write or read them."""
    under_replicated: int = 0
    """Fewer replicas are in sync than it has; those that are only being added do not count (KIP-455)."""
    under_min_isr: int = 0
    """acks=all is refused."""
    at_min_isr: int = 0
    """acks=all would be refused if one more left."""
    led_elsewhere: int = 0
    """Not led by the preferred leader."""


def health_of(image: ClusterImage) -> PartitionHealth:
    """Takes some 0.5 us for each partition."""
    partitions = offline = under_replicated = under_min_isr = at_min_isr = led_elsewhere = 0
    for topic in image.topics.values():
        for each in topic.partitions:
            in_sync, needed = len(each.isr), min(each.min_isr, _copies(each))
            partitions += 1
            offline += each.leader == NO_LEADER
            under_replicated += in_sync < _copies(each)
            under_min_isr += in_sync < needed
            at_min_isr += in_sync == needed
            led_elsewhere += each.leader != each.replicas[0]
    return PartitionHealth(partitions, offline, under_replicated, under_min_isr, at_min_isr, led_elsewhere)


def _copies(partition: PartitionImage) -> int:
    return len(partition.replicas) - len(partition.adding)


class HealthOf:
    """The numbers of the latest image that was asked about: several are read at the same time."""

    def __init__(self) -> None:
        self._image: ClusterImage | None = None
        self._health = PartitionHealth()

    def __call__(self, image: ClusterImage) -> PartitionHealth:
        if image is not self._image:
            self._image, self._health = image, health_of(image)
        return self._health
