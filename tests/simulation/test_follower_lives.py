"""A follower that dies while its leaders change, lie, forget and lose records: its log becomes theirs."""

import pytest

from tests.simulation.scenarios import follower, replay_line, synced_follower

SEEDS = range(10)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_follower_ends_with_its_leaders_log(seed: int) -> None:
    assert follower(seed), replay_line("follower", seed)


@pytest.mark.parametrize("seed", SEEDS)
def test_what_a_leader_was_told_is_flushed_survives_a_power_loss(seed: int) -> None:
    assert synced_follower(seed), replay_line("synced-follower", seed)
