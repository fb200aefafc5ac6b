"""A whole broker on the test's own loop, so that the test can look into it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

from odradek.broker.broker import Broker
from odradek.broker.machine import real_host
from odradek.config import BrokerConfig
from odradek.host import FileSystem
from odradek.metastore.memory import MemoryStore
from odradek.replication.partition import Partition
from odradek.wire.record_codec import Record, encode_batch
from tests.broker.frames import until
from tests.support.wire_client import WireClient


class Running:
    """A broker and clients of it, which are closed with it."""

    def __init__(self, broker: Broker) -> None:
        self.broker = broker
        self.clients: list[WireClient] = []

    async def client(self, client_id: str = "test") -> WireClient:
        client = await WireClient.connect("127.0.0.1", self.broker.listeners[0].port, client_id=client_id)
        self.clients.append(client)
        return client

    async def topic(self, name: str, partitions: int = 1, **configs: str) -> UUID:
        """Make a topic; configuration keys have underscores for dots."""
        client = self.clients[0] if self.clients else await self.client()
        response = await client.create_topics(
            {name: partitions}, configs={key.replace("_", "."): value for key, value in configs.items()}
        )
        assert response.topics[0].error_code == 0, response
        await until(lambda: isinstance(self.broker.replicas.partition(name, partitions - 1), Partition))
        return self.broker.cluster.image.topics[name].topic_id

    def partition(self, topic: str, index: int = 0) -> Partition:
        partition = self.broker.replicas.partition(topic, index)
        assert isinstance(partition, Partition)
        return partition

    def now_ms(self) -> int:
        return self.broker.host.clock.time_ms()

    def batch(self, *values: bytes, **options: Any) -> bytes:
        """A batch of records with the present time."""
        now_ms = self.now_ms()
        return encode_batch([Record(0, now_ms, b"key", value) for value in values or (b"value",)], **options)


@asynccontextmanager
async def running(
    path: Path, files: FileSystem | None = None, store: MemoryStore | None = None, **config: Any
) -> AsyncIterator[Running]:
    """Configuration keys have underscores for dots; `files` stands in for the real file system."""
    values = {key.replace("_", "."): value for key, value in config.items()}
    host = real_host() if files is None else replace(real_host(), files=files)
    settings = BrokerConfig.parse({"log.dirs": str(path), "listeners": "PLAINTEXT://127.0.0.1:0", **values})
    broker = Broker(host, asyncio.get_running_loop(), settings, store or MemoryStore())
    await broker.start()
    here = Running(broker)
    try:
        yield here
    finally:
        for client in here.clients:
            await client.close()
        await broker.stop()
