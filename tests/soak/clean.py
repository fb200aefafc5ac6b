"""How many seeds of the simulated cluster have been clean since replication last changed.

`python -m tests.soak.clean [--seeds 500]` runs new ones of each scenario and adds them up; `make soak` adds its own.
The sum is kept beside the counter of seeds and begins anew when the sources change. `--write` puts it into the docs.
"""

import argparse
import hashlib
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from tests.mutations.run_mutants import SOURCE, run_scenario
from tests.soak.seeds import Seeds

SCENARIOS = ("cluster", "flushed-cluster")
PACKAGES = ("replication", "cluster", "groups")
"""A change of these makes earlier seeds worth nothing."""
RECORD, PAGE = Path(".soak") / "clean-seeds.json", Path("docs") / "simulation-seeds.json"
SEEDS_PER_RUN = 10


def digest() -> str:
    """Of the sources that decide about replication."""
    found = hashlib.sha256()
    for package in PACKAGES:
        for path in sorted((SOURCE / package).glob("*.py")):
            found.update(f"{package}/{path.name}\n".encode() + path.read_bytes())
    return found.hexdigest()[:16]


def recorded(path: Path = RECORD) -> dict[str, Any]:
    """Clean seeds and the seconds they took, by scenario; empty ones when the sources have changed since."""
    try:
        found: dict[str, Any] = json.loads(path.read_text())
    except FileNotFoundError:
        found = {}
    if found.get("digest") == digest():
        return found
    return {"digest": digest()} | {name: {"seeds": 0, "seconds": 0.0} for name in SCENARIOS}


def add(scenario: str, seeds: int, seconds: float, path: Path = RECORD) -> dict[str, Any]:
    """So many more were clean; the record after that."""
    record = recorded(path)
    if scenario in SCENARIOS:
        record[scenario]["seeds"] += seeds
        record[scenario]["seconds"] = round(record[scenario]["seconds"] + seconds, 1)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(record, indent=2) + "\n")
    return record


def told(record: dict[str, Any]) -> str:
    """One line."""
    parts = [
        f"{record[name]['seeds']:,} of {name} ({record[name]['seconds'] / max(record[name]['seeds'], 1):.2f} s each)"
        for name in SCENARIOS
    ]
    return "clean seeds since replication last changed: " + ", ".join(parts)


def run(scenario: str, first: int) -> str:
    """Empty when all were clean, else the end of what was found."""
    begun = time.monotonic()
    status, output = run_scenario(scenario, range(first, first + SEEDS_PER_RUN), SOURCE.parent)
    if status:
        return output[-2000:]
    add(scenario, SEEDS_PER_RUN, time.monotonic() - begun)
    return ""


def keep_to_one_cpu() -> None:
    """The threads of a simulated executor hand a baton to one another, which costs a third less within one CPU."""
    if sys.platform == "linux":
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.soak.clean", description="Count clean seeds of clusters.")
    parser.add_argument("--seeds", type=int, default=0, help="run so many new ones of each scenario")
    parser.add_argument("--write", action="store_true", help=f"put the sum into {PAGE}")
    arguments = parser.parse_args()
    keep_to_one_cpu()
    for _ in range(0, arguments.seeds, SEEDS_PER_RUN):
        first = Seeds().take(SEEDS_PER_RUN)
        for scenario in SCENARIOS:
            if problem := run(scenario, first):
                print(problem)
                return 1
    if arguments.write:
        PAGE.write_text(json.dumps(recorded(), indent=2) + "\n")
    print(told(recorded()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
