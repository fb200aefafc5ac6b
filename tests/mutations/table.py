"""The table of mutants in the documentation: a row for each, in the order of their names."""

from collections.abc import Sequence
from pathlib import Path

from tests.mutations.corpus import load
from tests.mutations.run_mutants import Outcome

PAGE = Path("docs") / "simulation.md"
HEADER = "| mutant | bug | scenario | found at seed |"


def write(outcomes: Sequence[Outcome], page: Path = PAGE) -> None:
    """The seeds that found them; rows of others stay as they are, those of mutants that are gone go."""
    lines = page.read_text().splitlines()
    first = lines.index(HEADER) + 2
    last = next((at for at in range(first, len(lines)) if not lines[at].startswith("|")), len(lines))
    rows = {line.split("`")[1]: line for line in lines[first:last]}
    for outcome in outcomes:
        mutant = outcome.mutant
        if outcome.seed is not None:
            rows[mutant.name] = f"| `{mutant.name}` | {mutant.what} | {mutant.scenario} | {outcome.seed} |"
    known = [mutant.name for mutant in load()]
    lines[first:last] = [rows[name] for name in sorted(rows) if name in known]
    page.write_text("\n".join(lines) + "\n")
