"""A crash at every I/O step of a log manager's work; after each, what was promised is there.

The work is append, flush, roll, checkpoint, deletion of records, creation and deletion of topics (see `log_lives`).
"""

import os
from pathlib import Path
from random import Random

import pytest

from odradek.log.log import Stop
from odradek.log.paths import LOG_SUFFIX, path_of
from odradek.simulation import CrashKind, Disk
from tests.simulation.log_lives import run_lives
from tests.simulation.scenarios import log, log_recovery, replay_line
from tests.support.logs import LogDirectory

SEEDS = (3, 4)
STEPS_PER_TEST = 25


def steps_of(seed: int) -> int:
    """I/O steps of a first life that nothing interrupts."""
    return run_lives(seed, [])[1]


@pytest.mark.parametrize("kind", ["process", "power"])
@pytest.mark.parametrize("begin", range(0, 250, STEPS_PER_TEST))
@pytest.mark.parametrize("seed", SEEDS)
def test_what_was_promised_survives_a_crash_at_each_step(seed: int, begin: int, kind: CrashKind) -> None:
    for step in range(begin + 1, min(begin + STEPS_PER_TEST, steps_of(seed)) + 1):
        run_lives(seed, [(step, kind)], replay=f"run_lives({seed}, [({step}, {kind!r})])")


@pytest.mark.parametrize("seed", range(40))
def test_what_was_promised_survives_three_crashes(seed: int) -> None:
    assert log(seed), replay_line("log", seed)


@pytest.mark.parametrize("seed", [48, 147])
def test_producer_state_survives_a_power_loss_between_a_full_flush_and_its_checkpoint(seed: int) -> None:
    assert log(seed), replay_line("log", seed)


@pytest.mark.parametrize("seed", [38, 422, 424, 517, 542, 568, 842])
def test_seeds_that_once_found_something(seed: int) -> None:
    assert log(seed), replay_line("log", seed)


def test_retention_and_a_power_loss_leave_a_log_that_goes_on_where_it_was() -> None:
    assert log(274), replay_line("log", 274)


def test_a_seed_replays_exactly() -> None:
    assert log(11) == log(11)


@pytest.mark.parametrize("seed", range(20))
def test_what_was_promised_survives_power_losses_during_and_after_recovery(seed: int) -> None:
    assert log_recovery(seed), replay_line("log-recovery", seed)


@pytest.mark.parametrize("seed", range(10))
def test_a_log_that_begins_above_zero_does_not_find_what_lay_below_when_the_power_has_gone(seed: int) -> None:
    disk = Disk(Random(seed))
    disk.make_directories("/data/short-0")
    files = disk.mount()
    old, new = (path_of("/data/short-0", offset, LOG_SUFFIX) for offset in (0, 5))
    files.close(files.open(old, os.O_CREAT | os.O_WRONLY))
    disk.settle()
    files.unlink(old)
    log = LogDirectory(Path("/data/short-0"), files).open(stop=Stop.PROCESS_CRASH, log_start_offset=5)
    assert log.recovery_point == 5
    disk.crash("power")
    files = disk.mount()
    assert files.exists(new)
    assert not files.exists(old)
