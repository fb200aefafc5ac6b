"""Brokers see each other's processes die, long before a lease says so; and what only looks like it moves nothing."""

from typing import Any

import pytest

from odradek.cluster.image import ImageDelta
from odradek.simulation import Process
from tests.simulation.replicated import BROKERS, CLIENT, TOPIC, Replicated, host_of

LEASE_MS = 600_000
"""Longer than any test: what happens is not a lease's doing."""
SEEDS = range(3)


def cluster(seed: int) -> Replicated:
    config: dict[str, Any] = {"broker.session.timeout.ms": LEASE_MS, "replica.socket.timeout.ms": 3000}
    return Replicated(seed, **config)


def fenced(at: Replicated, by: int, broker_id: int) -> bool:
    return at.brokers[by].cluster.image.brokers[broker_id].fenced


@pytest.mark.parametrize("seed", SEEDS)
def test_the_partitions_of_a_dead_process_are_led_by_others_at_once(seed: int) -> None:
    brokers = cluster(seed)

    async def scenario(process: Process) -> None:
        await brokers.create(min_insync_replicas="2")
        await brokers.produce("before")
        dead = await brokers.leader_of()
        alive = next(each for each in BROKERS if each != dead)
        began = process.loop.time()
        brokers.machines[dead].crash("process")
        await brokers.until(lambda: fenced(brokers, alive, dead))
        assert process.loop.time() - began < 2, "virtual seconds, on any machine"
        assert await brokers.produce("after") == 1

    brokers.run(scenario)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_host_that_vanishes_is_left_to_its_lease(seed: int) -> None:
    """No answer is no evidence: the network may have swallowed it."""
    brokers = cluster(seed)

    async def scenario(process: Process) -> None:
        await brokers.create()
        for other in (host_of(1), host_of(2), CLIENT):
            brokers.world.network.partition(host_of(3), other)
        end = process.loop.time() + 30
        await brokers.until(lambda: process.loop.time() > end)
        assert not fenced(brokers, 1, 3)

    brokers.run(scenario)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_broker_that_stops_in_good_order_hands_over_first(seed: int) -> None:
    brokers = cluster(seed)

    async def scenario(_: Process) -> None:
        await brokers.create(min_insync_replicas="2")
        await brokers.produce("before")
        leaving = await brokers.leader_of()
        alive = brokers.brokers[next(each for each in BROKERS if each != leaving)].cluster
        leaders: list[int] = []
        """Of the partition, at each revision in which the broker was still there."""

        def look(delta: ImageDelta) -> None:
            if not delta.after.brokers[leaving].fenced:
                leaders.append(delta.after.topics[TOPIC].partitions[0].leader)

        alive.subscribe(look)
        broker = brokers.brokers[leaving]
        stopping = broker.loop.create_task(broker.stop())
        await brokers.until(stopping.done)
        assert leaders[0] == leaving
        assert leaders[-1] not in (leaving, -1)
        assert await brokers.produce("after") == 1

    brokers.run(scenario)
