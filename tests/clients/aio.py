"""aiokafka, driven from a thread of its own so that scenarios stay synchronous."""

import asyncio
import threading
from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor

from tests.clients.vocabulary import Membership, Received, Sent

ASSIGNORS = {"range": RangePartitionAssignor, "roundrobin": RoundRobinPartitionAssignor}
DEADLINE_S = 30.0
T = TypeVar("T")


def received(record: Any) -> Received:
    headers = tuple((name, bytes(value or b"")) for name, value in record.headers or ())
    return Received(record.partition, record.offset, record.timestamp, record.key, record.value, headers)


class LoopThread:
    """An event loop in a thread; `run` waits for a coroutine's result."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(DEADLINE_S * 2)

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(DEADLINE_S)
        self._loop.close()


class AiokafkaMember:
    def __init__(self, loop: LoopThread, consumer: Any) -> None:
        self._loop = loop
        self._consumer = consumer

    def poll(self) -> list[Received]:
        batches = self._loop.run(self._consumer.getmany(timeout_ms=200))
        return [received(record) for records in batches.values() for record in records]

    def assignment(self) -> set[int]:
        return {owned.partition for owned in self._consumer.assignment()}

    def commit(self) -> None:
        self._loop.run(self._consumer.commit())

    def close(self) -> None:
        self._loop.run(self._consumer.stop())


class Aiokafka:
    name = "aiokafka"

    def __init__(self, bootstrap: str, loop: LoopThread) -> None:
        self._bootstrap = bootstrap
        self._loop = loop

    def produce(
        self, topic: str, records: Sequence[Sent], *, compression: str = "none", idempotent: bool = False
    ) -> list[int]:
        async def send() -> list[int]:
            producer = AIOKafkaProducer(
                bootstrap_servers=self._bootstrap,
                compression_type=None if compression == "none" else compression,
                enable_idempotence=idempotent,
                acks="all",
                linger_ms=5,
            )
            await producer.start()
            try:
                futures = [
                    await producer.send(
                        topic,
                        value=record.value,
                        key=record.key,
                        partition=record.partition,
                        headers=list(record.headers),
                        timestamp_ms=record.timestamp_ms,
                    )
                    for record in records
                ]
                return [metadata.offset for metadata in await asyncio.gather(*futures)]
            finally:
                await producer.stop()

        return self._loop.run(send())

    def read(self, topic: str, partition: int, *, offset: int = 0, count: int) -> list[Received]:
        async def fetch() -> list[Received]:
            consumer = AIOKafkaConsumer(bootstrap_servers=self._bootstrap)
            await consumer.start()
            try:
                consumer.assign([TopicPartition(topic, partition)])
                consumer.seek(TopicPartition(topic, partition), offset)
                return [received(await asyncio.wait_for(consumer.getone(), DEADLINE_S)) for _ in range(count)]
            finally:
                await consumer.stop()

        return self._loop.run(fetch())

    def offset_for_time(self, topic: str, partition: int, timestamp_ms: int) -> int | None:
        async def ask() -> int | None:
            consumer = AIOKafkaConsumer(bootstrap_servers=self._bootstrap)
            await consumer.start()
            try:
                found = await consumer.offsets_for_times({TopicPartition(topic, partition): timestamp_ms})
                answer = found[TopicPartition(topic, partition)]
                return None if answer is None else int(answer.offset)
            finally:
                await consumer.stop()

        return self._loop.run(ask())

    def join(self, membership: Membership) -> AiokafkaMember:
        async def start() -> Any:
            consumer = AIOKafkaConsumer(
                *membership.topics,
                bootstrap_servers=self._bootstrap,
                group_id=membership.group,
                group_instance_id=membership.instance_id,
                partition_assignment_strategy=(ASSIGNORS[membership.assignor],),
                session_timeout_ms=membership.session_timeout_ms,
                heartbeat_interval_ms=500,
                enable_auto_commit=False,
                auto_offset_reset="earliest",
            )
            await consumer.start()
            return consumer

        return AiokafkaMember(self._loop, self._loop.run(start()))
