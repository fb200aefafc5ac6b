"""Whole clusters under every fault there is: what their clients were told holds, and all replicas end up equal."""

import pytest

from tests.simulation.scenarios import cluster, flushed_cluster, replay_line


@pytest.mark.parametrize("seed", range(20))
def test_a_cluster_keeps_its_promises_whatever_happens_to_it(seed: int) -> None:
    assert cluster(seed), replay_line("cluster", seed)


@pytest.mark.parametrize("seed", range(12))
def test_and_with_every_message_flushed_any_number_of_hosts_may_lose_their_power(seed: int) -> None:
    assert flushed_cluster(seed), replay_line("flushed-cluster", seed)


@pytest.mark.parametrize("seed", range(2))
def test_a_seed_of_a_cluster_replays_exactly(seed: int) -> None:
    assert cluster(seed) == cluster(seed)
