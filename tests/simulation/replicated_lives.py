"""Three brokers of which one dies at a time, in the middle of anything, and comes back; producers want all replicas.

Whatever was acknowledged is at its offset on every replica in the end, and all logs are byte-equal.
"""

import asyncio
from random import Random

from kio.schema.errors import ErrorCode

from odradek.log.health import SLOW_WRITES
from odradek.simulation import CrashKind, Process
from odradek.wire.record_codec import Record, decode_batch, encode_batch
from odradek.wire.records import batches
from tests.simulation.replicated import BROKERS, DIRECTORY, PORT, RETRIED, TOPIC, Replicated, host_of
from tests.support.wire_client import WireClient

PARTITIONS, DEATHS, BATCHES_PAUSE_SECONDS = 2, 4, 0.3
CRASH_STEPS_MAX = 60
NEVER = 1 << 60
CONFIG = {"min_insync_replicas": "2", "segment_ms": "5000", "index_interval_bytes": "0"}
PRODUCE_SECONDS = 4.0


class ReplicatedLives(Replicated):
    """`flushed`: with flush.messages=1."""

    def __init__(self, seed: int, *, flushed: bool, replay: str | None = None) -> None:
        super().__init__(seed, replay=replay, **{"replica.socket.timeout.ms": 3000})
        self.chance = Random(f"{seed} replicated lives")
        self.topic = CONFIG | ({"flush_messages": "1"} if flushed else {})
        self.acknowledged: dict[tuple[int, int], str] = {}
        self.is_over = False

    def live(self) -> str:
        return self.run(self.scenario)

    async def scenario(self, _: Process) -> None:
        await self.create(PARTITIONS, **self.topic)
        async with asyncio.TaskGroup() as group:
            for index in range(PARTITIONS):
                group.create_task(self.keep_producing(index))
            await self.cause_deaths()
            await self.until(lambda: all(self.promised(index) for index in range(PARTITIONS)))
            self.is_over = True
        for index in range(PARTITIONS):
            await self.converged(index)
            self.check_acknowledged(index)

    async def keep_producing(self, index: int) -> None:
        """An idempotent producer would do the same, and is told apart from others by its values."""
        number, leader = 0, 1
        while not self.is_over:
            values = [f"{index}-{number}-{each}" for each in range(self.chance.randint(1, 3))]
            number += 1
            data = encode_batch([Record(0, 1_700_000_000_000, None, value.encode()) for value in values])
            leader = await self.try_to_produce(index, leader, values, data)
            await asyncio.sleep(self.chance.random() * BATCHES_PAUSE_SECONDS)

    async def try_to_produce(self, index: int, leader: int, values: list[str], data: bytes) -> int:
        """Once; whom to ask next."""
        try:
            async with asyncio.timeout(PRODUCE_SECONDS), await WireClient.connect(host_of(leader), PORT) as client:
                answer = await client.produce(TOPIC, index, data)
                if answer.error_code is ErrorCode.none:
                    self.acknowledged.update(
                        ((index, answer.base_offset + at), value) for at, value in enumerate(values)
                    )
                    return leader
                found = (await client.metadata([TOPIC])).topics[0].partitions[index].leader_id
                return int(found) if found >= 0 else self.chance.choice(BROKERS)
        except RETRIED:
            return self.chance.choice(BROKERS)

    async def cause_deaths(self) -> None:
        for _ in range(DEATHS):
            await self.all_in_sync()
            for _ in range(self.chance.randrange(3)):
                self.disturb()
                await asyncio.sleep(self.chance.random())
            broker_id = self.chance.choice(BROKERS)
            machine = self.machines[broker_id]
            kind: CrashKind = self.chance.choice(("process", "power"))
            self.kill(broker_id, kind)
            await self.until(lambda: machine.process is None)  # noqa: B023
            machine.disk.crash_at(NEVER, kind)
            await asyncio.sleep(self.chance.choice((0.1, 2.0, 15.0)))
            self.start(broker_id)
        await self.all_in_sync()

    def disturb(self) -> None:
        """Connections go, packets between two brokers are late, or writes seem to wait for the disk."""
        one, other = self.chance.sample(BROKERS, 2)
        network, draw = self.world.network, self.chance.random()
        if draw < 0.4:
            network.reset_connections(host_of(one), host_of(other))
        elif draw < 0.7:
            network.partition(host_of(one), host_of(other), both_ways=self.chance.random() < 0.5)
            asyncio.get_running_loop().call_later(self.chance.random() * 5, network.heal)
        elif (broker := self.brokers.get(one)) is not None:
            for health in broker.logs.healths.values():
                for _ in range(SLOW_WRITES):
                    broker.logs.write_stalled(health, broker.loop.time())

    def kill(self, broker_id: int, kind: CrashKind) -> None:
        machine = self.machines[broker_id]
        if self.chance.random() < 0.5:
            machine.crash(kind)
        elif self.chance.random() < 0.5:
            machine.disk.crash_on("pwritev", f"{DIRECTORY}/{TOPIC}-*.log", kind, skip=self.chance.randrange(4))
        else:
            machine.disk.crash_at(machine.disk.steps + self.chance.randint(1, CRASH_STEPS_MAX), kind)

    async def all_in_sync(self) -> None:
        await self.until(lambda: all(self.is_in_sync(index) for index in range(PARTITIONS)))

    def is_in_sync(self, index: int) -> bool:
        """As every broker sees it."""
        for broker_id in BROKERS:
            machine, broker = self.machines[broker_id], self.brokers.get(broker_id)
            if machine.process is None or broker is None or not broker.is_serving:
                return False
            partition = broker.cluster.image.partition(TOPIC, index)
            if partition is None or len(partition.isr) < len(BROKERS):
                return False
        return True

    def check_acknowledged(self, index: int) -> None:
        content, found = memoryview(self.content(1, index)), {}
        for at, header in batches(content):
            records = decode_batch(content[at : at + header.size])
            found.update({record.offset: (record.value or b"").decode() for record in records})
        promised = self.promised(index)
        assert {offset: found.get(offset) for offset in promised} == promised

    def promised(self, index: int) -> dict[int, str]:
        """What of that partition has been acknowledged: at the latest once everybody is back there is something."""
        return {offset: value for (number, offset), value in self.acknowledged.items() if number == index}
