"""The results as a page for people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

from bench.contender import KAFKA, LIMIT
from bench.results import CONTENDERS, Line, Results
from odradek.benchmark.row import shown

PLOTS = {
    "throughput": ("Throughput (longer is better)", ("rate",)),
    "latency": ("Latency (shorter is better)", ("p50", "p99", "p99.9")),
    "cpu": ("The broker's processor time (shorter is better)", ("cpu",)),
    "processes": (
        "Starts, ended leaders and memory (shorter is better)",
        ("port", "ack", "clean-ack", "killed-ack", "silence", "fresh", "wide", "loaded", "idle"),
    ),
}
"""File name -> title and the metrics that are drawn."""

_METHOD = Path(__file__).with_name("method.md")


def page(results: Results) -> str:
    """Markdown, links relative to docs/."""
    about = results.about
    parts = [
        "# Benchmarks\n",
        f"Written by `{about['command']}` on {about['date']}.\n",
        _pairs(about["machine"] | about["versions"]),
        "## How\n",
        _METHOD.read_text().format(**about),
        "## Results\n",
        *_tables(results),
        *(f"![{title}](benchmarks-{name}.svg)\n" for name, (title, keys) in PLOTS.items() if plotted(results, keys)),
    ]
    if results.failures:
        parts += ["## Not measured\n", *(f"- {row}, {who}: {reason}\n" for row, who, reason in results.failures)]
    return "\n".join(parts)


def table(results: Results) -> str:
    """All lines as one plain table for a terminal."""
    rows: list[tuple[str, ...]] = [("row", "unit", *CONTENDERS, "/ Kafka", "/ limit")]
    rows += [(line.row.name, line.metric.unit, *_cells(line)) for line in results.lines()]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    aligned = ([row[0].ljust(widths[0]), row[1].ljust(widths[1]), *map(str.rjust, row[2:], widths[2:])] for row in rows)
    return "\n".join("  ".join(row).rstrip() for row in aligned)


def plotted(results: Results, keys: Sequence[str]) -> list[Line]:
    """The lines of a plot."""
    return [line for line in results.lines() if line.metric.key in keys and line.group != "Ten times as much"]


def _pairs(pairs: dict[str, str]) -> str:
    return "\n".join(["| | |", "|---|---|", *(f"| {key} | {value} |" for key, value in pairs.items()), ""])


def _tables(results: Results) -> Iterator[str]:
    for group, lines in groupby(results.lines(), lambda line: line.group):
        yield f"### {group}\n"
        head = f"| row | | {' | '.join(CONTENDERS)} | Odradek / Kafka | Odradek / limit |"
        body, last = [head, "|---|---|" + "--:|" * (len(CONTENDERS) + 2)], ""
        for line in lines:
            title = "" if line.row.name == last else f"{line.row.title} (`{line.row.name}`)"
            last = line.row.name
            body.append(f"| {title} | {line.metric.unit} | {' | '.join(_cells(line))} |")
        yield "\n".join(body) + "\n"


def _cells(line: Line) -> list[str]:
    values = [shown(line.medians[name]) if name in line.medians else "-" for name in CONTENDERS]
    ratios = (line.ratio_to(other) for other in (KAFKA, LIMIT))
    return [*values, *("-" if ratio is None else f"{ratio:.2f}x" for ratio in ratios)]
