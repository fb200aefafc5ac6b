"""A broker killed at I/O steps and cut off from power under producers, consumers and commits: no promise is broken."""

import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from tests.simulation.scenarios import broker, replay_line, synced_broker

ROOT = Path(__file__).parents[2]
SEEDS = range(12)


@pytest.mark.parametrize("seed", SEEDS)
def test_what_a_broker_promises_without_flushing_holds(seed: int) -> None:
    assert broker(seed), replay_line("broker", seed)


@pytest.mark.parametrize("seed", SEEDS)
def test_nothing_acknowledged_is_lost_when_every_message_is_flushed(seed: int) -> None:
    assert synced_broker(seed), replay_line("synced-broker", seed)


def test_a_seed_replays_exactly_twice_in_one_process_and_once_in_a_fresh_one() -> None:
    command = [sys.executable, "-m", "tests.simulation.run", "--scenario", "broker", "--seed", "5", "--twice"]
    environment = {**os.environ, "PYTHONHASHSEED": "0"}
    runs = [
        subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True).stdout.split()
        for _ in range(2)
    ]
    digests = [word for words in runs for before, word in pairwise(words) if before == "digest"]
    assert len(digests) == 4
    assert len(set(digests)) == 1
