"""A real producer at a steady rate, and what became of its records."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import NamedTuple

from confluent_kafka import Consumer, KafkaError, Message, Producer, TopicPartition

from odradek.benchmark.errors import BenchError

RECORDS_PER_S = 1_000
_CHECK_S = 0.005
_FLUSH_S = 60.0
_READ_S = 60.0


class Acknowledged(NamedTuple):
    """A record whose delivery was told. `at` is of time.perf_counter."""

    at: float
    number: int


def longest_silence_s(acknowledged: Sequence[Acknowledged], since: float) -> float:
    """The longest time between two acknowledgements, of which the later one came after `since`."""
    return max(after.at - before.at for before, after in pairwise(acknowledged) if after.at > since)


class Traffic:
    """librdkafka's producer with acks=all and idempotence, everything else default; numbered records to each partition
    in turn."""

    def __init__(self, bootstrap: str, topic: str, partitions: int) -> None:
        self._bootstrap, self._topic = bootstrap, topic
        settings = {"bootstrap.servers": bootstrap, "acks": "all", "enable.idempotence": True, "log_level": 0}
        self._producer = Producer(settings)
        self.sent = 0
        self.acknowledged: dict[int, list[Acknowledged]] = {partition: [] for partition in range(partitions)}
        self._failed: list[str] = []

    def run_until(self, condition: Callable[[], bool], timeout_s: float, what: str) -> None:
        """Send at the steady rate until the condition holds. Raises BenchError when it does not in time."""
        begin, sent_before, checked_at = time.perf_counter(), self.sent, 0.0
        while True:
            now = time.perf_counter()
            if now - checked_at >= _CHECK_S:
                checked_at = now
                if condition():
                    return
                if now - begin > timeout_s:
                    raise BenchError(f"{what} did not come within {timeout_s:g} s")
            while self.sent - sent_before < (now - begin) * RECORDS_PER_S:
                self._send()
            self._producer.poll(1 / RECORDS_PER_S)

    def lost(self) -> int:
        """Records that were acknowledged and are not there to be read. Raises BenchError for undelivered ones and for
        records that are there twice, which idempotence excludes."""
        if self._producer.flush(_FLUSH_S) or self._failed:
            raise BenchError(f"records were not delivered: {self._failed[:1]}")
        expected = {each.number for acknowledged in self.acknowledged.values() for each in acknowledged}
        there = Counter(self._read_all())
        twice = [number for number, count in there.items() if count > 1]
        if twice:
            raise BenchError(f"{len(twice)} records are there twice, {twice[0]} for one")
        return len(expected - set(there))

    def _send(self) -> None:
        partition = self.sent % len(self.acknowledged)
        self._producer.produce(self._topic, b"%d" % self.sent, partition=partition, on_delivery=self._note)
        self.sent += 1

    def _note(self, error: KafkaError | None, message: Message) -> None:
        if error is not None:
            self._failed.append(str(error))
            return
        partition, value = message.partition(), message.value()
        assert partition is not None
        assert value is not None
        self.acknowledged[partition].append(Acknowledged(time.perf_counter(), int(value)))

    def _read_all(self) -> list[int]:
        settings = {"bootstrap.servers": self._bootstrap, "group.id": "bench-traffic", "enable.auto.commit": False}
        consumer = Consumer(settings)
        numbers: list[int] = []
        try:
            places = [TopicPartition(self._topic, partition, 0) for partition in self.acknowledged]
            count = sum(consumer.get_watermark_offsets(place, timeout=_READ_S)[1] for place in places)
            consumer.assign(places)
            deadline = time.monotonic() + _READ_S
            while len(numbers) < count:
                if time.monotonic() > deadline:
                    raise BenchError(f"{len(numbers)} of {count} records could be read within {_READ_S:g} s")
                for message in consumer.consume(10_000, timeout=0.1):
                    value = message.value()
                    if message.error() is None and value is not None:
                        numbers.append(int(value))
        finally:
            consumer.close()
        return numbers
