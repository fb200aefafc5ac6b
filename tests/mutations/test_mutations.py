"""Every mutant is found by the simulation, and nothing is found without it."""

from pathlib import Path

import pytest

from tests.mutations.corpus import load
from tests.mutations.run_mutants import clean_failures, run_all
from tests.mutations.unified_diff import DoesNotApplyError, apply
from tests.simulation.scenarios import SCENARIOS

PATCH = """What it is about.

--- a/odradek/some.py
+++ b/odradek/some.py
@@ -2,3 +2,3 @@
 two
-three
+drei
 four
"""


@pytest.mark.timeout(1200)
def test_every_mutant_is_found_within_its_seeds_and_the_tree_without_it_is_clean() -> None:
    outcomes = list(run_all(load(), jobs=2))
    assert [f"{each.mutant.name}: {each.detail}" for each in outcomes if each.seed is None] == []
    assert clean_failures(outcomes) == []


def test_every_mutant_names_a_scenario_there_is() -> None:
    assert {mutant.scenario for mutant in load()} <= set(SCENARIOS)


@pytest.mark.parametrize("before", ["one\ntwo\nthree\nfour\n", "zero\n\none\ntwo\nthree\nfour\nfive\n"])
def test_a_patch_applies_where_its_lines_are(tmp_path: Path, before: str) -> None:
    file = tmp_path / "odradek" / "some.py"
    file.parent.mkdir()
    file.write_text(before)
    apply(PATCH, tmp_path)
    assert file.read_text() == before.replace("three", "drei")


@pytest.mark.parametrize("before", ["one\ntwo\n3\nfour\n", "x\nx\ntwo\nthree\nfour\ntwo\nthree\nfour\n"])
def test_a_patch_whose_lines_are_missing_or_ambiguous_does_not_apply(tmp_path: Path, before: str) -> None:
    file = tmp_path / "odradek" / "some.py"
    file.parent.mkdir()
    file.write_text(before)
    with pytest.raises(DoesNotApplyError):
        apply(PATCH, tmp_path)
    assert file.read_text() == before
