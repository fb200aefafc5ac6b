"""The command that repeats a run, and arguments that cannot be."""

import subprocess
import sys
from pathlib import Path

import pytest
from bench.__main__ import command

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("arguments", "is_full", "expected"),
    [
        (["--output", "docs"], False, "make bench"),
        (["--output", "docs", "--data-gb", "6.8"], True, "make bench FULL=1"),
        (
            ["--output", "docs", "--seconds", "1", "--no-kafka"],
            False,
            "make bench BENCH_OPTIONS='--seconds 1 --no-kafka'",
        ),
    ],
)
def test_a_run_says_how_to_repeat_it(arguments: list[str], is_full: bool, expected: str) -> None:
    assert command(arguments, is_full=is_full) == expected


@pytest.mark.parametrize(
    ("option", "value"),
    [("--seconds", "0"), ("--seconds", "nan"), ("--repeats", "0"), ("--data-gb", "-1"), ("--scratch", "/nowhere")],
)
def test_what_cannot_be_measured_is_refused_in_one_line(option: str, value: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bench", option, value], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert f"argument {option}: {value}" in done.stderr.splitlines()[-1]
