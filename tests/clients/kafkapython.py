"""kafka-python."""

from collections.abc import Sequence

from kafka import KafkaConsumer, TopicPartition

from tests.clients.members import KafkaPythonMember
from tests.clients.readers import KafkaPythonReader
from tests.clients.received import from_python
from tests.clients.vocabulary import Membership, Reading, Received, Sent, Writing
from tests.clients.writers import KafkaPythonWriter, write_all

DEADLINE_S = 30.0


class KafkaPython:
    name = "kafka-python"

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap

    def writer(self, writing: Writing) -> KafkaPythonWriter:
        return KafkaPythonWriter(self._bootstrap, writing)

    def produce(
        self, topic: str, records: Sequence[Sent], *, compression: str = "none", idempotent: bool = False
    ) -> list[int]:
        return write_all(self.writer(Writing(compression, idempotent=idempotent)), topic, records)

    def reader(self, reading: Reading) -> KafkaPythonReader:
        return KafkaPythonReader(self._bootstrap, reading)

    def read(self, topic: str, partition: int, *, offset: int = 0, count: int) -> list[Received]:
        consumer = KafkaConsumer(bootstrap_servers=self._bootstrap, consumer_timeout_ms=int(DEADLINE_S * 1000))
        try:
            consumer.assign([TopicPartition(topic, partition)])
            consumer.seek(TopicPartition(topic, partition), offset)
            records = [from_python(record) for _, record in zip(range(count), consumer, strict=False)]
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
        return KafkaPythonMember(self._bootstrap, membership)
