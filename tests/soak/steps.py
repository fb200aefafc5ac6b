"""What a soak runs, each as a process of its own with the line that replays it."""

import os
import shlex
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.simulation.scenarios import SCENARIOS

SEEDS_PER_STEP = 10
FUZZERS = (
    "tests/wire/test_malformed.py",
    "tests/wire/test_entity_reader.py",
    "tests/wire/test_record_walk.py",
    "tests/log/test_decoders_fuzz.py",
    "tests/log/test_log_fuzz.py",
    "tests/log/test_log_model.py",
    "tests/groups/test_records.py",
    "tests/groups/test_stateful.py",
)
CLUSTER_FAULTS = ("kill", "etcd", "disks", "growth", "zombie", "network")
OUTPUT_LINES_MAX = 60


@dataclass(frozen=True, slots=True)
class Step:
    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    scenario: str = ""
    """That of the simulation it runs."""

    @property
    def replay(self) -> str:
        """To be typed in the root of the repository."""
        variables = [f"{name}={value}" for name, value in self.environment.items()]
        return " ".join([*variables, "python", *(shlex.quote(part) for part in self.command)])

    def start(self) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, *self.command],
            env={**os.environ, **self.environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )


def simulation_steps(first_seed: int) -> list[Step]:
    """Every scenario with the same new seeds."""
    seeds = ("--seed", str(first_seed), "--seeds", str(SEEDS_PER_STEP))
    return [
        Step(f"simulation {name}", ("-m", "tests.simulation.run", "--scenario", name, *seeds), scenario=name)
        for name in sorted(SCENARIOS)
    ]


def fuzz_step(seed: int) -> Step:
    arguments = ("-m", "pytest", "-q", "-p", "no:cacheprovider", f"--hypothesis-seed={seed}", *FUZZERS)
    return Step("fuzz of decoders and files", arguments, {"ODRADEK_RANDOM": "1"})


def kill_step(seed: int, kills: int) -> Step:
    timeout_s = 120 + 30 * kills
    arguments = ("-m", "pytest", "-q", "-p", "no:cacheprovider", f"--timeout={timeout_s}", "tests/faults/test_kill.py")
    return Step(f"{kills} kills", arguments, {"ODRADEK_TEST_KILLS": str(kills), "ODRADEK_TEST_SEED": str(seed)})


def cluster_step(seed: int, faults: str) -> Step:
    """A cluster of processes on a real etcd, and all faults of one kind."""
    file = f"tests/faults/cluster/test_{faults}.py"
    environment = {"ODRADEK_TEST_CLUSTER": "1", "ODRADEK_TEST_SEED": str(seed)}
    return Step(f"a cluster and {faults}", ("-m", "pytest", "-q", "-p", "no:cacheprovider", file), environment)


def churn_step(seed: int, seconds: int) -> Step:
    return Step("churn", ("-m", "tests.soak.churn", "--seed", str(seed), "--seconds", str(seconds)))
