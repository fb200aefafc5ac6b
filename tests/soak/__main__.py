"""`python -m tests.soak --minutes 10 [--kills 50]`: churn in the background, rounds of everything else beside it.

A round is all faults of one kind at a cluster, kills of a broker under load, new seeds of every simulated scenario,
and fuzz with a new seed. Rounds go on until the time is up and all kills are done. Every step is printed with the line
that replays it; a failed one with the end of its output. Exit status 1 when anything failed.
"""

import argparse
import sys
import time
from collections.abc import Iterator
from itertools import cycle

from tests.soak import clean
from tests.soak.seeds import Seeds
from tests.soak.steps import (
    CLUSTER_FAULTS,
    OUTPUT_LINES_MAX,
    SEEDS_PER_STEP,
    Step,
    churn_step,
    cluster_step,
    fuzz_step,
    kill_step,
    simulation_steps,
)

KILLS_PER_STEP = 10
KILLS_MAX = 50


class Soak:
    """Counts what ran and what failed."""

    def __init__(self, minutes: float, kills: int) -> None:
        self._deadline = time.monotonic() + 60 * minutes
        self._seconds = max(int(60 * minutes), 10)
        self._kills = kills
        self._seeds = Seeds()
        self.ran = 0
        self.failed: list[Step] = []

    def run(self) -> None:
        churn = churn_step(self._seeds.take(), self._seconds)
        print(f"beside everything else: {churn.replay}", flush=True)
        process = churn.start()
        try:
            for step in self._steps():
                self._finish(step, *self._run(step))
            output, _ = process.communicate()
        finally:
            process.terminate()
            process.wait()
        self._finish(churn, process.returncode, output, 0.0)
        print("\n".join(line for line in output.splitlines() if line.startswith("broker")))

    def _steps(self) -> Iterator[Step]:
        """At least one round; more until time and kills are used up."""
        for faults in cycle(CLUSTER_FAULTS):
            yield cluster_step(self._seeds.take(), faults)
            if self._kills > 0:
                kills = min(self._kills, KILLS_PER_STEP)
                self._kills -= kills
                yield kill_step(self._seeds.take(), kills)
            seed = self._seeds.take(10)
            yield from simulation_steps(seed)
            yield fuzz_step(seed)
            if time.monotonic() > self._deadline and self._kills == 0:
                return

    def _run(self, step: Step) -> tuple[int, str, float]:
        started = time.monotonic()
        process = step.start()
        output, _ = process.communicate()
        return process.returncode, output, time.monotonic() - started

    def _finish(self, step: Step, code: int, output: str, took_s: float) -> None:
        self.ran += 1
        print(f"{'ok    ' if code == 0 else 'FAILED'} {took_s:6.1f} s  {step.name}: {step.replay}", flush=True)
        if code != 0:
            self.failed.append(step)
            print("\n".join(output.splitlines()[-OUTPUT_LINES_MAX:]), flush=True)
        elif step.scenario:
            clean.add(step.scenario, SEEDS_PER_STEP, took_s)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description="Longer runs than CI has time for.")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--kills", type=int, help="kill -9 under load, in all; five a minute, at most 50, unless given")
    arguments = parser.parse_args()
    kills = min(int(5 * arguments.minutes), KILLS_MAX) if arguments.kills is None else arguments.kills
    soak = Soak(arguments.minutes, kills)
    soak.run()
    print(f"{soak.ran} steps, {len(soak.failed)} failed")
    print(clean.told(clean.recorded()))
    for step in soak.failed:
        print(f"  replay: {step.replay}")
    return 1 if soak.failed else 0


if __name__ == "__main__":
    sys.exit(main())
