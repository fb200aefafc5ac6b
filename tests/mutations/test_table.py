"""The documented seeds are those that found the mutants."""

from pathlib import Path

from tests.mutations.corpus import Mutant, load
from tests.mutations.run_mutants import Outcome
from tests.mutations.table import HEADER, PAGE, write


def test_rows_get_the_seeds_that_were_found_and_those_of_mutants_that_are_gone_go(tmp_path: Path) -> None:
    first, second, third = load()[:3]
    page = tmp_path / "page.md"
    page.write_text(
        f"before\n\n{HEADER}\n|---|---|---|---|\n| `gone` | x | y | 1 |\n| `{second.name}` | old | y | 1 |\n\nafter\n"
    )
    found = [Outcome(second, 7, 0.0, ""), Outcome(first, 3, 0.0, ""), Outcome(third, None, 0.0, "")]
    write(found, page)
    assert page.read_text().splitlines() == [
        "before", "", HEADER, "|---|---|---|---|", _row(first, 3), _row(second, 7), "", "after",
    ]  # fmt: skip


def _row(mutant: Mutant, seed: int) -> str:
    return f"| `{mutant.name}` | {mutant.what} | {mutant.scenario} | {seed} |"


def test_every_mutant_has_its_row() -> None:
    rows = {line.split("`")[1] for line in PAGE.read_text().splitlines() if line.startswith("| `")}
    assert {mutant.name for mutant in load()} <= rows
