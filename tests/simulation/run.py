"""Run simulated scenarios: `python -m tests.simulation.run --scenario log --seed 7 [--seeds 50]`.

Prints a line with seed and digest for each run. A violation is printed with the line that replays it and ends the run
with status 1.
"""

import argparse
import logging
import os
import sys
import traceback
from asyncio import events
from pathlib import Path

import odradek
from odradek.simulation.loop import SimulatedLoop
from tests.simulation.scenarios import SCENARIOS, replay_line

HASH_SEED = "0"
DETAIL_MAX = 200


def main() -> int:
    parser = argparse.ArgumentParser(description="Run simulated scenarios.")
    parser.add_argument("--scenario", choices=sorted(SCENARIOS), required=True)
    parser.add_argument("--seed", type=int, default=0, help="the first seed")
    parser.add_argument("--seeds", type=int, default=1, help="how many seeds to run, one after the other")
    parser.add_argument("--twice", action="store_true", help="run each seed twice, to compare digests")
    parser.add_argument("--package", help="fail unless odradek is imported from this directory")
    parser.add_argument("--verbose", action="store_true", help="show the log of what is simulated")
    arguments = parser.parse_args()
    if arguments.package is not None and not Path(odradek.__file__).is_relative_to(arguments.package):
        parser.error(f"odradek is {odradek.__file__}")
    fix_hash_seed()
    logging.basicConfig(level=logging.INFO if arguments.verbose else logging.CRITICAL + 1)
    logging.getLogger().handlers[0].setFormatter(SimulatedFormatter())
    seeds = range(arguments.seed, arguments.seed + arguments.seeds)
    runs = [seed for seed in seeds for _ in range(2 if arguments.twice else 1)]
    return 0 if all(run(arguments.scenario, seed) for seed in runs) else 1


def run(scenario: str, seed: int) -> bool:
    """Whether nothing was found; stops at the first seed that finds something."""
    try:
        digest = SCENARIOS[scenario](seed)
    except Exception as error:
        traceback.print_exc()
        found = f"scenario {scenario} seed {seed} FAILED: {root_cause(error)}"
        print(f"{found}; replay with: {replay_line(scenario, seed)}", flush=True)
        return False
    print(f"scenario {scenario} seed {seed} digest {digest}", flush=True)
    return True


def root_cause(error: BaseException) -> str:
    """The first error of a chain, in one short line."""
    while True:
        inner = error.exceptions[0] if isinstance(error, BaseExceptionGroup) else error.__cause__
        if inner is None:
            return f"{type(error).__name__}: {error}".splitlines()[0][:DETAIL_MAX]
        error = inner


class SimulatedFormatter(logging.Formatter):
    """With virtual time and machine."""

    def format(self, record: logging.LogRecord) -> str:
        loop = events._get_running_loop()
        where = f"{loop.time():9.3f} {loop.name:10}" if isinstance(loop, SimulatedLoop) else ""
        return f"{where} {record.levelname[0]} {super().format(record)}"


def fix_hash_seed() -> None:
    """Start again with a fixed hash seed, so that sets of strings are walked in one order."""
    if os.environ.get("PYTHONHASHSEED") != HASH_SEED:
        environment = {**os.environ, "PYTHONHASHSEED": HASH_SEED}
        os.execve(sys.executable, [sys.executable, "-m", "tests.simulation.run", *sys.argv[1:]], environment)


if __name__ == "__main__":
    sys.exit(main())
