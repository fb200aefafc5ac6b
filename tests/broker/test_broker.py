"""The broker as a whole, on a simulated machine: its start, its stop, and what ends it."""

import asyncio
import errno
from collections.abc import Awaitable, Callable

from kio.schema.errors import ErrorCode

from odradek.broker.broker import Broker
from odradek.config import BrokerConfig
from odradek.log.errors import DirectoryFailedError
from odradek.metastore.memory import MemoryServer, MemoryStore
from odradek.simulation import Process, World
from odradek.wire.record_codec import Record, encode_batch
from tests.support.wire_client import WireClient

SETTINGS = {
    "node.id": 1,
    "listeners": "PLAINTEXT://broker:9092",
    "odradek.disk.reserve.bytes": 0,
    "log.flush.interval.messages": 1,
}


class Stage:
    """A world with one broker and one client."""

    def __init__(self, log_dirs: str) -> None:
        self.config = BrokerConfig.parse({**SETTINGS, "log.dirs": log_dirs})
        self.metadata = MemoryServer()
        self.brokers: list[Broker] = []
        self.failures: list[BaseException] = []

    def play(self, scene: Callable[["Stage", World, WireClient], Awaitable[None]]) -> None:
        with World(1) as world:
            machine = world.machine("broker")
            for directory in self.config.get("log.dirs"):
                machine.disk.make_directories(directory)
            machine.start(self._serve)

            async def client(process: Process) -> None:
                connection = await connected(process.loop)
                await scene(self, world, connection)

            world.run(client, on="client", steps_max=200_000)

    async def _serve(self, process: Process) -> None:
        broker = Broker(process.host, process.loop, self.config, MemoryStore(self.metadata))
        self.brokers.append(broker)
        await broker.start()
        self.failures.append(await broker.failed)
        await broker.stop()


async def connected(loop: asyncio.AbstractEventLoop) -> WireClient:
    while True:
        try:
            return await WireClient.connect("broker", 9092)
        except ConnectionRefusedError:
            await asyncio.sleep(0.1)


async def produce(client: WireClient, topic: str) -> int:
    answer = await client.produce(topic, 0, encode_batch([Record(0, 1_700_000_000_000, None, b"v", ())]))
    return int(answer.error_code)


async def ended(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 - what is waited for happens on another machine's loop
            await asyncio.sleep(0.1)


def test_a_broker_whose_only_log_directory_fails_stops() -> None:
    async def scene(stage: Stage, world: World, client: WireClient) -> None:
        await client.create_topics({"t": 1})
        assert await produce(client, "t") == ErrorCode.none
        world.machines["broker"].disk.fail("datasync", "*.log", error=errno.EIO)
        assert await produce(client, "t") == ErrorCode.kafka_storage_error
        await ended(lambda: bool(stage.failures))

    stage = Stage("/data")
    stage.play(scene)
    assert isinstance(stage.failures[0], DirectoryFailedError)


def test_a_failed_log_directory_takes_only_its_partitions_offline() -> None:
    async def scene(stage: Stage, world: World, client: WireClient) -> None:
        await client.create_topics({"a": 1, "b": 1})
        world.machines["broker"].disk.fail("datasync", "/one/*.log", error=errno.EIO)
        answers = sorted([await produce(client, "a"), await produce(client, "b")])
        assert answers == [ErrorCode.none, ErrorCode.kafka_storage_error]
        assert sorted([await produce(client, "a"), await produce(client, "b")]) == answers
        assert not stage.failures

    Stage("/one,/two").play(scene)
