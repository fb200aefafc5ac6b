"""`python -m tests.soak --minutes N`: every sweep once, then new simulation seeds until the time is up.

1. 50 times `kill -9` under load of real producers, and what was acknowledged is compared with what is there.
2. The attacks of `tests/attack` with larger counts.
3. The whole mutation corpus: every mutant has to be found.
4. Simulation with seeds nobody has run here: a counter in `.soak/seeds.json` goes on where the last soak stopped.

Stops at the first failure with status 1; a failed seed prints the command that replays it. Nothing new is begun after
the time is up, so that a soak of one minute does the first sweep only.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
SEEDS_FILE = ROOT / ".soak" / "seeds.json"
SCENARIOS = ("log", "broker", "synced-broker")
SEEDS_AT_ONCE = 25
FIRST_SEED = 10_000
"""CI runs the seeds below."""


@dataclass(frozen=True)
class Sweep:
    """One command; its environment says how long it is to be."""

    name: str
    command: tuple[str, ...]
    environment: dict[str, str] = field(default_factory=dict)

    def run(self) -> None:
        """Raises SystemExit when it fails."""
        print(f"== {self.name}", flush=True)
        begun = time.monotonic()
        environment = {**os.environ, **self.environment}
        status = subprocess.run([sys.executable, *self.command], cwd=ROOT, env=environment, check=False).returncode
        print(f"== {self.name}: status {status} after {time.monotonic() - begun:.0f} s", flush=True)
        if status != 0:
            raise SystemExit(1)


PYTEST = ("-m", "pytest", "-q", "-p", "no:cacheprovider", "--timeout=3600")
FIXED = (
    Sweep("50 kills under load", (*PYTEST, "tests/faults/test_kill.py"), {"ODRADEK_TEST_KILLS": "50"}),
    Sweep("attacks, three times as many", (*PYTEST, "tests/attack"), {"ODRADEK_ATTACK_SCALE": "3"}),
    Sweep("mutation corpus", ("-m", "tests.mutations", "--jobs", "2")),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10.0)
    deadline = time.monotonic() + parser.parse_args().minutes * 60
    for sweep in FIXED:
        if time.monotonic() < deadline:
            sweep.run()
    seeds = read_seeds()
    while time.monotonic() < deadline:
        for scenario in SCENARIOS:
            seed = seeds.get(scenario, FIRST_SEED)
            options = ("--scenario", scenario, "--seed", str(seed), "--seeds", str(SEEDS_AT_ONCE))
            Sweep(f"{scenario}, seeds from {seed}", ("-m", "tests.simulation.run", *options)).run()
            seeds[scenario] = seed + SEEDS_AT_ONCE
            SEEDS_FILE.write_text(json.dumps(seeds, indent=1) + "\n")
    print("soak: " + ", ".join(f"{name} {seeds.get(name, FIRST_SEED) - FIRST_SEED} seeds" for name in SCENARIOS))


def read_seeds() -> dict[str, int]:
    """The next seed of each scenario."""
    SEEDS_FILE.parent.mkdir(exist_ok=True)
    return dict(json.loads(SEEDS_FILE.read_text())) if SEEDS_FILE.exists() else {}


if __name__ == "__main__":
    main()
