"""What is compared: Odradek, Apache Kafka, the limit, each able to be started as often as a row needs.

One broker of each, or three that are one cluster.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from bench.broker import Broker, Odradek
from bench.cluster import KafkaCluster, OdradekCluster, Relay
from bench.kafka import Kafka
from bench.limit import Limit
from odradek.benchmark.row import Measured, Metric, Row

ODRADEK, KAFKA, LIMIT = Odradek.name, Kafka.name, Limit.name


class Options(NamedTuple):
    """What the command line says: `seconds` of each measurement, `repeats` of it, size of the restarted data."""

    seconds: float
    repeats: int
    data_gb: float
    has_kafka: bool
    """There is a Java to run it and its tools."""


class Contender:
    """One of them. `shared` is a broker for all rows that need no process of their own."""

    def __init__(self, name: str, make: Callable[[Mapping[str, str]], Broker]) -> None:
        self.name = name
        self._make = make
        self._shared: Broker | None = None

    def new(self, settings: Mapping[str, str] | None = None) -> Broker:
        """A broker that is not started yet, with an empty data directory."""
        return self._make(settings or {})

    @property
    def shared(self) -> Broker:
        """A running broker with default configuration."""
        if self._shared is None:
            self._shared = self.new().__enter__()
        return self._shared

    def close(self) -> None:
        """End the shared broker."""
        if self._shared is not None:
            self._shared.close()
            self._shared = None


class BenchRow(NamedTuple):
    """A row of the table. `repeats` 1 for what takes too long to be done again."""

    name: str
    title: str
    metrics: tuple[Metric, ...]
    measure: Callable[[Contender, Options], Measured]
    contenders: tuple[str, ...] = (ODRADEK, KAFKA)
    repeats: int | None = None
    is_shared: bool = False
    """It measures the shared brokers."""
    is_replicated: bool = False
    """It measures clusters."""


def contenders(scratch: Path, *, has_kafka: bool) -> list[Contender]:
    """One broker of each that can be started here, Odradek first."""
    found = [Contender(ODRADEK, lambda settings: Odradek(scratch, settings))]
    if has_kafka:
        found.append(Contender(KAFKA, lambda settings: Kafka(scratch, settings)))
    return [*found, Contender(LIMIT, lambda settings: Limit(scratch))]


def clusters(scratch: Path, *, has_kafka: bool) -> list[Contender]:
    """As `contenders`, three brokers of each."""
    found = [Contender(ODRADEK, lambda settings: OdradekCluster(scratch, settings))]
    if has_kafka:
        found.append(Contender(KAFKA, lambda settings: KafkaCluster(scratch, settings)))
    return [*found, Contender(LIMIT, lambda settings: Relay(scratch))]


def shared_row(
    row: Row, *, has_limit: bool = False, repeats: int | None = None, is_replicated: bool = False,
) -> BenchRow:  # fmt: skip
    """A row that needs an address only. Its first measurement of each contender comes after one that does not count."""
    warm: set[str] = set()

    def measure(contender: Contender, options: Options) -> Measured:
        broker = contender.shared
        if contender.name not in warm:
            warm.add(contender.name)
            row.measure(broker.target, max(broker.warm_up_s, options.seconds if broker.warm_up_s > 1 else 0))
        return row.measure(broker.target, options.seconds)

    names = (ODRADEK, KAFKA, LIMIT) if has_limit else (ODRADEK, KAFKA)
    return BenchRow(
        row.name, row.title, row.metrics, measure, names, repeats,
        is_shared=True, is_replicated=is_replicated,
    )  # fmt: skip
