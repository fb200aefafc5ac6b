"""A follower that cannot write leaves the in-sync replicas itself: nobody waits until it lags."""

import pytest

from odradek.simulation import Process
from tests.simulation.replicated import BROKERS, TOPIC, Replicated

LAG_S_MAX = 30
"""Kafka's replica.lag.time.max.ms, and Odradek's."""


async def follower_of(cluster: Replicated) -> tuple[int, int]:
    leader = await cluster.leader_of()
    return leader, next(each for each in BROKERS if each != leader)


def in_sync(cluster: Replicated, broker_id: int) -> set[int]:
    return set(cluster.brokers[broker_id].cluster.image.topics[TOPIC].partitions[0].isr)


@pytest.mark.parametrize("seed", range(3))
def test_a_follower_whose_disk_is_full_is_not_waited_for_and_comes_back_when_there_is_room(seed: int) -> None:
    cluster = Replicated(seed)

    async def scenario(_: Process) -> None:
        await cluster.create(min_insync_replicas="2")
        await cluster.produce("begun")
        leader, full = await follower_of(cluster)
        disk, clock = cluster.machines[full].disk, cluster.brokers[leader].loop
        disk.capacity_bytes = disk.used_bytes
        begun = clock.time()
        for _number in range(3):
            await cluster.produce("v" * 10_000)
        assert clock.time() - begun < LAG_S_MAX / 10
        assert in_sync(cluster, leader) == set(BROKERS) - {full}
        disk.capacity_bytes = None
        await cluster.until(lambda: in_sync(cluster, leader) == set(BROKERS))
        await cluster.converged()

    cluster.run(scenario)
