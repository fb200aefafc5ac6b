"""The comparison itself, shortened: it runs, it makes a page, it says what it could not measure."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from bench.contender import KAFKA, LIMIT, ODRADEK
from bench.report import page, table
from bench.results import Results
from bench.rows import ALL, GROUPS
from bench.svg import bars

ROOT = Path(__file__).parents[2]
ABOUT = {
    "command": "make bench", "date": "2026-01-01", "machine": {"cores": "2"}, "versions": {"Odradek": "1"},
    "seconds": 2.0, "repeats": 3, "data_gb": 0.68, "cluster_heap_mb": 1024,
}  # fmt: skip


@pytest.mark.real_broker
def test_it_measures_and_writes_a_page_json_and_plots(tmp_path: Path) -> None:
    options = [
        "--rows",
        "small,first-touch",
        "--seconds",
        "0.2",
        "--repeats",
        "1",
        "--no-kafka",
        "--memory-as-is",
        "--output",
        str(tmp_path / "docs"),
    ]
    command = [sys.executable, "-m", "bench", *options, "--scratch", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    assert [tuple(line.split()[:2]) for line in done.stdout.splitlines()[1:]] == [
        (row, unit) for row in ("small", "first-touch") for unit in ("requests/s", "CPU")
    ]
    report = json.loads((tmp_path / "docs" / "benchmarks.json").read_text())
    assert [set(row["medians"]) for row in report["rows"]] == [{ODRADEK, LIMIT}] * 4
    assert "one 100 B record a request" in (tmp_path / "docs" / "benchmarks.md").read_text()
    assert (tmp_path / "docs" / "benchmarks-throughput.svg").read_text().startswith("<svg")
    assert not list(tmp_path.glob("odradek-bench-*"))


def test_rows_have_names_of_their_own() -> None:
    names = [row.name for row in ALL]
    assert len(set(names)) == len(names)


def test_the_median_of_each_contender_and_their_ratio_are_shown() -> None:
    results = Results(ABOUT, GROUPS)
    [row] = [row for row in ALL if row.name == "small"]
    for rate in (300.0, 100.0, 200.0):
        results.add(row, ODRADEK, {"rate": rate})
    results.add(row, KAFKA, {"rate": 50.0})
    [line] = results.lines()
    assert dict(line.medians) == {ODRADEK: 200.0, KAFKA: 50.0}
    assert (line.ratio_to(KAFKA), line.ratio_to(LIMIT)) == (4.0, None)
    assert table(results).splitlines()[1].split() == ["small", "requests/s", "200", "50", "-", "4.00x", "-"]
    assert "| requests/s | 200 | 50 | - | 4.00x | - |" in page(results)
    assert "200" in bars("Throughput", [line])


def test_what_could_not_be_measured_is_on_the_page() -> None:
    results = Results(ABOUT, GROUPS)
    results.failures.append(("small", KAFKA, "it did not start"))
    assert "- small, Kafka: it did not start" in page(results)
    assert results.as_json()["failures"] == [{"row": "small", "contender": KAFKA, "reason": "it did not start"}]
