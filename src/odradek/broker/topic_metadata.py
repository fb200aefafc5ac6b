"""What clients are told of topics and brokers, encoded once per change of the cluster's image.

A topic's bytes are kept for as long as its `TopicImage` is the same object and the brokers are the same; the answer to
"all topics" for as long as the image is. So a client that polls metadata of many topics costs a dictionary lookup.
"""

from collections.abc import Callable, Mapping
from uuid import UUID

from kio.schema.errors import ErrorCode

from odradek.cluster.image import BrokerImage, ClusterImage, PartitionImage, TopicImage
from odradek.wire.metadata_codec import (
    described_partition,
    metadata_broker,
    metadata_partition,
    metadata_response,
    metadata_topic,
)

INTERNAL_TOPICS = frozenset(("__consumer_offsets", "__transaction_state", "__share_group_state"))
NO_LEADER = -1

Ids = tuple[int, ...]
View = tuple[int, str, int]
"""Version, listener and authorized operations of an answer."""
CACHED_ANSWERS_MAX = 64
"""Views whose encodings are kept at a time."""


class TopicMetadata:
    """The cache. `image` gives the current image; everything else follows from that."""

    def __init__(self, image: Callable[[], ClusterImage]) -> None:
        self._image = image
        self._brokers: Mapping[int, BrokerImage] = {}
        self._topics: dict[View, dict[UUID, tuple[TopicImage, bytes]]] = {}
        self._all: dict[View, tuple[ClusterImage, bytes]] = {}

    def all_topics(self, version: int, listener: str, operations: int, cluster_operations: int) -> bytes:
        """The body of a Metadata response with every topic."""
        image = self._image()
        view = (version, listener, operations)
        cached = self._all.get(view)
        if cached is not None and cached[0] is image and cluster_operations < 0:
            return cached[1]
        topics = [self.topic(image, topic, view) for topic in image.topics.values()]
        body = self.response(version, listener, topics, cluster_operations)
        if cluster_operations < 0:
            self._forget_when_many()
            self._all[view] = (image, body)
        return body

    def topics(self, names: list[TopicImage], view: View) -> list[bytes]:
        """One encoded MetadataResponseTopic each."""
        image = self._image()
        return [self.topic(image, topic, view) for topic in names]

    def topic(self, image: ClusterImage, topic: TopicImage, view: View) -> bytes:
        """An encoded MetadataResponseTopic."""
        self._forget_if_brokers_changed(image)
        encoded = self._topics.setdefault(view, {})
        cached = encoded.get(topic.topic_id)
        if cached is not None and cached[0] is topic:
            return cached[1]
        if len(encoded) > 2 * len(image.topics):
            encoded.clear()
        body = _encode_topic(image, topic, *view)
        encoded[topic.topic_id] = (topic, body)
        return body

    def response(self, version: int, listener: str, topics: list[bytes], cluster_operations: int) -> bytes:
        """The body of a Metadata response with these topics."""
        image = self._image()
        brokers = [
            metadata_broker(version, broker.broker_id, host, port, broker.rack)
            for broker, host, port in reachable_brokers(image, listener)
        ]
        controller = controller_id(image, listener)
        return metadata_response(version, brokers, image.cluster_id, controller, topics, cluster_operations)

    def _forget_if_brokers_changed(self, image: ClusterImage) -> None:
        if image.brokers is not self._brokers:
            self._brokers = image.brokers
            self._topics.clear()

    def _forget_when_many(self) -> None:
        if len(self._all) >= CACHED_ANSWERS_MAX:
            self._all.clear()
        if len(self._topics) > CACHED_ANSWERS_MAX:
            self._topics.clear()


def reachable_brokers(
    image: ClusterImage, listener: str, *, include_fenced: bool = False
) -> list[tuple[BrokerImage, str, int]]:
    """Unfenced brokers (or all) with where they are reached under that listener name, by id."""
    found = []
    for broker_id in sorted(image.brokers):
        broker = image.brokers[broker_id]
        endpoint = broker.endpoint(listener)
        if endpoint is not None and (include_fenced or not broker.fenced):
            found.append((broker, endpoint.host, endpoint.port))
    return found


def controller_id(image: ClusterImage, listener: str) -> int:
    """Any broker takes administrative requests; the controller itself where clients can reach it."""
    reachable = [broker.broker_id for broker, _, _ in reachable_brokers(image, listener)]
    if image.controller_id in reachable:
        return image.controller_id
    return reachable[0] if reachable else -1


def leader_of(image: ClusterImage, partition: PartitionImage, listener: str) -> tuple[int, ErrorCode]:
    """The leader as a client can use it, and why there is none."""
    leader = image.brokers.get(partition.leader)
    if leader is None or leader.fenced:
        return NO_LEADER, ErrorCode.leader_not_available
    if leader.endpoint(listener) is None:
        return NO_LEADER, ErrorCode.listener_not_found
    return partition.leader, ErrorCode.none


def offline_replicas(image: ClusterImage, partition: PartitionImage, listener: str) -> Ids:
    """Replicas whose broker is unknown, fenced, or not reachable under that listener name."""
    return tuple(broker_id for broker_id in partition.replicas if not _is_online(image, broker_id, listener))


def describe_partition(image: ClusterImage, index: int, partition: PartitionImage, listener: str) -> bytes:
    """An encoded DescribeTopicPartitionsResponsePartition; the last known ELR is who led a partition without leader."""
    leader, _ = leader_of(image, partition, listener)
    is_leaderless = partition.leader == NO_LEADER and partition.last_leader != NO_LEADER
    return described_partition(
        index,
        leader,
        partition.leader_epoch,
        partition.replicas,
        partition.isr,
        partition.elr,
        (partition.last_leader,) if is_leaderless else (),
        offline_replicas(image, partition, listener),
    )


def _encode_topic(image: ClusterImage, topic: TopicImage, version: int, listener: str, operations: int) -> bytes:
    partitions = [
        _encode_partition(image, index, each, version, listener) for index, each in enumerate(topic.partitions)
    ]
    is_internal = topic.name in INTERNAL_TOPICS
    return metadata_topic(version, ErrorCode.none, topic.name, topic.topic_id, is_internal, partitions, operations)


def _encode_partition(image: ClusterImage, index: int, partition: PartitionImage, version: int, listener: str) -> bytes:
    leader, error = leader_of(image, partition, listener)
    offline = offline_replicas(image, partition, listener)
    if error is ErrorCode.listener_not_found and version < 6:
        error = ErrorCode.leader_not_available
    replicas, isr = partition.replicas, partition.isr
    if version == 0:
        replicas, isr, error = _only_online(replicas, isr, offline, error)
    return metadata_partition(version, error, index, leader, partition.leader_epoch, replicas, isr, offline)


def _only_online(replicas: Ids, isr: Ids, offline: Ids, error: ErrorCode) -> tuple[Ids, Ids, ErrorCode]:
    """Version 0 leaves out replicas that are away, and says so."""
    if not offline:
        return replicas, isr, error
    if error is ErrorCode.none:
        error = ErrorCode.replica_not_available
    present = tuple(each for each in replicas if each not in offline)
    return present, tuple(each for each in isr if each not in offline), error


def _is_online(image: ClusterImage, broker_id: int, listener: str) -> bool:
    broker = image.brokers.get(broker_id)
    return broker is not None and not broker.fenced and broker.endpoint(listener) is not None
