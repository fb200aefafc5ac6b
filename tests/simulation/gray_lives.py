"""Three brokers of which one, a leader, lives and does its work badly: others have to lead until it is well.

Each trouble is a coroutine that begins, looks at what follows, ends, and looks again.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

from kio.schema.errors import ErrorCode

from odradek.cluster.grayness import gray_brokers
from odradek.cluster.image import PartitionImage
from odradek.log.health import SLOW_WRITES
from odradek.simulation import Process
from odradek.wire.record_codec import Record, encode_batch
from tests.simulation.replicated import BROKERS, PORT, TOPIC, Replicated, host_of
from tests.support.wire_client import WireClient

PARTITIONS = 6
LEASE_S = 9.0
PATIENCE_S = 120.0
"""Of a client: much longer than a broker may let it wait."""
DATA = encode_batch([Record(0, 1_700_000_000_000, None, b"value")])
SOON: dict[str, Any] = {
    "odradek.gray.calm.ms": 4000,
    "leader.imbalance.check.interval.seconds": 5,
    "broker.session.timeout.ms": 9000,
}


class Leaders(Replicated):
    """What one broker knows of who leads."""

    def __init__(self, seed: int, *, replay: str | None = None) -> None:
        super().__init__(seed, replay=replay, **SOON)

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

    def seen(self, broker_id: int) -> PartitionImage:
        """Its picture of the first partition."""
        return self.brokers[broker_id].cluster.image.topics[TOPIC].partitions[0]

    async def produce_at(self, broker_id: int, seconds: float) -> ErrorCode:
        async with await WireClient.connect(host_of(broker_id), PORT) as client:
            answer = await client.produce(TOPIC, 0, DATA, acks=-1, timeout=seconds)
            return ErrorCode(answer.error_code)

    async def fetch_at(self, broker_id: int) -> ErrorCode:
        async with await WireClient.connect(host_of(broker_id), PORT) as client:
            return ErrorCode((await client.fetch(TOPIC, 0, 0)).error_code)

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


async def disk_is_slow(cluster: Leaders) -> None:
    """Its disk makes writes wait."""
    troubled, other = await cluster.begun()
    with slow_disk(cluster, troubled):
        writes = [asyncio.create_task(cluster.produce("slow", partition=each)) for each in range(PARTITIONS)]
        await cluster.until(lambda: cluster.gray(other) == {troubled})
        await cluster.is_relieved(troubled, other)
        await asyncio.gather(*writes)
    await cluster.is_well(troubled, other)


async def loop_stands_still(cluster: Leaders) -> None:
    """Again and again, each time for less than a lease."""
    troubled, other = await cluster.begun()
    epoch = cluster.brokers[other].cluster.image.brokers[troubled].epoch
    trouble = asyncio.create_task(stand_still(cluster, troubled, lambda: not cluster.in_sync(troubled, other)))
    await cluster.is_relieved(troubled, other)
    await trouble
    assert cluster.gray(other) == {troubled}
    assert cluster.brokers[other].cluster.image.brokers[troubled].epoch == epoch, "it was fenced"
    await cluster.is_well(troubled, other)


async def does_not_hear_the_others(cluster: Leaders) -> None:
    """What they send does not arrive."""
    await _hear_nothing(cluster, lambda near, far: (far, near))


async def is_not_heard_by_the_others(cluster: Leaders) -> None:
    """What it sends does not arrive."""
    await _hear_nothing(cluster, lambda near, far: (near, far))


async def _hear_nothing(cluster: Leaders, link: Callable[[str, str], tuple[str, str]]) -> None:
    troubled, other = await cluster.begun()
    links = [link(host_of(troubled), host_of(each)) for each in BROKERS if each != troubled]
    for each in links:
        cluster.world.network.partition(*each, both_ways=False)
    await cluster.until(lambda: cluster.gray(other) == {troubled})
    await cluster.is_relieved(troubled, other)
    cluster.world.network.heal(*links)
    await cluster.is_well(troubled, other)


async def is_cut_off_from_the_store(cluster: Leaders) -> None:
    """And was replaced without knowing: who waits for it is sent away, and so is who comes."""
    old, other = await cluster.begun()
    cluster.links[old].cut()
    await cluster.until(lambda: cluster.seen(other).leader != old)
    assert await cluster.produce_at(old, PATIENCE_S) is ErrorCode.not_leader_or_follower
    assert await cluster.fetch_at(old) is ErrorCode.not_leader_or_follower
    assert await cluster.produce_at(old, PATIENCE_S) is ErrorCode.not_leader_or_follower
    cluster.links[old].heal()
    await cluster.is_well(old, other)


async def nobody_reaches_the_store(cluster: Leaders) -> None:
    """While followers fetch, a leader goes on."""
    leader, _ = await cluster.begun()
    for link in cluster.links.values():
        link.cut()
    for _number in range(20):
        await asyncio.sleep(LEASE_S / 5)
        assert await cluster.produce_at(leader, PATIENCE_S) is ErrorCode.none
        assert await cluster.fetch_at(leader) is ErrorCode.none
    for link in cluster.links.values():
        link.heal()
    await cluster.converged()


async def is_alone_for_less_than_a_lease(cluster: Leaders) -> None:
    """Nobody replaces it, and it goes on in its leader epoch."""
    leader, other = await cluster.begun()
    epoch = cluster.seen(other).leader_epoch
    for link in cluster.links.values():
        link.cut()
    for each in BROKERS:
        if each != leader:
            cluster.world.network.partition(host_of(leader), host_of(each))
    await cluster.until(lambda: cluster.brokers[leader].replicas.has_withdrawn)
    assert await cluster.produce_at(leader, PATIENCE_S) is ErrorCode.not_leader_or_follower
    cluster.world.network.heal()
    for link in cluster.links.values():
        link.heal()
    await cluster.until(lambda: not cluster.brokers[leader].replicas.has_withdrawn)
    await cluster.produce("afterwards")
    assert cluster.seen(other).leader_epoch == epoch
    await cluster.converged()


TROUBLES: tuple[Callable[[Leaders], Awaitable[None]], ...] = (
    disk_is_slow,
    loop_stands_still,
    does_not_hear_the_others,
    is_not_heard_by_the_others,
    is_cut_off_from_the_store,
    nobody_reaches_the_store,
    is_alone_for_less_than_a_lease,
)


def run_trouble(seed: int, trouble: Callable[[Leaders], Awaitable[None]], *, replay: str | None = None) -> str:
    """The digest."""
    cluster = Leaders(seed, replay=replay)

    async def scenario(_: Process) -> None:
        await trouble(cluster)

    return cluster.run(scenario)
