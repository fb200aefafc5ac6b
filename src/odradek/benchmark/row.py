"""What a row of the table is."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from odradek.benchmark.target import Target

Measured = Mapping[str, float]
"""Metric key -> value. A metric that could not be measured is absent."""


class Metric(NamedTuple):
    """One number of a row. `unit` as it is shown behind the number."""

    key: str
    unit: str
    higher_is_better: bool = False


class Row(NamedTuple):
    """`measure(target, seconds)` makes what it needs, measures for about so long, and removes what it made."""

    name: str
    title: str
    metrics: tuple[Metric, ...]
    measure: Callable[[Target, float], Measured]


MB_PER_S = Metric("rate", "MB/s", higher_is_better=True)
REQUESTS_PER_S = Metric("rate", "requests/s", higher_is_better=True)
CPU_S_PER_GB = Metric("cpu", "CPU s/GB")
CPU_US_PER_REQUEST = Metric("cpu", "CPU us/request")
PERCENTILES = (Metric("p50", "ms p50"), Metric("p99", "ms p99"), Metric("p99.9", "ms p99.9"))


class Usage:
    """Elapsed seconds, and the broker's processor seconds where they are known, of a `with` block."""

    def __init__(self) -> None:
        self.elapsed_s = 0.0
        self.cpu_s: float | None = None

    def of_requests(self, count: int) -> dict[str, float]:
        """Requests per second, microseconds of processor time for each."""
        measured = {"rate": count / self.elapsed_s}
        return measured if self.cpu_s is None else measured | {"cpu": self.cpu_s / count * 1e6}

    def of_bytes(self, count: int) -> dict[str, float]:
        """Megabytes per second, seconds of processor time for each gigabyte (10^9)."""
        measured = {"rate": count / self.elapsed_s / 1e6}
        return measured if self.cpu_s is None else measured | {"cpu": self.cpu_s / count * 1e9}


@contextmanager
def usage_of(target: Target) -> Iterator[Usage]:
    """Measures the block."""
    usage, cpu_s, begin = Usage(), target.cpu_s(), time.perf_counter()
    yield usage
    usage.elapsed_s = time.perf_counter() - begin
    after_s = target.cpu_s()
    if cpu_s is not None and after_s is not None:
        usage.cpu_s = after_s - cpu_s


def percentiles_ms(latencies_s: Sequence[float]) -> dict[str, float]:
    """p50, p99 and p99.9 in milliseconds, by the nearest rank."""
    ordered = sorted(latencies_s)
    return {f"p{share:g}": nearest_rank(ordered, share) * 1000 for share in (50, 99, 99.9)}


def nearest_rank(ordered: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` percent of the values do not exceed."""
    return ordered[max(math.ceil(len(ordered) * share / 100) - 1, 0)]


def shown(value: float) -> str:
    """Three significant digits, thousands separated."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}" if value else "0"
