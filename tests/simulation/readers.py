"""Readers of one broker that nothing happens to: fetch sessions, and clients that ask for much and take it slowly.

What a session leaves out has to be known already; what is forgotten stays away; what was lent to one response while it
is being sent is not used for another.
"""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from random import Random
from typing import Any

from kio.schema.errors import ErrorCode

from odradek.broker.broker import Broker
from odradek.config import BrokerConfig
from odradek.metastore.memory import MemoryServer, MemoryStore
from odradek.simulation import Process, World
from odradek.wire.record_codec import Record, encode_batch
from tests.simulation.broker_requests import decoded, require
from tests.support.wire_client import FETCH_VERSION, WireClient, schema

BROKER, CLIENT, PORT = "broker", "client", 9092
TOPICS = ("a", "b", "c", "d")
BATCHES, ROUNDS, PIPELINES = 40, 40, 6
VALUE_BYTES_MAX, PIECE_BYTES = 40_000, 60_000
AHEAD = 14
"""Fetches of a slow reader, more than its window holds and less than the broker keeps for it."""
STEPS_MAX = 400_000


class Readers:
    """One world; `stored` is what the broker has acknowledged, by topic, in the order of offsets."""

    def __init__(self, seed: int, *, replay: str | None = None) -> None:
        self.world = World(seed, replay=replay)
        self.chance = Random(f"{seed} readers")
        self.stored: dict[str, list[str]] = {topic: [] for topic in TOPICS}
        self.done = False

    def run(self) -> str:
        """The digest. Raises AssertionError."""
        with self.world as world:
            world.machine(BROKER).disk.make_directories("/data")
            world.machine(BROKER).start(self.serve)
            world.run(self.clients, on=CLIENT, steps_max=STEPS_MAX)
            world.check()
            return world.digest

    async def serve(self, process: Process) -> None:
        values = {"node.id": 1, "log.dirs": "/data", "listeners": f"PLAINTEXT://{BROKER}:{PORT}"}
        config = BrokerConfig.parse({**values, "odradek.disk.reserve.bytes": 0})
        broker = Broker(process.host, process.loop, config, MemoryStore(MemoryServer()))
        await broker.start()
        raise await broker.failed

    async def clients(self, process: Process) -> None:
        client = await self.connect()
        require((await client.create_topics(dict.fromkeys(TOPICS, 1))).topics[0].error_code)
        async with asyncio.TaskGroup() as group:
            writing = group.create_task(self.write(client))
            group.create_task(self.read_slowly())
            group.create_task(SessionReader(self, await self.connect()).read())
            await writing
            self.done = True
        await client.close()

    async def connect(self) -> WireClient:
        while True:
            try:
                return await WireClient.connect(BROKER, PORT)
            except OSError:
                await asyncio.sleep(0.1)

    async def write(self, client: WireClient) -> None:
        for number in range(BATCHES):
            topic = self.chance.choice(TOPICS)
            value = f"{topic}-{number}-".ljust(self.chance.randint(10, VALUE_BYTES_MAX), "x")
            data = encode_batch([Record(0, 1_700_000_000_000 + number, None, value.encode())])
            answer = await client.produce(topic, 0, data)
            require(answer.error_code)
            assert answer.base_offset == len(self.stored[topic])
            self.stored[topic].append(value)
            await asyncio.sleep(self.chance.uniform(0.0, 0.3))

    async def read_slowly(self) -> None:
        """Ask for many pieces at once, take them late, and find each as it was stored."""
        client = await self.connect()
        for _ in range(PIPELINES):
            await asyncio.sleep(self.chance.uniform(0.0, 2.0))
            assert client._transport is not None
            client._transport.pause_reading()
            places = [(topic, self.draw_offset(topic)) for topic in self.chance.choices(TOPICS, k=AHEAD)]
            asked = [client.send(fetch_request([(topic, offset)])) for topic, offset in places]
            await asyncio.sleep(self.chance.uniform(0.0, 1.0))
            client._transport.resume_reading()
            for (topic, offset), response in zip(places, await asyncio.gather(*asked), strict=True):
                self.check(topic, offset, response.responses[0].partitions[0])
        await client.close()

    def draw_offset(self, topic: str) -> int:
        return self.chance.randint(0, len(self.stored[topic]))

    def check(self, topic: str, offset: int, part: Any) -> int:
        """The offset after what was read. The answer may know more than has been acknowledged."""
        require(part.error_code)
        for at, value in decoded(part.records):
            if at < offset:
                continue
            assert at == offset, f"{topic} continues at {at} instead of {offset}"
            known = self.stored[topic][at : at + 1]
            assert not known or known == [value], f"{topic} holds {value[:20]!r} at {at}, it was {known[0][:20]!r}"
            offset += 1
        return offset


class SessionReader:
    """A client with an incremental fetch session: it says only what changes, and is told only what changes."""

    def __init__(self, readers: Readers, client: WireClient) -> None:
        self.readers, self.client, self.chance = readers, client, readers.chance
        self.wanted: dict[str, int] = {}
        self.moved: dict[str, None] = {}
        """What the broker has to be told of: the client reads on from somewhere else."""
        self.session_id, self.epoch = 0, 0

    async def read(self) -> None:
        for _ in range(ROUNDS):
            await asyncio.sleep(self.chance.uniform(0.0, 0.3))
            await self.fetch()
        await self.client.close()

    async def fetch(self) -> None:
        added, forgotten = self.change()
        stored = {topic: len(self.readers.stored[topic]) for topic in self.wanted}
        if self.epoch == 0:
            added, forgotten = list(self.wanted), []
        places = [(topic, self.wanted[topic]) for topic in added]
        request = fetch_request(places, self.session_id, self.epoch, forgotten)
        response = await self.client.request(request)
        if response.error_code is not ErrorCode.none:
            raise AssertionError(f"the session was refused: {response.error_code.name}")
        self.session_id, self.epoch = response.session_id, self.epoch + 1
        self.settle(response, stored)

    def change(self) -> tuple[list[str], list[str]]:
        """Begin to read one, or go on elsewhere; now and then stop reading one."""
        topic, forgotten = self.chance.choice(TOPICS), []
        if len(self.wanted) > 1 and self.chance.random() < 0.3:
            forgotten = [self.chance.choice([each for each in self.wanted if each != topic] or list(self.wanted))]
            del self.wanted[forgotten[0]]
        if topic not in forgotten:
            self.wanted[topic] = self.readers.draw_offset(topic)
            self.moved[topic] = None
        changed = [each for each in self.moved if each in self.wanted]
        self.moved.clear()
        return changed, forgotten

    def settle(self, response: Any, stored: dict[str, int]) -> None:
        answered = {each.topic: each.partitions[0] for each in response.responses}
        for topic, part in answered.items():
            assert topic in self.wanted, f"{topic} was forgotten and is answered"
            offset = self.readers.check(topic, self.wanted[topic], part)
            if offset != self.wanted[topic]:
                self.wanted[topic], self.moved[topic] = offset, None
        for topic, end in stored.items():
            missed = topic not in answered and self.wanted[topic] < end
            assert not missed, f"{topic} has records from {self.wanted[topic]} on and is left out"


def fetch_request(
    places: Sequence[tuple[str, int]], session_id: int = 0, epoch: int = -1, forgotten: Sequence[str] = ()
) -> Any:
    """From these offsets of partitions 0, waiting for nothing; by default without a session."""
    api = schema("fetch", FETCH_VERSION)
    topics = tuple(
        api.FetchTopic(
            topic=topic,
            partitions=(api.FetchPartition(partition=0, fetch_offset=offset, partition_max_bytes=PIECE_BYTES),),
        )
        for topic, offset in places
    )
    return api.FetchRequest(
        max_wait=timedelta(0),
        min_bytes=0,
        max_bytes=1 << 20,
        session_id=session_id,
        session_epoch=epoch,
        topics=topics,
        forgotten_topics_data=tuple(api.ForgottenTopic(topic=topic, partitions=(0,)) for topic in forgotten),
    )
