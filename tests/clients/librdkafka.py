"""confluent-kafka (librdkafka)."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition

from tests.clients.vocabulary import Membership, Received, Sent

ASSIGNORS = {"range": "range", "roundrobin": "roundrobin", "cooperative": "cooperative-sticky"}
DEADLINE_S = 30.0


def received(message: Any) -> Received:
    headers = tuple((str(name), bytes(value or b"")) for name, value in message.headers() or ())
    partition, offset, timestamp = message.partition(), message.offset(), message.timestamp()[1]
    assert partition is not None
    assert offset is not None
    return Received(partition, offset, timestamp, _bytes(message.key()), _bytes(message.value()), headers)


def _bytes(value: Any) -> bytes | None:
    return value.encode() if isinstance(value, str) else value


class LibrdkafkaMember:
    def __init__(self, consumer: Consumer, topics: tuple[str, ...]) -> None:
        self._consumer = consumer
        consumer.subscribe(list(topics))

    def poll(self) -> list[Received]:
        messages = self._consumer.consume(num_messages=500, timeout=0.2)
        for message in messages:
            error = message.error()
            assert error is None or error.code() == KafkaError._PARTITION_EOF, error
        return [received(message) for message in messages if message.error() is None]

    def assignment(self) -> set[int]:
        return {int(owned.partition) for owned in self._consumer.assignment()}

    def commit(self) -> None:
        self._consumer.commit(asynchronous=False)

    def close(self) -> None:
        self._consumer.close()


class Librdkafka:
    name = "confluent-kafka"

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap

    def produce(
        self, topic: str, records: Sequence[Sent], *, compression: str = "none", idempotent: bool = False
    ) -> list[int]:
        producer = Producer(
            {
                "bootstrap.servers": self._bootstrap,
                "compression.type": compression,
                "enable.idempotence": idempotent,
                "acks": "all",
                "linger.ms": 5,
            }
        )
        offsets: list[int] = [-1] * len(records)

        def report(index: int) -> Callable[[KafkaError | None, Any], None]:
            def delivered(error: KafkaError | None, message: Any) -> None:
                assert error is None, error
                offsets[index] = message.offset()

            return delivered

        for index, record in enumerate(records):
            extra: Any = {"timestamp": record.timestamp_ms} if record.timestamp_ms is not None else {}
            producer.produce(
                topic,
                value=record.value,
                key=record.key,
                partition=record.partition,
                headers=list(record.headers),
                on_delivery=report(index),
                **extra,
            )
            producer.poll(0)
        assert producer.flush(DEADLINE_S) == 0, "records were not delivered in time"
        return offsets

    def read(self, topic: str, partition: int, *, offset: int = 0, count: int) -> list[Received]:
        consumer = self._consumer("reader-without-a-group")
        try:
            consumer.assign([TopicPartition(topic, partition, offset)])
            messages: list[Any] = []
            while len(messages) < count:
                batch = consumer.consume(num_messages=count - len(messages), timeout=DEADLINE_S)
                assert batch, f"got {len(messages)} of {count} records"
                messages += batch
            return [received(message) for message in messages]
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
        extra: Any = {"group.instance.id": membership.instance_id} if membership.instance_id else {}
        consumer = self._consumer(
            membership.group,
            {
                "partition.assignment.strategy": ASSIGNORS[membership.assignor],
                "session.timeout.ms": membership.session_timeout_ms,
                "heartbeat.interval.ms": 500,
                **extra,
            },
        )
        return LibrdkafkaMember(consumer, membership.topics)

    def _consumer(self, group: str, extra: Mapping[str, str | int] = MappingProxyType({})) -> Consumer:
        return Consumer(
            {
                "bootstrap.servers": self._bootstrap,
                "group.id": group,
                "enable.auto.commit": False,
                "auto.offset.reset": "earliest",
                **extra,
            }
        )
