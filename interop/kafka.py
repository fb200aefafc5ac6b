"""One broker and Kafka's tools, as a test sees them."""

from collections.abc import Iterable

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from interop.runner import TOOL_TIMEOUT_S, Outcome, ToolRunner
from interop.table import Tried

WITHOUT_BOOTSTRAP = {"kafka-dump-log", "kafka-e2e-latency"}
"""Tools that have no option `--bootstrap-server`."""

BOOTSTRAP_FIRST = {"kafka-features", "kafka-transactions", "kafka-metadata-quorum"}
"""Tools that take it before the name of what they shall do."""


class Kafka:
    """The broker under test: tools, which the table lists, and a client that prepares and looks, which it does not."""

    def __init__(self, bootstrap: str, runner: ToolRunner, tried: Tried) -> None:
        self.bootstrap = bootstrap
        self._runner = runner
        self._tried = tried

    def run(
        self, tool: str, *arguments: object, stdin: bytes = b"", timeout_s: float = TOOL_TIMEOUT_S, code: int = 0
    ) -> Outcome:
        """Run a tool and check its exit code; `--bootstrap-server` is added where the tool has it."""
        words = [str(argument) for argument in arguments]
        if tool not in WITHOUT_BOOTSTRAP:
            place = 0 if tool in BOOTSTRAP_FIRST else len(words)
            words[place:place] = ["--bootstrap-server", self.bootstrap]
        self._tried.note(tool, words)
        outcome = self._runner.run(tool, words, stdin=stdin, timeout_s=timeout_s)
        assert outcome.code == code, f"{tool} {' '.join(words)}: exit code {outcome.code}\n{outcome.text}"
        return outcome

    def produce(self, topic: str, values: Iterable[bytes], *, partition: int = 0, timestamp: int = 0) -> None:
        """One batch per value; a timestamp of 0 is the time of now."""
        producer = Producer({"bootstrap.servers": self.bootstrap, "linger.ms": 0})
        for value in values:
            producer.produce(topic, value, partition=partition, timestamp=timestamp)
            assert producer.flush(30) == 0

    def commit(self, group: str, topic: str, offsets: dict[int, int]) -> None:
        """Commit offsets of a group without members."""
        consumer = Consumer({"bootstrap.servers": self.bootstrap, "group.id": group, "enable.auto.commit": False})
        positions = [TopicPartition(topic, partition, offset) for partition, offset in offsets.items()]
        consumer.commit(offsets=positions, asynchronous=False)
        consumer.close()

    def committed(self, group: str, topic: str, partitions: int = 1) -> dict[int, int]:
        """Partition to committed offset, without those that have none."""
        consumer = Consumer({"bootstrap.servers": self.bootstrap, "group.id": group, "enable.auto.commit": False})
        found = consumer.committed([TopicPartition(topic, index) for index in range(partitions)], timeout=30)
        consumer.close()
        return {position.partition: position.offset for position in found if position.offset >= 0}

    def delete_records(self, topic: str, before: dict[int, int]) -> None:
        """Advance the log start of each partition to an offset."""
        admin = AdminClient({"bootstrap.servers": self.bootstrap})
        positions = [TopicPartition(topic, partition, offset) for partition, offset in before.items()]
        for future in admin.delete_records(positions).values():
            future.result(timeout=30)
