"""Runs mutants: a patched copy of the package, a process of its own, the first find ends it.

What a mutant is found by must pass without it: the same scenario and seeds are run on the tree as it is.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.mutations.corpus import Mutant
from tests.mutations.unified_diff import DoesNotApplyError, apply

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "odradek"
TIMEOUT_SECONDS, TIMED_OUT = 600, 124
FAILED = re.compile(r"^scenario \S+ seed (\d+) FAILED: (.*?); replay", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Outcome:
    """`seed` is None when nothing was found; `detail` is what was found, or why the run is worth nothing."""

    mutant: Mutant
    seed: int | None
    seconds: float
    detail: str


def run_all(mutants: Sequence[Mutant], jobs: int) -> Iterator[Outcome]:
    """Outcomes as they come."""
    with ThreadPoolExecutor(jobs) as pool:
        yield from pool.map(run_mutant, mutants)


def run_mutant(mutant: Mutant) -> Outcome:
    """Patch a copy and look for the bug in it."""
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="mutant-") as directory:
        shutil.copytree(SOURCE, Path(directory) / "odradek", ignore=shutil.ignore_patterns("__pycache__"))
        try:
            apply(mutant.patch, Path(directory))
        except DoesNotApplyError as error:
            return Outcome(mutant, None, time.monotonic() - begun, f"does not apply: {error}")
        status, output = run_scenario(mutant.scenario, seeds_of(mutant), Path(directory))
    found = FAILED.search(output)
    seconds = time.monotonic() - begun
    if found is not None:
        return Outcome(mutant, int(found[1]), seconds, found[2])
    return Outcome(mutant, None, seconds, "not found" if status == 0 else f"status {status}: {output[-500:]}")


def seeds_of(mutant: Mutant) -> range:
    return range(mutant.first, mutant.first + mutant.seeds)


def clean_failures(outcomes: Iterable[Outcome]) -> list[str]:
    """What the scenarios and seeds that found mutants say of the tree without them: nothing, or they do not count."""
    last: dict[tuple[str, int], int] = {}
    for outcome in outcomes:
        if outcome.seed is not None:
            tried = (outcome.mutant.scenario, outcome.mutant.first)
            last[tried] = max(last.get(tried, 0), outcome.seed)
    failures = []
    for (scenario, first), seed in last.items():
        status, output = run_scenario(scenario, range(first, seed + 1), SOURCE.parent)
        if status:
            failures.append(f"without any mutant: {output[-500:]}")
    return failures


def run_scenario(scenario: str, seeds: range, source: Path) -> tuple[int, str]:
    """Exit status and output of `tests.simulation.run` on the package in `source`."""
    command = [sys.executable, "-m", "tests.simulation.run", "--scenario", scenario]
    command += ["--seed", str(seeds.start), "--seeds", str(len(seeds)), "--package", str(source)]
    environment = {**os.environ, "PYTHONPATH": str(source), "PYTHONHASHSEED": "0"}
    try:
        done = subprocess.run(
            command,
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return TIMED_OUT, f"{scenario} did not end in {TIMEOUT_SECONDS} s"
    return done.returncode, done.stdout
