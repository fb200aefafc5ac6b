"""A whole broker dies at steps of I/O spread over all it does: what its clients were promised is there afterwards.

`docs/simulation.md` says how to run every step.
"""

import pytest

from odradek.simulation import CrashKind
from tests.simulation.broker_steps import BrokerSteps, Trouble, steps_of
from tests.simulation.scenarios import SCENARIOS, broker_steps, replay_line, synced_broker_steps

SEEDS = range(80)
SEEDS_PER_TEST = 10
FEW_SEEDS = 25
FIRST_START_STEPS = 30


@pytest.mark.parametrize("begin", SEEDS[::SEEDS_PER_TEST])
def test_what_a_broker_promises_without_flushing_survives_a_crash_at_any_step(begin: int) -> None:
    for seed in range(begin, begin + SEEDS_PER_TEST):
        assert broker_steps(seed), replay_line("broker-steps", seed)


@pytest.mark.parametrize("begin", SEEDS[::SEEDS_PER_TEST])
def test_nothing_acknowledged_is_lost_at_any_step_when_every_message_is_flushed(begin: int) -> None:
    for seed in range(begin, begin + SEEDS_PER_TEST):
        assert synced_broker_steps(seed), replay_line("synced-broker-steps", seed)


@pytest.mark.parametrize(
    "scenario", ["broker-start", "broker-topics", "broker-retention", "broker-bursts", "broker-expiry"]
)
def test_one_thing_at_a_time_survives_a_crash_at_any_step(scenario: str) -> None:
    for seed in range(FEW_SEEDS):
        assert SCENARIOS[scenario](seed), replay_line(scenario, seed)


@pytest.mark.parametrize("kind", ["process", "power"])
def test_a_broker_that_dies_during_its_first_start_starts_again(kind: CrashKind) -> None:
    for step in range(1, FIRST_START_STEPS + 1):
        BrokerSteps(
            0, [Trouble(kind, step)], flushed=False, replay=f"BrokerSteps(0, [Trouble({kind!r}, {step})])"
        ).run()


def test_a_run_without_trouble_takes_the_same_steps_each_time() -> None:
    runs = [BrokerSteps(0, (), flushed=False).run() for _ in range(2)]
    assert runs[0] == runs[1]
    assert runs[0][1] == steps_of(0, "Script", flushed=False)
    assert broker_steps(3) == broker_steps(3)
