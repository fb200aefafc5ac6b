"""What was measured: values of every repeat, their medians, and the same as JSON."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from bench.contender import KAFKA, LIMIT, ODRADEK, BenchRow
from odradek.benchmark.row import Measured, Metric

CONTENDERS = (ODRADEK, KAFKA, LIMIT)


class Line(NamedTuple):
    """One metric of one row: the median of each contender that has it."""

    group: str
    row: BenchRow
    metric: Metric
    medians: Mapping[str, float]

    def ratio_to(self, other: str) -> float | None:
        """Odradek's value divided by the other's; None where either is missing or zero."""
        own, others = self.medians.get(ODRADEK), self.medians.get(other)
        return own / others if own is not None and others else None


@dataclass(slots=True)
class Results:
    """Grows as rows are measured."""

    about: dict[str, Any]
    groups: Mapping[str, list[BenchRow]]
    values: dict[tuple[str, str], list[Measured]] = field(default_factory=dict)
    """(row, contender) -> a mapping for each repeat."""
    failures: list[tuple[str, str, str]] = field(default_factory=list)
    """(row, contender, what went wrong)."""

    def add(self, row: BenchRow, contender: str, measured: Measured) -> None:
        self.values.setdefault((row.name, contender), []).append(measured)

    def lines(self) -> Iterator[Line]:
        """Every metric that anybody has a value of, in the order of the table."""
        for group, rows in self.groups.items():
            for row in rows:
                for metric in row.metrics:
                    medians = self._medians(row.name, metric.key)
                    if medians:
                        yield Line(group, row, metric, medians)

    def _medians(self, row: str, key: str) -> dict[str, float]:
        found = {}
        for contender in CONTENDERS:
            values = [each[key] for each in self.values.get((row, contender), []) if key in each]
            if values:
                found[contender] = statistics.median(values)
        return found

    def as_json(self) -> dict[str, Any]:
        """`about`, the lines with all values behind their medians, and the failures."""
        return {
            **self.about,
            "rows": [
                {
                    "group": line.group,
                    "row": line.row.name,
                    "title": line.row.title,
                    "metric": line.metric.key,
                    "unit": line.metric.unit,
                    "higher_is_better": line.metric.higher_is_better,
                    "medians": dict(line.medians),
                    "values": {name: self._values(line, name) for name in line.medians},
                }
                for line in self.lines()
            ],
            "failures": [dict(zip(("row", "contender", "reason"), failure, strict=True)) for failure in self.failures],
        }

    def _values(self, line: Line, contender: str) -> list[float]:
        found = self.values[line.row.name, contender]
        return [each[line.metric.key] for each in found if line.metric.key in each]
