"""Three simulated brokers over one metadata store, a topic with three replicas, and a producer that wants all of them.

Nothing happens to them but what the network's own delays bring; the logs have to end up byte-equal.
"""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

from kio.schema.errors import ErrorCode

from odradek.broker.broker import Broker
from odradek.config import BrokerConfig
from odradek.host.files import read_file
from odradek.log.log import Log
from odradek.metastore.memory import Link, MemoryServer, MemoryStore
from odradek.simulation import Machine, Process, World
from odradek.wire.record_codec import Record, encode_batch
from tests.support.wire_client import WireClient

PORT, DIRECTORY, CLIENT = 9092, "/data", "client"
BROKERS = (1, 2, 3)
TOPIC = "flights"
REQUEST_SECONDS, RETRY_SECONDS, SETTLE_SECONDS_MAX = 5.0, 0.1, 60.0
RETRIED = (ConnectionError, TimeoutError, OSError)


def host_of(broker_id: int) -> str:
    return f"broker-{broker_id}"


class Replicated:
    """The brokers, each on a machine of its own, and what is asked of them."""

    def __init__(self, seed: int, *, replay: str | None = None, **config: Any) -> None:
        self.world = World(seed, replay=replay)
        self.metadata = MemoryServer()
        self.config = config
        self.brokers: dict[int, Broker] = {}
        self.machines: dict[int, Machine] = {}
        self.links = {broker_id: Link() for broker_id in BROKERS}
        """To the metadata store."""
        for broker_id in BROKERS:
            machine = self.machines[broker_id] = self.world.machine(host_of(broker_id))
            machine.disk.make_directories(DIRECTORY)

    def start(self, broker_id: int) -> None:
        self.brokers.pop(broker_id, None)
        self.machines[broker_id].start(partial(self.serve, broker_id))

    async def serve(self, broker_id: int, process: Process) -> None:
        """A broker's life. Raises what it ends of."""
        store = MemoryStore(self.metadata, link=self.links[broker_id])
        broker = self.brokers[broker_id] = Broker(process.host, process.loop, self.config_of(broker_id), store)
        await broker.start()
        raise await broker.failed

    def config_of(self, broker_id: int) -> BrokerConfig:
        return BrokerConfig.parse(
            {
                "node.id": broker_id,
                "log.dirs": DIRECTORY,
                "listeners": f"PLAINTEXT://{host_of(broker_id)}:{PORT}",
                "odradek.disk.reserve.bytes": 0,
                "broker.rack": host_of(broker_id),
                **self.config,
            }
        )

    def run(self, scenario: Any) -> str:
        """Start all, run the scenario on the clients' machine; the digest."""
        with self.world as world:
            for broker_id in BROKERS:
                self.start(broker_id)
            world.run(scenario, on=CLIENT)
            world.check()
            return world.digest

    # What clients do

    async def until_done(self, action: Any, broker_id: int = 1) -> Any:
        """Do it over a new connection, at the next broker each time, until it gives something."""
        async with asyncio.timeout(SETTLE_SECONDS_MAX):
            while True:
                try:
                    async with await WireClient.connect(host_of(broker_id), PORT) as client:
                        if (result := await action(client)) is not None:
                            return result
                except RETRIED:
                    pass
                broker_id = BROKERS[BROKERS.index(broker_id) - 1]
                await asyncio.sleep(RETRY_SECONDS)

    async def create(self, partitions: int = 1, **configs: str) -> None:
        """Once every broker is there, as a topic with so many replicas needs them all."""

        async def attempt(client: WireClient) -> bool | None:
            metadata = await client.metadata([])
            if len(metadata.brokers) < len(BROKERS):
                return None
            settings = {key.replace("_", "."): value for key, value in configs.items()}
            response = await client.create_topics({TOPIC: partitions}, replication_factor=3, configs=settings)
            error = response.topics[0].error_code
            return True if error in (ErrorCode.none, ErrorCode.topic_already_exists) else None

        await self.until_done(attempt)

    async def leader_of(self, partition: int = 0) -> int:
        async def attempt(client: WireClient) -> int | None:
            found = (await client.metadata([TOPIC])).topics[0]
            if found.error_code is not ErrorCode.none:
                return None
            leader: int = found.partitions[partition].leader_id
            return leader if leader >= 0 else None

        found: int = await self.until_done(attempt)
        return found

    async def produce(self, *values: str, partition: int = 0, acks: int = -1) -> int:
        """The base offset, once it is acknowledged."""
        data = encode_batch([Record(0, 1_700_000_000_000, None, value.encode()) for value in values])

        async def attempt(client: WireClient) -> int | None:
            answer = await client.produce(TOPIC, partition, data, acks=acks, timeout=REQUEST_SECONDS)
            offset: int = answer.base_offset
            return offset if answer.error_code is ErrorCode.none else None

        found: int = await self.until_done(attempt, await self.leader_of(partition))
        return found

    # What is looked at

    def log(self, broker_id: int, partition: int = 0) -> Log:
        logs = self.brokers[broker_id].logs.logs
        (found,) = (log for log in logs.values() if (log.topic, log.partition) == (TOPIC, partition))
        return found

    def content(self, broker_id: int, partition: int = 0) -> bytes:
        """All batches, as they lie on the disk's files."""
        files = self.machines[broker_id].disk.mount()
        segments = self.log(broker_id, partition).segments
        return b"".join(read_file(files, each.log_path)[: each.size] for each in segments)

    async def converged(self, partition: int = 0) -> None:
        """Returns once every replica has the same end and high watermark; fails when that takes too long."""
        await self.until(lambda: len({self.state(each, partition) for each in BROKERS}) == 1)
        assert len({self.content(each, partition) for each in BROKERS}) == 1, "the logs differ"

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(SETTLE_SECONDS_MAX):
            while not condition():  # noqa: ASYNC110
                await asyncio.sleep(RETRY_SECONDS)

    def state(self, broker_id: int, partition: int = 0) -> tuple[int, int]:
        log = self.log(broker_id, partition)
        return log.log_end_offset, self.brokers[broker_id].logs.high_watermark_of(log) or 0
