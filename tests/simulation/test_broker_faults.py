"""A broker one of whose operations fails, or whose disk is full for a while: it refuses, stops or goes on, and keeps
what it has promised."""

import pytest

from tests.simulation.scenarios import broker_damage, broker_faults, replay_line, synced_broker_faults

SEEDS = range(50)
SEEDS_PER_TEST = 10


@pytest.mark.parametrize("begin", SEEDS[::SEEDS_PER_TEST])
def test_a_failing_or_full_disk_breaks_no_promise(begin: int) -> None:
    for seed in range(begin, begin + SEEDS_PER_TEST):
        assert broker_faults(seed), replay_line("broker-faults", seed)


@pytest.mark.parametrize("begin", SEEDS[::SEEDS_PER_TEST])
def test_a_failing_or_full_disk_loses_nothing_that_was_flushed(begin: int) -> None:
    for seed in range(begin, begin + SEEDS_PER_TEST):
        assert synced_broker_faults(seed), replay_line("synced-broker-faults", seed)


@pytest.mark.parametrize("begin", SEEDS[::SEEDS_PER_TEST])
def test_flipped_bits_are_never_served_as_records_and_cost_nothing_below_them(begin: int) -> None:
    for seed in range(begin, begin + SEEDS_PER_TEST):
        assert broker_damage(seed), replay_line("broker-damage", seed)
