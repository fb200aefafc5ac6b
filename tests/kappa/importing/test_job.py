"""The pace of an import."""

import pytest

from odradek.kappa.importing.job import due_s


@pytest.mark.parametrize(
    ("after_ms", "speed", "expected"), [(0, 2, 100), (3_600_000, 1, 3700), (3_600_000, 2000, 101.8)]
)
def test_rows_are_due_as_their_times_pass_so_many_times_as_fast(after_ms: int, speed: float, expected: float) -> None:
    assert due_s(100, after_ms, speed) == pytest.approx(expected)
