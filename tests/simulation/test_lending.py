"""A leader's half of the throttle (KIP-73): who comes back catches up no faster, and nobody else feels it."""

from typing import Any

from odradek.simulation import Process
from tests.simulation.replicated import BROKERS, Replicated

RATE, MISSED_BYTES = 20_000, 200_000
VALUE = "v" * 10_000
LEAST_S = MISSED_BYTES / RATE - 2
"""A second of the rate may come at once, and what is on its way when the rate is exceeded comes too."""
SETTINGS: dict[str, Any] = {
    "leader.replication.throttled.rate": RATE,
    "replica.fetch.max.bytes": 20_000,
    "replica.lag.time.max.ms": 3_000,
}


def is_serving(cluster: Replicated, broker_id: int) -> bool:
    return broker_id in cluster.brokers and cluster.brokers[broker_id].is_serving


async def caught_up_in_s(cluster: Replicated, named: str) -> float:
    """How long a replica takes that was away while much was written; meanwhile those in sync are asked for more."""
    await cluster.create(min_insync_replicas="2", leader_replication_throttled_replicas=named)
    await cluster.produce("begun")
    leader = await cluster.leader_of()
    away = next(each for each in BROKERS if each != leader)
    cluster.machines[away].crash("process")
    for _ in range(MISSED_BYTES // len(VALUE)):
        await cluster.produce(VALUE)
    clock = cluster.brokers[leader].loop
    cluster.start(away)
    await cluster.until(lambda: is_serving(cluster, away))
    begun = clock.time()
    await cluster.produce("meanwhile")
    assert clock.time() - begun < 1, "replicas in sync are not held back"
    await cluster.converged()
    return clock.time() - begun


def test_a_replica_that_was_away_catches_up_at_its_leaders_rate_and_producers_do_not_wait_for_it() -> None:
    cluster = Replicated(5, **SETTINGS)

    async def scenario(_: Process) -> None:
        assert await caught_up_in_s(cluster, "*") > LEAST_S

    cluster.run(scenario)


def test_nor_does_one_wait_whose_leader_is_not_named() -> None:
    cluster = Replicated(5, **SETTINGS)

    async def scenario(_: Process) -> None:
        assert await caught_up_in_s(cluster, "0:9,7:1") < LEAST_S / 2

    cluster.run(scenario)
