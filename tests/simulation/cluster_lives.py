"""A cluster of whole brokers under faults of every kind and clients that check what they are told; then it heals.

Everything is drawn from the seed: the number of brokers, their configuration, what happens and when. In the end, within
a bounded virtual time, every replica is in sync and the same, and the clients' history is checked.
"""

import asyncio
from collections.abc import Callable
from typing import Any

from kio.schema.errors import ErrorCode

from odradek.simulation import Process
from tests.simulation import cluster_faults, cluster_operators
from tests.simulation.cluster_checks import CommittedLogs, unequal, unhealthy
from tests.simulation.cluster_clients import (
    RETRIED,
    CarelessProducer,
    Client,
    Consumer,
    IdempotentProducer,
)
from tests.simulation.cluster_groups import Committer, Member
from tests.simulation.cluster_world import CLIENT, NEVER, ClusterWorld
from tests.support.history import CaughtUp, Final, History, Sought

TOPIC, PARTITIONS = "flights", (1, 2, 3)
FAULTS, FAULT_PAUSE_SECONDS = (4, 12), 3.0
START_SECONDS_MAX, SETTLE_SECONDS_MAX = 120.0, 120.0
LOOK_SECONDS = 0.7
PAUSES = (0.2, 0.6, 1.5)
Faults = tuple[tuple[int, cluster_faults.Fault], ...]
"""With their weights."""


class ClusterLives(ClusterWorld):
    """`live` runs it; the digest of what happened is the same whenever the seed is."""

    def __init__(
        self, seed: int, *, flushed: bool, faults: Faults = cluster_faults.FAULTS, replay: str | None = None
    ) -> None:
        super().__init__(seed, flushed=flushed, replay=replay)
        self.faults = faults
        self.history = History()
        self.committed = CommittedLogs(self)
        self.partitions = self.chance.choice(PARTITIONS)
        self.pause_s = self.chance.choice(PAUSES)
        self.topics: dict[str, int] = {}
        self.producer_ids: dict[int, None] = {}
        self.is_over = False
        self.generation = -1
        """The highest of the group that was ever synced."""
        self.committer = Committer(self, (TOPIC, 0))

    def live(self) -> str:
        """The digest. Raises AssertionError, TimeoutError when something takes too long, what a broker died of."""
        with self.world as world:
            for broker_id in self.ids:
                self.start(broker_id)
            world.run(self.scenario, on=CLIENT)
            world.check()
            violations = self.history.violations()
            assert not violations, "; ".join(map(str, violations))
            return world.digest

    async def scenario(self, _: Process) -> None:
        async with asyncio.timeout(START_SECONDS_MAX):
            await self.create_topic()
        async with asyncio.TaskGroup() as group:
            background = [group.create_task(each) for each in (self.keep_running(), self.keep_looking())]
            clients = [group.create_task(each.run()) for each in self.make_clients()]
            await self.cause_faults()
            await self.heal()
            await self.settle("after the faults", unhealthy)
            self.is_over = True
            async with asyncio.timeout(SETTLE_SECONDS_MAX):
                await asyncio.gather(*clients)
            await self.settle("in the end", lambda _: unhealthy(self) or unequal(self))
            await self.read_everything()
            for task in background:
                task.cancel()

    def make_clients(self) -> list[Any]:
        clients: list[Any] = []
        for index in range(self.partitions):
            place = (TOPIC, index)
            window = self.chance.choice((1, 3, 5))
            clients.append(IdempotentProducer(self, f"p{index}", place, window))
            if self.chance.random() < 0.5:
                clients.append(IdempotentProducer(self, f"q{index}", place, 1))
            if self.chance.random() < 0.5:
                clients.append(CarelessProducer(self, f"c{index}", place))
            clients.append(Consumer(self, f"reader-{index}", place))
        members = [Member(self, f"member-{number}") for number in range(self.chance.randint(0, 2))]
        return [*clients, self.committer, *members]

    def producer_id_given(self, producer_id: int) -> None:
        assert producer_id not in self.producer_ids, f"producer id {producer_id} was given out before"
        self.producer_ids[producer_id] = None

    # Before

    async def create_topic(self) -> None:
        client = Client(self, "creator")
        factor = min(3, len(self.ids)) if self.chance.random() < 0.8 else min(4, len(self.ids))
        configs = {"min.insync.replicas": str(self.chance.choice((1, 2, 2, 2, 3))), "segment.ms": "4000"}
        while not await self._is_created(client, factor, configs):
            await client.rest()
        client.close()

    async def _is_created(self, client: Client, factor: int, configs: dict[str, str]) -> bool:
        try:
            broker = await client.connect(client.anyone())
            if len((await broker.metadata([])).brokers) < len(self.ids):
                return False
            answer = await broker.create_topics({TOPIC: self.partitions}, configs=configs, replication_factor=factor)
        except RETRIED:
            return False
        return answer.topics[0].error_code in (ErrorCode.none, ErrorCode.topic_already_exists)

    # Meanwhile

    async def keep_looking(self) -> None:
        while True:
            self.committed.look()
            await asyncio.sleep(LOOK_SECONDS)

    def start(self, broker_id: int) -> None:
        self.committed.forget(broker_id)
        super().start(broker_id)

    def any_broker(self) -> int:
        return self.chance.choice(self.ids)

    def some_brokers(self) -> list[int]:
        """At most all but one, mostly a minority."""
        most = len(self.ids) - 1 if self.chance.random() < 0.2 else (len(self.ids) - 1) // 2
        return sorted(self.chance.sample(self.ids, self.chance.randint(1, max(most, 1))))

    async def cause_faults(self) -> None:
        weights, faults = zip(*self.faults, strict=True)
        async with asyncio.TaskGroup() as group:
            for fault in self.chance.choices(faults, weights, k=self.chance.randint(*FAULTS)):
                await asyncio.sleep(self.chance.random() * FAULT_PAUSE_SECONDS)
                task = group.create_task(fault(self))
                if self.chance.random() < 0.6:
                    await asyncio.wait([task])

    # Afterwards

    async def heal(self) -> None:
        self.world.network.heal()
        self.store_faults.refused_rate = self.store_faults.reply_lost_rate = self.store_faults.applied_late_rate = 0.0
        for broker_id in self.ids:
            self.links[broker_id].heal()
            self.machines[broker_id].disk.crash_at(NEVER, "process")
            self.machines[broker_id].disk.capacity_bytes = None
            self.rests_until[broker_id] = 0.0
        async with asyncio.timeout(SETTLE_SECONDS_MAX):
            await cluster_operators.undo(self)

    async def settle(self, when: str, problem: Callable[[ClusterWorld], str]) -> None:
        """Returns once there is no problem any more; fails when that takes too long."""
        try:
            await self.until(lambda: not problem(self), SETTLE_SECONDS_MAX)
        except TimeoutError:
            raise AssertionError(f"{SETTLE_SECONDS_MAX:.0f} s {when}: {problem(self)}") from None

    async def read_everything(self) -> None:
        self.committed.look()
        async with asyncio.timeout(SETTLE_SECONDS_MAX):
            await self.committer.read_in_the_end()
        for index in range(self.partitions):
            place = (TOPIC, index)
            reader = Consumer(self, f"final-{index}", place)
            self.history.add(Sought(reader.name, place, 0))
            before = len(self.history.events)
            async with asyncio.timeout(SETTLE_SECONDS_MAX):
                while not await reader.is_at_end():
                    await reader.rest()
            polled = self.history.events[before:]
            records = tuple(record for event in polled for record in event.records)  # type: ignore[union-attr]
            self.history.add(CaughtUp(reader.name, place), Final(place, 0, records))
            reader.close()
