"""Load from real clients while faults happen, written down as a history for the checker.

Each source runs in a thread of its own until `stop`. Values are unique and name their producer; random headers give
the batches different sizes. A record whose delivery failed stays in the history as sent with unknown outcome.
"""

import asyncio
import logging
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from random import Random
from types import TracebackType
from typing import Any, Self

from aiokafka import AIOKafkaProducer
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition

from tests.faults.waiting import DEADLINE_S, wait_for
from tests.support.history import (
    Acknowledged,
    CommitAcknowledged,
    CommitSent,
    CommittedRead,
    History,
    Partition,
    Polled,
    Sent,
    Sought,
)

IN_FLIGHT_MAX = 500
PADDING_BYTES_MAX = 2000
logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # that a killed broker does not answer is no news

GIVE_UP_S = 120
"""A client that has not delivered by then has been given up by the broker."""


class Source(ABC):
    """A thread that produces load until it is told to stop."""

    def __init__(self, name: str, history: History, partitions: list[Partition], seed: int) -> None:
        self.name = name
        self.history = history
        self.partitions = partitions
        self.chance = Random(f"{seed} {name}")
        self.errors: list[str] = []
        """What went wrong that no fault of the broker explains."""
        self._stopping = threading.Event()
        self._began = time.monotonic()
        self._thread = threading.Thread(target=self._guarded, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def request_stop(self) -> None:
        self._stopping.set()

    def stop(self) -> None:
        """Let it finish what is under way and end."""
        self.request_stop()
        self._thread.join(GIVE_UP_S + DEADLINE_S)
        assert not self._thread.is_alive(), f"{self.name} does not end"

    @property
    def is_stopping(self) -> bool:
        return self._stopping.is_set()

    def pause(self, seconds: float) -> None:
        self._stopping.wait(seconds)

    def _guarded(self) -> None:
        try:
            self.run()
        except Exception as error:
            self.errors.append(f"{self.name}: {error!r}")

    @abstractmethod
    def run(self) -> None:
        """Until `is_stopping`."""


class RecordSource(Source):
    """A producer: what it sends and what was acknowledged, counted."""

    sent = 0
    acknowledged = 0
    records_per_s: float = float("inf")
    """Not more than that on average."""

    @property
    def is_ahead(self) -> bool:
        """Whether it must not send at this moment."""
        return self.sent > self.records_per_s * (time.monotonic() - self._began)

    def next_record(self) -> tuple[Partition, str, Any]:
        """Write the next record down as sent."""
        partition = self.chance.choice(self.partitions)
        value = f"{self.name}:{self.sent}"
        self.sent += 1
        self.history.add(Sent(self.name, partition, value))
        return partition, value, [("padding", bytes(self.chance.randint(0, PADDING_BYTES_MAX)))]

    def delivered(self, partition: Partition, value: str, offset: int) -> None:
        self.history.add(Acknowledged(partition, value, offset))
        self.acknowledged += 1


class LibrdkafkaSource(RecordSource):
    """confluent-kafka, idempotent, acks=all."""

    def __init__(self, bootstrap: str, *place: Any) -> None:
        super().__init__(*place)
        self._producer = Producer(
            {
                "bootstrap.servers": bootstrap,
                "client.id": self.name,
                "enable.idempotence": True,
                "acks": "all",
                "linger.ms": 1,
                "reconnect.backoff.max.ms": 200,
                "message.timeout.ms": GIVE_UP_S * 1000,
                "log_level": 0,
            }
        )

    def run(self) -> None:
        while not self.is_stopping:
            if len(self._producer) >= IN_FLIGHT_MAX or self.is_ahead:
                self._producer.poll(0.02)
                continue
            partition, value, headers = self.next_record()
            report = self._report(partition, value)
            self._producer.produce(partition[0], value, partition=partition[1], headers=headers, on_delivery=report)
            self._producer.poll(0)
        assert self._producer.flush(GIVE_UP_S) == 0, "records were never delivered"

    def _report(self, partition: Partition, value: str) -> Callable[[Any, Any], None]:
        def report(error: Any, message: Any) -> None:
            if error is None:
                self.delivered(partition, value, message.offset())
            else:
                self.errors.append(f"{value}: {error}")

        return report


class AiokafkaSource(RecordSource):
    """aiokafka, idempotent, acks=all."""

    def __init__(self, bootstrap: str, *place: Any) -> None:
        super().__init__(*place)
        self._bootstrap = bootstrap

    def run(self) -> None:
        asyncio.run(self._produce())

    async def _produce(self) -> None:
        producer = AIOKafkaProducer(
            bootstrap_servers=self._bootstrap,
            client_id=self.name,
            enable_idempotence=True,
            linger_ms=1,
            retry_backoff_ms=50,
            request_timeout_ms=GIVE_UP_S * 1000,
        )
        async with producer:
            while not self.is_stopping:
                if self.sent - self.acknowledged - len(self.errors) >= IN_FLIGHT_MAX or self.is_ahead:
                    await asyncio.sleep(0.02)
                    continue
                partition, value, headers = self.next_record()
                future = await producer.send(partition[0], value.encode(), partition=partition[1], headers=headers)
                future.add_done_callback(partial(self._report, partition, value))
            await producer.flush()

    def _report(self, partition: Partition, value: str, future: "asyncio.Future[Any]") -> None:
        error = future.exception()
        if error is None:
            self.delivered(partition, value, future.result().offset)
        else:
            self.errors.append(f"{value}: {error!r}")


class GroupSource(Source):
    """A consumer that reads everything and commits how far it came; now and then it asks what is committed."""

    commits = 0

    def __init__(self, bootstrap: str, *place: Any) -> None:
        super().__init__(*place)
        self._consumer = Consumer(
            {
                "bootstrap.servers": bootstrap,
                "group.id": self.name,
                "enable.auto.commit": False,
                "auto.offset.reset": "error",
                "reconnect.backoff.max.ms": 200,
                "log_level": 0,
            }
        )

    def run(self) -> None:
        self.history.add(*(Sought(self.name, partition, 0) for partition in self.partitions))
        self._consumer.assign([TopicPartition(*partition, 0) for partition in self.partitions])
        while not self.is_stopping:
            positions = self._poll()
            with suppress(KafkaException):  # the outcome is unknown, and the history knows that
                self._commit(positions)
                self._read_committed()
        self._consumer.close()

    def _poll(self) -> dict[Partition, int]:
        found: dict[Partition, list[tuple[int, str]]] = {}
        for message in self._consumer.consume(200, timeout=0.1):
            if message.error() is None:
                received: Any = message
                place = received.topic(), received.partition()
                found.setdefault(place, []).append((received.offset(), received.value().decode()))
        for place, records in found.items():
            self.history.add(Polled(self.name, place, tuple(records)))
        return {place: records[-1][0] + 1 for place, records in found.items()}

    def _commit(self, positions: dict[Partition, int]) -> None:
        if not positions:
            return
        for place, offset in positions.items():
            self.history.add(CommitSent(self.name, place, offset))
        offsets = [TopicPartition(*place, offset) for place, offset in positions.items()]
        for outcome in self._consumer.commit(offsets=offsets, asynchronous=False):
            if outcome.error is None:
                self.history.add(CommitAcknowledged(self.name, (outcome.topic, outcome.partition), outcome.offset))
                self.commits += 1

    def _read_committed(self) -> None:
        asked = [TopicPartition(*place) for place in self.partitions]
        for outcome in self._consumer.committed(asked, timeout=5):
            if outcome.error is None:
                offset = max(outcome.offset, -1)
                self.history.add(CommittedRead(self.name, (outcome.topic, outcome.partition), offset))


class Load:
    """Two librdkafka producers, one of aiokafka and a group, on all partitions. Use it in a `with` block."""

    def __init__(
        self, bootstrap: str, partitions: list[Partition], seed: int, *, records_per_s: float = float("inf")
    ) -> None:
        self.history = History()
        place = self.history, partitions, seed
        self.producers: list[RecordSource] = [
            LibrdkafkaSource(bootstrap, "first", *place),
            LibrdkafkaSource(bootstrap, "second", *place),
            AiokafkaSource(bootstrap, "third", *place),
        ]
        for producer in self.producers:
            producer.records_per_s = records_per_s / len(self.producers)
        self.group = GroupSource(bootstrap, "group", *place)
        self.sources: list[Source] = [*self.producers, self.group]

    @property
    def acknowledged(self) -> int:
        return sum(each.acknowledged for each in self.producers)

    def wait_for_progress(self, records: int, deadline_s: float = DEADLINE_S, *, with_commit: bool = True) -> None:
        """Until so many more records are acknowledged, by each producer at least one, and a commit."""
        reached = [each.acknowledged for each in self.producers]
        total, commits = self.acknowledged + records, self.group.commits

        def progressed() -> bool:
            each_moved = all(each.acknowledged > before for each, before in zip(self.producers, reached, strict=True))
            return self.acknowledged >= total and each_moved and (self.group.commits > commits or not with_commit)

        wait_for(f"{records} more acknowledged records", lambda: progressed() or self._failed(), deadline_s)

    def _failed(self) -> bool:
        assert not self.errors, self.errors[:5]
        return False

    @property
    def errors(self) -> list[str]:
        return [error for source in self.sources for error in source.errors]

    def stop(self) -> None:
        self.abandon()
        for source in self.sources:
            source.stop()

    def abandon(self) -> None:
        """Tell all to end, without waiting."""
        for source in self.sources:
            source.request_stop()

    def __enter__(self) -> Self:
        for source in self.sources:
            source.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.stop()
        else:
            self.abandon()


@contextmanager
def quiet_consumer(bootstrap: str) -> Iterator[Consumer]:
    """A consumer that belongs to no group and commits nothing."""
    settings = {"bootstrap.servers": bootstrap, "group.id": "unused", "enable.auto.commit": False, "log_level": 0}
    consumer = Consumer({**settings, "check.crcs": True, "auto.offset.reset": "error"})
    try:
        yield consumer
    finally:
        consumer.close()
