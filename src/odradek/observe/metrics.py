"""A small metrics registry that renders Prometheus' text exposition format 0.0.4.

Two ways to feed it: a metric that code updates (`counter`, `histogram`), or a number the code keeps anyway and the
registry reads when it is asked (`read_counter`, `read_gauge`), which costs a hot path nothing.
"""

from __future__ import annotations

import bisect
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Generic, TypeVar

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
CHILDREN_MAX = 2_000
"""Label combinations of one metric; further ones are counted together under `other`."""

LATENCY_BUCKETS_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
SIZE_BUCKETS_BYTES = (256, 1024, 4096, 16_384, 65_536, 262_144, 1_048_576, 4_194_304, 16_777_216)

LabelValues = tuple[str, ...]
Sample = tuple[LabelValues, float]
_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")


class Counter:
    """A number that only rises."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = 0.0

    def increment(self, by: float = 1) -> None:
        """Add; `by` must not be negative."""
        self.value += by


class Histogram:
    """Counts of values up to each bound, their sum and their number."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        """Count one value."""
        self.counts[bisect.bisect_left(self.bounds, value)] += 1
        self.total += value


M = TypeVar("M")


class Family(Generic[M]):
    """One metric over its label values."""

    def __init__(self, name: str, labels: Sequence[str], make: Callable[[], M]) -> None:
        self.name = name
        self.labels = tuple(labels)
        self._make = make
        self.children: dict[LabelValues, M] = {}
        if not labels:
            self.child()

    def child(self, *values: str) -> M:
        """The metric of these label values, one for each label; keep it where it is used often."""
        found = self.children.get(values)
        return found if found is not None else self._add(values)

    def _add(self, values: LabelValues) -> M:
        if len(values) != len(self.labels):
            raise ValueError(f"{self.name} has labels {self.labels}, not {len(values)}")
        if len(self.children) >= CHILDREN_MAX:
            values = ("other",) * len(self.labels)
        return self.children.setdefault(values, self._make())


class Registry:
    """All metrics of one broker, rendered in the order they were registered."""

    def __init__(self) -> None:
        self._renderers: dict[str, Callable[[], Iterable[str]]] = {}

    def counter(self, name: str, help_text: str, labels: Sequence[str] = ()) -> Family[Counter]:
        """A counter that code increments; its name ends with `_total`."""
        family = Family(name, labels, Counter)
        self._register(name, help_text, "counter", labels, lambda: _counter_lines(family))
        return family

    def histogram(
        self, name: str, help_text: str, bounds: Sequence[float], labels: Sequence[str] = ()
    ) -> Family[Histogram]:
        """A histogram with ascending upper bounds; the last bucket is +Inf by itself."""
        if list(bounds) != sorted(set(bounds)):
            raise ValueError(f"{name}: bounds must ascend")
        family = Family(name, labels, lambda: Histogram(tuple(bounds)))
        self._register(name, help_text, "histogram", labels, lambda: _histogram_lines(family))
        return family

    def read_counter(self, name: str, help_text: str, read: Callable[[], float]) -> None:
        """A counter that code keeps elsewhere."""
        self._register(name, help_text, "counter", (), lambda: [_line(name, (), (), read())])

    def read_gauge(self, name: str, help_text: str, read: Callable[[], float]) -> None:
        """A number that rises and falls, read when asked."""
        self._register(name, help_text, "gauge", (), lambda: [_line(name, (), (), read())])

    def read_counters(
        self, name: str, help_text: str, labels: Sequence[str], read: Callable[[], Iterable[Sample]]
    ) -> None:
        """Counters over label values that code keeps elsewhere."""
        self._read_many(name, help_text, "counter", labels, read)

    def read_gauges(
        self, name: str, help_text: str, labels: Sequence[str], read: Callable[[], Iterable[Sample]]
    ) -> None:
        """Gauges over label values, all read when asked."""
        self._read_many(name, help_text, "gauge", labels, read)

    def _read_many(
        self, name: str, help_text: str, kind: str, labels: Sequence[str], read: Callable[[], Iterable[Sample]]
    ) -> None:
        keys = tuple(labels)
        self._register(
            name, help_text, kind, labels, lambda: [_line(name, keys, values, number) for values, number in read()]
        )

    def info(self, name: str, help_text: str, values: Mapping[str, str]) -> None:
        """A gauge that is always 1 and whose labels are the message, for example a version."""
        keys, texts = tuple(values), tuple(values.values())
        self._register(name, help_text, "gauge", keys, lambda: [_line(name, keys, texts, 1)])

    def render(self) -> bytes:
        """The text that Prometheus reads."""
        lines = [line for renderer in self._renderers.values() for line in renderer()]
        return ("\n".join(lines) + "\n").encode() if lines else b""

    def _register(
        self, name: str, help_text: str, kind: str, labels: Sequence[str], samples: Callable[[], Iterable[str]]
    ) -> None:
        for each in (name, *labels):
            if not _NAME.fullmatch(each):
                raise ValueError(f"{each!r} cannot be the name of a metric or label")
        if name in self._renderers:
            raise ValueError(f"metric {name} is registered twice")
        head = [f"# HELP {name} {_escape_help(help_text)}", f"# TYPE {name} {kind}"]
        self._renderers[name] = lambda: [*head, *samples()]


def _counter_lines(family: Family[Counter]) -> Iterable[str]:
    return [_line(family.name, family.labels, values, child.value) for values, child in family.children.items()]


def _histogram_lines(family: Family[Histogram]) -> Iterable[str]:
    for values, child in family.children.items():
        keys, below = (*family.labels, "le"), 0
        for bound, number in zip((*child.bounds, math.inf), child.counts, strict=True):
            below += number
            yield _line(f"{family.name}_bucket", keys, (*values, _number(bound)), below)
        yield _line(f"{family.name}_sum", family.labels, values, child.total)
        yield _line(f"{family.name}_count", family.labels, values, below)


def _line(name: str, labels: Sequence[str], values: Sequence[str], number: float) -> str:
    pairs = ",".join(f'{label}="{_escape(value)}"' for label, value in zip(labels, values, strict=True))
    return f"{name}{{{pairs}}} {_number(number)}" if pairs else f"{name} {_number(number)}"


def _number(value: float) -> str:
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    if math.isnan(value):
        return "NaN"
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(float(value))


def _escape(value: str) -> str:
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


def _escape_help(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n")
