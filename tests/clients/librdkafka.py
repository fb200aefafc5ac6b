"""confluent-kafka (librdkafka)."""

from collections.abc import Sequence
from typing import Any

from confluent_kafka import Consumer, TopicPartition

from tests.clients.members import LibrdkafkaMember
from tests.clients.readers import LibrdkafkaReader
from tests.clients.received import from_librdkafka
from tests.clients.vocabulary import Membership, Reading, Received, Sent, Writing
from tests.clients.writers import LibrdkafkaWriter, write_all

DEADLINE_S = 30.0


class Librdkafka:
    name = "confluent-kafka"

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap

    def writer(self, writing: Writing) -> LibrdkafkaWriter:
        return LibrdkafkaWriter(self._bootstrap, writing)

    def produce(
        self, topic: str, records: Sequence[Sent], *, compression: str = "none", idempotent: bool = False
    ) -> list[int]:
        return write_all(self.writer(Writing(compression, idempotent=idempotent)), topic, records)

    def reader(self, reading: Reading) -> LibrdkafkaReader:
        return LibrdkafkaReader(self._bootstrap, reading)

    def read(self, topic: str, partition: int, *, offset: int = 0, count: int) -> list[Received]:
        consumer = self._consumer("reader-without-a-group")
        try:
            consumer.assign([TopicPartition(topic, partition, offset)])
            messages: list[Any] = []
            while len(messages) < count:
                batch = consumer.consume(num_messages=count - len(messages), timeout=DEADLINE_S)
                assert batch, f"got {len(messages)} of {count} records"
                messages += batch
            return [from_librdkafka(message) for message in messages]
        finally:
            consumer.close()

    def offset_for_time(self, topic: str, partition: int, timestamp_ms: int) -> int | None:
        consumer = self._consumer("asks-for-times")
        try:
            (found,) = consumer.offsets_for_times([TopicPartition(topic, partition, timestamp_ms)], timeout=DEADLINE_S)
            return found.offset if found.offset >= 0 else None
        finally:
            consumer.close()

    def join(self, membership: Membership) -> LibrdkafkaMember:
        return LibrdkafkaMember(self._bootstrap, membership)

    def _consumer(self, group: str) -> Consumer:
        settings = {"bootstrap.servers": self._bootstrap, "group.id": group, "enable.auto.commit": False}
        return Consumer({**settings, "auto.offset.reset": "earliest"})
