"""A leader that reaches everybody but the metadata store, and is told by nobody that another one leads."""

import asyncio

import pytest
from kio.schema.errors import ErrorCode

from odradek.cluster.image import PartitionImage
from odradek.simulation import Process
from odradek.wire.record_codec import Record, encode_batch
from tests.simulation.replicated import BROKERS, PORT, TOPIC, Replicated, host_of
from tests.support.wire_client import WireClient

LEASE_S = 9.0
PATIENCE_S = 120.0
"""Of a client: much longer than a broker may let it wait."""
DATA = encode_batch([Record(0, 1_700_000_000_000, None, b"value")])


class CutOff(Replicated):
    async def begun(self) -> tuple[int, int]:
        """(the leader, another broker)"""
        await self.create(min_insync_replicas="2")
        await self.produce("begun")
        leader = await self.leader_of()
        other = next(each for each in BROKERS if each != leader)
        await self.until(lambda: len(self.seen(other).isr) == len(BROKERS))
        return leader, other

    def seen(self, broker_id: int) -> PartitionImage:
        return self.brokers[broker_id].cluster.image.topics[TOPIC].partitions[0]

    async def produce_at(self, broker_id: int, seconds: float) -> ErrorCode:
        async with await WireClient.connect(host_of(broker_id), PORT) as client:
            answer = await client.produce(TOPIC, 0, DATA, acks=-1, timeout=seconds)
            return ErrorCode(answer.error_code)

    async def fetch_at(self, broker_id: int) -> ErrorCode:
        async with await WireClient.connect(host_of(broker_id), PORT) as client:
            return ErrorCode((await client.fetch(TOPIC, 0, 0)).error_code)


@pytest.mark.parametrize("seed", range(3))
def test_whoever_waits_for_a_replaced_leader_is_sent_away_and_so_are_those_who_come(seed: int) -> None:
    cluster = CutOff(seed)

    async def scenario(_: Process) -> None:
        old, other = await cluster.begun()
        cluster.links[old].cut()
        await cluster.until(lambda: cluster.seen(other).leader != old)
        assert await cluster.produce_at(old, PATIENCE_S) is ErrorCode.not_leader_or_follower
        assert await cluster.fetch_at(old) is ErrorCode.not_leader_or_follower
        assert await cluster.produce_at(old, PATIENCE_S) is ErrorCode.not_leader_or_follower
        cluster.links[old].heal()
        await cluster.until(lambda: len(cluster.seen(other).isr) == len(BROKERS))
        await cluster.produce("afterwards")
        await cluster.converged()

    cluster.run(scenario)


@pytest.mark.parametrize("seed", range(3))
def test_while_followers_fetch_a_leader_without_the_store_goes_on(seed: int) -> None:
    cluster = CutOff(seed)

    async def scenario(_: Process) -> None:
        leader, _other = await cluster.begun()
        for link in cluster.links.values():
            link.cut()
        for _number in range(20):
            await asyncio.sleep(LEASE_S / 5)
            assert await cluster.produce_at(leader, PATIENCE_S) is ErrorCode.none
            assert await cluster.fetch_at(leader) is ErrorCode.none
        for link in cluster.links.values():
            link.heal()
        await cluster.converged()

    cluster.run(scenario)


@pytest.mark.parametrize("seed", range(3))
def test_a_leader_that_was_alone_and_not_replaced_goes_on_in_its_epoch(seed: int) -> None:
    """The store answers again before the lease has ended."""
    cluster = CutOff(seed)

    async def scenario(_: Process) -> None:
        leader, other = await cluster.begun()
        epoch = cluster.seen(other).leader_epoch
        others = [host_of(each) for each in BROKERS if each != leader]
        for link in cluster.links.values():
            link.cut()
        for host in others:
            cluster.world.network.partition(host_of(leader), host)
        await cluster.until(lambda: cluster.brokers[leader].replicas.has_withdrawn)
        assert await cluster.produce_at(leader, PATIENCE_S) is ErrorCode.not_leader_or_follower
        cluster.world.network.heal()
        for link in cluster.links.values():
            link.heal()
        await cluster.until(lambda: not cluster.brokers[leader].replicas.has_withdrawn)
        await cluster.produce("afterwards")
        assert cluster.seen(other).leader_epoch == epoch
        await cluster.converged()

    cluster.run(scenario)
