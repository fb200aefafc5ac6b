"""Results compared row by row."""

import math
from collections.abc import Sequence
from datetime import datetime
from typing import Any

Row = tuple[Any, ...]
TOLERANCE = 1e-9
"""Of averages: the order of addition is another one in each run."""


def differences(one: Sequence[Row], other: Sequence[Row]) -> int:
    """How many rows of either have no equal in the other, or one at all."""
    left, right = sorted(one, key=_place), sorted(other, key=_place)
    unequal = sum(not _equal(a, b) for a, b in zip(left, right, strict=False))
    return unequal + abs(len(left) - len(right))


def _place(row: Row) -> list[str]:
    """By everything but numbers with a fraction, which may differ a little."""
    return ["" if isinstance(value, float) else repr(value) for value in row]


def _equal(one: Row, other: Row) -> bool:
    return len(one) == len(other) and all(map(_same, one, other))


def _same(one: object, other: object) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=TOLERANCE, abs_tol=TOLERANCE)
    return one == other and isinstance(one, datetime) == isinstance(other, datetime)
