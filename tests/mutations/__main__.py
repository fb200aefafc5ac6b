"""Run the mutation corpus: `python -m tests.mutations [--only NAME] [--jobs 2] [--write]`.

Prints a line a mutant and ends with status 1 when one was not found, its patch does not apply any more, or the tree
without it fails as well. `--write` makes the rows of docs/simulation.md say which seeds found them.
"""

import argparse
import sys

from tests.mutations import table
from tests.mutations.corpus import load
from tests.mutations.run_mutants import clean_failures, run_all


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.mutations", description="Run the mutation corpus.")
    parser.add_argument("--only", action="append", metavar="NAME", help="just this mutant; may be repeated")
    parser.add_argument("--jobs", type=int, default=2, help="processes at a time")
    parser.add_argument("--write", action="store_true", help=f"put the seeds into {table.PAGE}")
    arguments = parser.parse_args()
    known = {mutant.name: mutant for mutant in load()}
    unknown = [name for name in arguments.only or () if name not in known]
    if unknown:
        parser.error(f"there is no mutant {unknown[0]}")
    outcomes = []
    for outcome in run_all([known[name] for name in arguments.only or known], arguments.jobs):
        outcomes.append(outcome)
        mutant, seed = outcome.mutant, "-" if outcome.seed is None else outcome.seed
        print(f"{mutant.name:48} {mutant.scenario:14} {seed:>5} {outcome.seconds:6.1f} s  {outcome.detail}", flush=True)
    failures = clean_failures(outcomes)
    for failure in failures:
        print(failure)
    if arguments.write:
        table.write(outcomes)
    unfound = [outcome.mutant.name for outcome in outcomes if outcome.seed is None]
    print(f"{len(outcomes) - len(unfound)} of {len(outcomes)} found" + "".join(f"; NOT {name}" for name in unfound))
    return 1 if unfound or failures else 0


if __name__ == "__main__":
    sys.exit(main())
