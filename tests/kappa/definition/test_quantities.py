"""Durations and sizes."""

import pytest

from odradek.kappa.definition.quantities import Every, duration_ms, every, size_bytes


@pytest.mark.parametrize(
    ("text", "expected"), [("5ms", 5), ("60s", 60_000), ("10m", 600_000), ("2h", 7_200_000), ("7d", 604_800_000)]
)
def test_a_duration_is_a_number_and_a_unit(text: str, expected: int) -> None:
    assert duration_ms(text) == expected


@pytest.mark.parametrize("text", ["", "60", "s", "-1s", "1.5s", "1 week", "60s|1MB"])
def test_anything_else_is_none(text: str) -> None:
    assert duration_ms(text) is None
    assert every(text) is None or text == "60s|1MB"


def test_sizes_are_powers_of_1024() -> None:
    assert [size_bytes(text) for text in ("1B", "1kb", "128MB", "2GB", "1TB")] == [1, 1024, 128 << 20, 2 << 30, None]


def test_time_and_size_are_both_needed_and_above_zero() -> None:
    assert every("60s|128MB") == Every(60_000, 128 << 20)
    assert [every(text) for text in ("0s|1MB", "1s|0MB", "1s", "1s|1MB|1s", "1MB|1s")] == [None] * 5
