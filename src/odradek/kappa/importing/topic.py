"""The topic an import writes to, as its brokers describe it, and what of the import is in it already."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicCollection, TopicPartition
from confluent_kafka import admin as _admin

from odradek.kappa.errors import KappaError
from odradek.kappa.importing.state import Position

VIEW_HEADER, EPOCH_HEADER, SEQ_HEADER = "odr-view", "odr-epoch", "odr-seq"
REQUEST_TIMEOUT_S = 15.0
READ_BATCH = 10_000
# librdkafka writes its own lines to stderr; what matters of them comes back as errors.
_QUIET = {"log_level": 0, "client.id": "odradek-import"}
_untyped: Any = _admin


@dataclass(frozen=True, slots=True)
class TopicFacts:
    """What must stay the same while an import runs."""

    cluster_id: str
    topic_id: str
    partitions: int
    max_message_bytes: int


class TargetTopic:
    """Asks and reads one topic. Methods raise KappaError for what a person can mend, else KafkaException."""

    def __init__(self, bootstrap: str, topic: str, wait_s: float) -> None:
        self.topic = topic
        self.config = {"bootstrap.servers": bootstrap, **_QUIET}
        self._wait_s = wait_s
        self._admin = _untyped.AdminClient(self.config)

    def create(self, partitions: int) -> None:
        """Make the topic unless it is there."""
        made = self._admin.create_topics([_untyped.NewTopic(self.topic, partitions)], request_timeout=REQUEST_TIMEOUT_S)
        try:
            made[self.topic].result()
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise

    def describe(self) -> TopicFacts:
        """The facts of now; raises KappaError when there is no such topic."""
        described = self._admin.describe_topics(TopicCollection([self.topic]), request_timeout=REQUEST_TIMEOUT_S)[
            self.topic
        ]
        cluster = self._admin.describe_cluster(request_timeout=REQUEST_TIMEOUT_S)
        resource = _untyped.ConfigResource(_untyped.ResourceType.TOPIC, self.topic)
        configs = self._admin.describe_configs([resource], request_timeout=REQUEST_TIMEOUT_S)[resource]
        try:
            found = described.result()
        except KafkaException as error:
            if error.args[0].code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
                raise
            raise KappaError(f"--topic {self.topic}: no such topic; --create-partitions N makes it") from None
        limit = int(configs.result()["max.message.bytes"].value)
        return TopicFacts(str(cluster.result().cluster_id), str(found.topic_id), len(found.partitions), limit)

    def log_ends(self, partitions: int) -> list[int]:
        """The offset after the last record, by partition."""
        asked = {TopicPartition(self.topic, index): _untyped.OffsetSpec.latest() for index in range(partitions)}
        answers = self._admin.list_offsets(asked, request_timeout=REQUEST_TIMEOUT_S)
        by_partition = {partition.partition: future.result().offset for partition, future in answers.items()}
        return [by_partition[index] for index in range(partitions)]

    def settled_ends(self, partitions: int, settle_s: float) -> list[int]:
        """Log ends that stayed for that long: requests of a killed process may still be on their way.

        A topic that others write to never rests; ends older than `wait_s` of that are taken as they are.
        """
        ends, since = self.log_ends(partitions), time.monotonic()
        deadline = since + max(self._wait_s, settle_s)
        while time.monotonic() - since < settle_s and time.monotonic() < deadline:
            time.sleep(min(0.1, settle_s))
            if (now := self.log_ends(partitions)) != ends:
                ends, since = now, time.monotonic()
        return ends

    def highest(self, import_id: str, positions: tuple[Position, ...], ends: list[int]) -> tuple[Position, ...]:
        """Each partition's position after reading it from the stored one to the given end."""
        seqs = [position.seq for position in positions]
        unread = {index for index, position in enumerate(positions) if position.offset < ends[index]}
        if unread:
            consumer = Consumer(
                self.config
                | {
                    "group.id": "odradek-import",
                    "enable.auto.commit": False,
                    "enable.partition.eof": True,
                    "auto.offset.reset": "earliest",
                    # Aborted records do not occur: an import writes without transactions.
                    "isolation.level": "read_uncommitted",
                }
            )
            try:
                consumer.assign([TopicPartition(self.topic, index, positions[index].offset) for index in unread])
                self._read(consumer, import_id.encode(), ends, seqs, unread)
            finally:
                consumer.close()
        return tuple(Position(end, seq) for end, seq in zip(ends, seqs, strict=True))

    def _read(self, consumer: Any, view: bytes, ends: list[int], seqs: list[int], unread: set[int]) -> None:
        heard = time.monotonic()
        while unread:
            messages = consumer.consume(READ_BATCH, timeout=0.2)
            if messages:
                heard = time.monotonic()
            elif time.monotonic() - heard > self._wait_s:
                raise KappaError(f"topic {self.topic} could not be read for {self._wait_s:g} s; start the import again")
            for message in messages:
                partition = message.partition()
                if (error := message.error()) is None:
                    seqs[partition] = max(seqs[partition], seq_of(message.headers(), view))
                elif error.code() != KafkaError._PARTITION_EOF:
                    raise KafkaException(error)
                if error is not None or message.offset() + 1 >= ends[partition]:
                    unread.discard(partition)


def seq_of(headers: list[tuple[str, bytes]] | None, view: bytes) -> int:
    """The seq of a record of that import; -1 for anybody else's."""
    found = dict(headers or ())
    seq = found.get(SEQ_HEADER)
    return int(seq) if found.get(VIEW_HEADER) == view and seq is not None and seq.isdigit() else -1
