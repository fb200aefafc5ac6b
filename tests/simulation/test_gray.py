"""A broker that lives and does its work badly gives its leaderships to others, and gets them back when it is well."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from odradek.cluster.grayness import gray_brokers
from odradek.log.health import SLOW_WRITES
from odradek.simulation import Process
from tests.simulation.replicated import BROKERS, TOPIC, Replicated, host_of

PARTITIONS = 6
SOON: dict[str, Any] = {
    "odradek.gray.calm.ms": 4000,
    "leader.imbalance.check.interval.seconds": 5,
    "broker.session.timeout.ms": 9000,
}


class Leaders(Replicated):
    """What one broker knows of who leads."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed, **SOON)

    def led_by(self, broker_id: int, seen_by: int) -> int:
        partitions = self.brokers[seen_by].cluster.image.topics[TOPIC].partitions
        return sum(each.leader == broker_id for each in partitions)

    def gray(self, seen_by: int) -> frozenset[int]:
        return gray_brokers(self.brokers[seen_by].cluster.image)

    def in_sync(self, broker_id: int, seen_by: int) -> int:
        partitions = self.brokers[seen_by].cluster.image.topics[TOPIC].partitions
        return sum(broker_id in each.isr for each in partitions)

    async def begun(self) -> tuple[int, int]:
        """(a leader to be troubled, another broker)"""
        await self.create(PARTITIONS, min_insync_replicas="2")
        for partition in range(PARTITIONS):
            await self.produce("begun", partition=partition)
        troubled = await self.leader_of()
        other = next(each for each in BROKERS if each != troubled)
        await self.until(lambda: self.in_sync(troubled, other) == PARTITIONS and self.led_by(troubled, other))
        return troubled, other

    async def is_relieved(self, troubled: int, other: int) -> None:
        """Nobody waits for it any more, and it is not waited for."""
        await self.until(lambda: not self.led_by(troubled, other))
        await self.until(lambda: not self.in_sync(troubled, other))
        for partition in range(PARTITIONS):
            await self.produce("meanwhile", partition=partition)

    async def is_well(self, troubled: int, other: int) -> None:
        await self.until(lambda: not self.gray(other))
        await self.until(lambda: self.in_sync(troubled, other) == PARTITIONS)
        await self.until(lambda: self.led_by(troubled, other))
        for partition in range(PARTITIONS):
            await self.produce("again", partition=partition)
            await self.converged(partition)


@contextmanager
def slow_disk(cluster: Leaders, broker_id: int) -> Iterator[None]:
    """Each operation takes seconds; the first writes that had to wait have moved the others to threads."""
    process, broker = cluster.machines[broker_id].process, cluster.brokers[broker_id]
    assert process is not None
    for health in broker.logs.healths.values():
        for _ in range(SLOW_WRITES):
            broker.logs.write_stalled(health, process.loop.time())
    process.loop.executor.delay_s = 8.0
    yield
    process.loop.executor.delay_s = 0.0


async def stand_still(cluster: Leaders, broker_id: int, is_over: Callable[[], object]) -> None:
    """Two seconds of three the process gets no processor."""
    process = cluster.machines[broker_id].process
    assert process is not None
    while not is_over():
        process.loop.freeze()
        await asyncio.sleep(2.5)
        process.loop.thaw()
        await asyncio.sleep(0.5)


@pytest.mark.parametrize("seed", range(3))
def test_a_leader_whose_disk_makes_writes_wait_is_relieved(seed: int) -> None:
    cluster = Leaders(seed)

    async def scenario(_: Process) -> None:
        troubled, other = await cluster.begun()
        with slow_disk(cluster, troubled):
            writes = [asyncio.create_task(cluster.produce("slow", partition=each)) for each in range(PARTITIONS)]
            await cluster.until(lambda: cluster.gray(other) == {troubled})
            await cluster.is_relieved(troubled, other)
            await asyncio.gather(*writes)
        await cluster.is_well(troubled, other)

    cluster.run(scenario)


@pytest.mark.parametrize("seed", range(3))
def test_a_leader_that_stands_still_again_and_again_is_relieved(seed: int) -> None:
    cluster = Leaders(seed)

    async def scenario(_: Process) -> None:
        troubled, other = await cluster.begun()
        epoch = cluster.brokers[other].cluster.image.brokers[troubled].epoch
        trouble = asyncio.create_task(stand_still(cluster, troubled, lambda: not cluster.in_sync(troubled, other)))
        await cluster.is_relieved(troubled, other)
        await trouble
        assert cluster.gray(other) == {troubled}
        assert cluster.brokers[other].cluster.image.brokers[troubled].epoch == epoch, "it was fenced"
        await cluster.is_well(troubled, other)

    cluster.run(scenario)


Cut = Callable[[Leaders, int], Awaitable[None]]


@pytest.mark.parametrize("is_heard", [True, False], ids=["is heard", "is not heard"])
@pytest.mark.parametrize("seed", range(3))
def test_a_leader_that_does_not_hear_the_others_or_is_not_heard_is_relieved(seed: int, is_heard: bool) -> None:
    cluster = Leaders(seed)

    async def scenario(_: Process) -> None:
        troubled, other = await cluster.begun()
        links = [(host_of(troubled), host_of(each)) for each in BROKERS if each != troubled]
        links = [(far, near) for near, far in links] if is_heard else links
        for link in links:
            cluster.world.network.partition(*link, both_ways=False)
        await cluster.until(lambda: cluster.gray(other) == {troubled})
        await cluster.is_relieved(troubled, other)
        cluster.world.network.heal(*links)
        await cluster.is_well(troubled, other)

    cluster.run(scenario)
