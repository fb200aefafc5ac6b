"""The demo's consumers, and the groups they form."""

from __future__ import annotations

import time
from typing import Any

import msgspec
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from odradek.demo.flights import identity_of
from odradek.demo.proof import Witness
from odradek.demo.worker import Worker

_COMMIT_INTERVAL_S = 0.5
_CHUNK_RECORDS = 5_000
_TRIED_AGAIN = (
    KafkaError.REBALANCE_IN_PROGRESS,
    KafkaError.ILLEGAL_GENERATION,
    KafkaError.NOT_COORDINATOR,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    KafkaError.REQUEST_TIMED_OUT,
    KafkaError._TRANSPORT,
    KafkaError._TIMED_OUT,
    KafkaError._WAIT_COORD,
)
"""What a commit is answered while a rebalance runs, or while the coordinator dies and another broker takes over."""


class _FlightValue(msgspec.Struct):
    time_hour: str
    carrier: str
    flight: int


_decode = msgspec.json.Decoder(_FlightValue).decode


class FlightConsumer(Worker):
    """One member of a group: reads, tells the group's witness, commits what the witness has seen."""

    def __init__(self, bootstrap: str, topic: str, witness: Witness, number: int) -> None:
        super().__init__(f"{witness.group} {number}")
        self._topic = topic
        self._witness = witness
        self._config: dict[str, Any] = {
            "bootstrap.servers": bootstrap,
            "group.id": witness.group,
            "client.id": f"odradek-demo-{witness.group}-{number}",
            "partition.assignment.strategy": "cooperative-sticky",
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            # A member learns of a rebalance by its heartbeat: the audience should not wait three seconds for it.
            "heartbeat.interval.ms": 500,
            "log_level": 0,
        }
        self._next_offsets: dict[int, int] = {}
        self.assigned: dict[int, None] = {}

    def work(self) -> None:
        consumer = Consumer(self._config)
        consumer.subscribe([self._topic], on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_lost)
        try:
            committed_s = time.monotonic()
            while not self.stopping.is_set():
                self._tell(consumer.consume(_CHUNK_RECORDS, 0.1))
                if time.monotonic() - committed_s >= _COMMIT_INTERVAL_S:
                    self._commit(consumer, list(self._next_offsets))
                    committed_s = time.monotonic()
        finally:
            # Commits on its way out, through _on_revoke.
            consumer.close()

    def _tell(self, messages: list[Message]) -> None:
        for message in messages:
            error = message.error()
            if error is not None:
                if not error.retriable():
                    raise KafkaException(error)
                continue
            partition, offset = message.partition() or 0, message.offset() or 0
            value = _decode(message.value() or b"")
            identity = identity_of(value.time_hour, value.carrier, value.flight)
            self._witness.saw(partition, offset, message.key(), identity)
            self._next_offsets[partition] = offset + 1

    def _on_assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self.assigned |= dict.fromkeys(p.partition for p in partitions)

    def _on_revoke(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._commit(consumer, [p.partition for p in partitions])
        self._on_lost(consumer, partitions)

    def _on_lost(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        for partition in partitions:
            self._next_offsets.pop(partition.partition, None)
            self.assigned.pop(partition.partition, None)

    def _commit(self, consumer: Consumer, partitions: list[int]) -> None:
        offsets = [TopicPartition(self._topic, p, self._next_offsets[p]) for p in partitions if p in self._next_offsets]
        if not offsets:
            return
        try:
            consumer.commit(offsets=offsets, asynchronous=False)
        except KafkaException as error:
            # The next commit carries these offsets too.
            if error.args[0].code() not in _TRIED_AGAIN:
                raise


class Group:
    """A group of consumers that can grow and shrink."""

    def __init__(self, bootstrap: str, topic: str, witness: Witness, partitions: int) -> None:
        self._bootstrap = bootstrap
        self._topic = topic
        self._partitions = partitions
        self.witness = witness
        self.consumers: list[FlightConsumer] = []
        self._leaving: list[FlightConsumer] = []

    @property
    def is_settled(self) -> bool:
        """Whether those that leave are gone and every partition is with exactly one of the rest, each having some."""
        owned = [partition for consumer in self.consumers for partition in list(consumer.assigned)]
        everyone_has_some = all(consumer.assigned for consumer in self.consumers)
        gone = all(consumer.is_done for consumer in self._leaving)
        return gone and everyone_has_some and sorted(owned) == list(range(self._partitions))

    @property
    def workers(self) -> list[FlightConsumer]:
        """Everyone who is or was a member and may still run."""
        return [*self.consumers, *self._leaving]

    def resize(self, members: int) -> None:
        """Start consumers, or stop the youngest ones."""
        while len(self.consumers) < members:
            number = len(self.consumers) + 1
            consumer = FlightConsumer(self._bootstrap, self._topic, self.witness, number)
            self.consumers.append(consumer)
            consumer.start()
        while len(self.consumers) > members:
            consumer = self.consumers.pop()
            consumer.stop()
            self._leaving.append(consumer)
