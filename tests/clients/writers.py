"""Producers that stay open, of each library."""

import asyncio
from collections.abc import Sequence
from typing import Any

import confluent_kafka
from aiokafka import AIOKafkaProducer
from kafka import KafkaProducer

from tests.clients.loop_thread import LoopThread
from tests.clients.vocabulary import Sent, Writer, Writing

DEADLINE_S = 30.0
LINGER_MS = 5


class LibrdkafkaWriter:
    def __init__(self, bootstrap: str, writing: Writing) -> None:
        level: Any = {"compression.level": writing.level} if writing.level is not None else {}
        self._producer = confluent_kafka.Producer(
            {
                "bootstrap.servers": bootstrap,
                "compression.type": writing.compression,
                "enable.idempotence": writing.idempotent,
                "acks": "all",
                "linger.ms": LINGER_MS,
                **level,
            }
        )
        self._offsets: list[int] = []

    def send(self, topic: str, record: Sent) -> None:
        offsets, index = self._offsets, len(self._offsets)

        def delivered(error: Any, message: Any) -> None:
            assert error is None, error
            offsets[index] = message.offset()

        offsets.append(-1)
        timestamp: Any = {"timestamp": record.timestamp_ms} if record.timestamp_ms is not None else {}
        self._producer.produce(
            topic,
            value=record.value,
            key=record.key,
            partition=record.partition,
            headers=list(record.headers),
            on_delivery=delivered,
            **timestamp,
        )
        self._producer.poll(0)

    def flush(self) -> list[int]:
        assert self._producer.flush(DEADLINE_S) == 0, "records were not delivered in time"
        offsets, self._offsets = self._offsets, []
        return offsets

    def close(self) -> None:
        self._producer.flush(DEADLINE_S)


class KafkaPythonWriter:
    def __init__(self, bootstrap: str, writing: Writing) -> None:
        self._producer = KafkaProducer(
            bootstrap_servers=bootstrap,
            compression_type=None if writing.compression == "none" else writing.compression,
            enable_idempotence=writing.idempotent,
            acks="all",
            linger_ms=LINGER_MS,
        )
        self._futures: list[Any] = []

    def send(self, topic: str, record: Sent) -> None:
        self._futures.append(
            self._producer.send(
                topic,
                value=record.value,
                key=record.key,
                partition=record.partition,
                headers=list(record.headers),
                timestamp_ms=record.timestamp_ms,
            )
        )

    def flush(self) -> list[int]:
        self._producer.flush(DEADLINE_S)
        futures, self._futures = self._futures, []
        return [future.get(DEADLINE_S).offset for future in futures]

    def close(self) -> None:
        self._producer.close(DEADLINE_S)


class AiokafkaWriter:
    def __init__(self, loop: LoopThread, bootstrap: str, writing: Writing) -> None:
        self._loop = loop
        self._futures: list[Any] = []
        self._producer: Any = loop.run(self._start(bootstrap, writing))

    async def _start(self, bootstrap: str, writing: Writing) -> Any:
        producer = AIOKafkaProducer(
            bootstrap_servers=bootstrap,
            compression_type=None if writing.compression == "none" else writing.compression,
            enable_idempotence=writing.idempotent,
            acks="all",
            linger_ms=LINGER_MS,
        )
        await producer.start()
        return producer

    def send(self, topic: str, record: Sent) -> None:
        self._futures.append(self._loop.run(self._send(topic, record)))

    async def _send(self, topic: str, record: Sent) -> Any:
        return await self._producer.send(
            topic,
            value=record.value,
            key=record.key,
            partition=record.partition,
            headers=list(record.headers),
            timestamp_ms=record.timestamp_ms,
        )

    def flush(self) -> list[int]:
        futures, self._futures = self._futures, []

        async def all_delivered() -> list[int]:
            return [metadata.offset for metadata in await asyncio.gather(*futures)]

        return self._loop.run(all_delivered())

    def close(self) -> None:
        self._loop.run(self._producer.stop())


def write_all(writer: Writer, topic: str, records: Sequence[Sent]) -> list[int]:
    """Offsets in the order of the records; the writer is closed then."""
    try:
        for record in records:
            writer.send(topic, record)
        return writer.flush()
    finally:
        writer.close()
