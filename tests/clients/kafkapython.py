"""kafka-python."""

from collections.abc import Sequence
from typing import Any

from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor
from kafka.coordinator.assignors.range import RangePartitionAssignor
from kafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor

from tests.clients.vocabulary import Membership, Received, Sent

ASSIGNORS = {
    "range": RangePartitionAssignor,
    "roundrobin": RoundRobinPartitionAssignor,
    "cooperative": CooperativeStickyAssignor,
}
DEADLINE_S = 30.0


def received(record: Any) -> Received:
    headers = tuple((name, bytes(value or b"")) for name, value in record.headers or ())
    return Received(record.partition, record.offset, record.timestamp, record.key, record.value, headers)


class KafkaPythonMember:
    def __init__(self, consumer: Any) -> None:
        self._consumer = consumer

    def poll(self) -> list[Received]:
        batches = self._consumer.poll(timeout_ms=200)
        return [received(record) for records in batches.values() for record in records]

    def assignment(self) -> set[int]:
        return {owned.partition for owned in self._consumer.assignment()}

    def commit(self) -> None:
        self._consumer.commit()

    def close(self) -> None:
        self._consumer.close(autocommit=False)


class KafkaPython:
    name = "kafka-python"

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap

    def produce(
        self, topic: str, records: Sequence[Sent], *, compression: str = "none", idempotent: bool = False
    ) -> list[int]:
        producer = KafkaProducer(
            bootstrap_servers=self._bootstrap,
            compression_type=None if compression == "none" else compression,
            enable_idempotence=idempotent,
            acks="all",
            linger_ms=5,
        )
        try:
            futures = [
                producer.send(
                    topic,
                    value=record.value,
                    key=record.key,
                    partition=record.partition,
                    headers=list(record.headers),
                    timestamp_ms=record.timestamp_ms,
                )
                for record in records
            ]
            producer.flush(DEADLINE_S)
            return [future.get(DEADLINE_S).offset for future in futures]
        finally:
            producer.close(DEADLINE_S)

    def read(self, topic: str, partition: int, *, offset: int = 0, count: int) -> list[Received]:
        consumer = KafkaConsumer(bootstrap_servers=self._bootstrap, consumer_timeout_ms=int(DEADLINE_S * 1000))
        try:
            consumer.assign([TopicPartition(topic, partition)])
            consumer.seek(TopicPartition(topic, partition), offset)
            records = [received(record) for _, record in zip(range(count), consumer, strict=False)]
            assert len(records) == count, f"got {len(records)} of {count} records"
            return records
        finally:
            consumer.close()

    def offset_for_time(self, topic: str, partition: int, timestamp_ms: int) -> int | None:
        consumer = KafkaConsumer(bootstrap_servers=self._bootstrap)
        try:
            found = consumer.offsets_for_times({TopicPartition(topic, partition): timestamp_ms})
            answer = found[TopicPartition(topic, partition)]
            return None if answer is None else int(answer.offset)
        finally:
            consumer.close()

    def join(self, membership: Membership) -> KafkaPythonMember:
        return KafkaPythonMember(
            KafkaConsumer(
                *membership.topics,
                bootstrap_servers=self._bootstrap,
                group_id=membership.group,
                group_instance_id=membership.instance_id,
                partition_assignment_strategy=[ASSIGNORS[membership.assignor]],
                session_timeout_ms=membership.session_timeout_ms,
                heartbeat_interval_ms=500,
                enable_auto_commit=False,
                auto_offset_reset="earliest",
            )
        )
