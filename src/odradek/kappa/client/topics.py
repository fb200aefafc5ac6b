"""What topics there are, and from where to where they can be read now."""

from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from difflib import get_close_matches
from typing import Any, NamedTuple

from confluent_kafka import KafkaException, TopicCollection, TopicPartition
from confluent_kafka import admin as _admin

from odradek.kappa.client.errors import LogError, UnknownTopicError, told

_untyped: Any = _admin
TIMEOUT_S = 15.0
"""Of one request."""


class Range(NamedTuple):
    """Offsets of one partition, the end exclusive."""

    start: int
    end: int


class Identity(NamedTuple):
    """Which log it is: a topic made again under its name is another one."""

    cluster_id: str
    topic_id: str


class Topics:
    """Asks a cluster; `settings` are librdkafka's, the bootstrap servers among them."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._admin = _untyped.AdminClient({"log_level": 0, "client.id": "odradek-kappa", **settings})

    def identity(self, topic: str) -> Identity:
        """Raises UnknownTopicError."""
        self.partitions(topic)
        try:
            cluster = self._admin.describe_cluster(request_timeout=TIMEOUT_S).result()
            asked = TopicCollection([topic])
            described = self._admin.describe_topics(asked, request_timeout=TIMEOUT_S)[topic].result()
        except KafkaException as error:
            raise LogError(f"{topic} cannot be described: {told(error)}") from error
        return Identity(cluster.cluster_id, str(described.topic_id))

    def partitions(self, topic: str) -> list[int]:
        """Raises UnknownTopicError."""
        try:
            found = self._admin.list_topics(timeout=TIMEOUT_S).topics
        except KafkaException as error:
            raise LogError(f"the topics cannot be listed: {told(error)}") from error
        if topic not in found:
            near = get_close_matches(topic, [name for name in found if not name.startswith("__")], 1)
            raise UnknownTopicError(f"there is no topic {topic}" + (f"; did you mean {near[0]}?" if near else ""))
        return sorted(found[topic].partitions)

    def bounds(self, topic: str) -> dict[int, Range]:
        """What each partition holds now, up to its high watermark."""
        partitions = self.partitions(topic)
        starts = self._offsets(topic, partitions, _untyped.OffsetSpec.earliest())
        ends = self._offsets(topic, partitions, _untyped.OffsetSpec.latest())
        return {partition: Range(starts[partition], ends[partition]) for partition in partitions}

    def offsets_at(self, topic: str, partitions: Iterable[int], timestamp_ms: int) -> dict[int, int]:
        """The first offset of each whose timestamp is that or later; -1 where there is none."""
        return self._offsets(topic, partitions, _untyped.OffsetSpec.for_timestamp(timestamp_ms))

    def _offsets(self, topic: str, partitions: Iterable[int], spec: object) -> dict[int, int]:
        asked = {TopicPartition(topic, partition): spec for partition in partitions}
        answers: dict[TopicPartition, Future[Any]] = self._admin.list_offsets(asked, request_timeout=TIMEOUT_S)
        try:
            return {part.partition: int(answer.result().offset) for part, answer in answers.items()}
        except KafkaException as error:
            raise LogError(f"the offsets of {topic} cannot be read: {told(error)}") from error
