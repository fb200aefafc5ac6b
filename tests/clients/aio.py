"""aiokafka, driven from a thread of its own so that scenarios stay synchronous."""

import asyncio
from collections.abc import Sequence

from aiokafka import AIOKafkaConsumer, TopicPartition

from tests.clients.loop_thread import LoopThread
from tests.clients.members import AiokafkaMember
from tests.clients.readers import AiokafkaReader
from tests.clients.received import from_python
from tests.clients.vocabulary import Membership, Reading, Received, Sent, Writing
from tests.clients.writers import AiokafkaWriter, write_all

DEADLINE_S = 30.0


class Aiokafka:
    name = "aiokafka"

    def __init__(self, bootstrap: str, loop: LoopThread) -> None:
        self._bootstrap = bootstrap
        self._loop = loop

    def writer(self, writing: Writing) -> AiokafkaWriter:
        return AiokafkaWriter(self._loop, self._bootstrap, writing)

    def produce(
        self, topic: str, records: Sequence[Sent], *, compression: str = "none", idempotent: bool = False
    ) -> list[int]:
        return write_all(self.writer(Writing(compression, idempotent=idempotent)), topic, records)

    def reader(self, reading: Reading) -> AiokafkaReader:
        return AiokafkaReader(self._loop, self._bootstrap, reading)

    def read(self, topic: str, partition: int, *, offset: int = 0, count: int) -> list[Received]:
        async def fetch() -> list[Received]:
            consumer = AIOKafkaConsumer(bootstrap_servers=self._bootstrap)
            await consumer.start()
            try:
                consumer.assign([TopicPartition(topic, partition)])
                consumer.seek(TopicPartition(topic, partition), offset)
                return [from_python(await asyncio.wait_for(consumer.getone(), DEADLINE_S)) for _ in range(count)]
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
        return AiokafkaMember(self._loop, self._bootstrap, membership)
