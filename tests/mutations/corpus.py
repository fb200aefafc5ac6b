"""The corpus: one file a mutant in `patches/`.

A patch begins with a line that says what the bug is and one that says where it must show:

    The recovery point moves to the log end of when the flush ends.
    scenario log, 30 seeds

What few seeds show says where they are, `3 seeds from 70`: the others would cost more than they tell.
"""

import re
from dataclasses import dataclass
from pathlib import Path

PATCHES = Path(__file__).parent / "patches"
WHERE = re.compile(r"scenario (\S+), (\d+) seeds(?: from (\d+))?")


@dataclass(frozen=True, slots=True)
class Mutant:
    """It must be found within so many `seeds`, from `first` on."""

    name: str
    what: str
    scenario: str
    seeds: int
    patch: str
    first: int = 0


def load() -> list[Mutant]:
    """Every mutant, by name."""
    return [parse(path.stem, path.read_text()) for path in sorted(PATCHES.glob("*.patch"))]


def parse(name: str, patch: str) -> Mutant:
    """Raises ValueError when the patch does not say what it is."""
    what, where = patch.splitlines()[:2]
    found = WHERE.fullmatch(where)
    if found is None:
        raise ValueError(f"{name}: the second line must be 'scenario NAME, N seeds[ from K]', not {where!r}")
    return Mutant(name, what, found[1], int(found[2]), patch, int(found[3] or 0))
