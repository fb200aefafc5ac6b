"""Whether ten times as much of something costs more: the same load with one and with ten times as much, interleaved."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import repeat

from odradek.benchmark import drivers, frames
from odradek.benchmark.row import Measured, Metric, Row, usage_of
from odradek.benchmark.rows import BATCH_RECORDS, BATCH_VALUE, BULK_RECORDS, BULK_VALUE, batch, load
from odradek.benchmark.target import Target

Run = Callable[[float], int]
"""Loads for so many seconds; requests that were answered."""

ROUND_S = 0.2
ROUNDS_SHARE = 3
"""Rounds take so many times as long as a measurement of other rows: they are its repeats."""
_METRICS = (Metric("kept", "% of throughput kept", higher_is_better=True), Metric("cpu", "% of CPU per request"))


def _compare(target: Target, seconds: float, runs: tuple[Run, Run]) -> Measured:
    """Throughput and cost of the second run in percent of the first's, over many short rounds of both.

    Throughput is the median of the rounds' ratios, so that what disturbs one round does not count; cost is of all.
    """
    ratios, cpu_s, answered = [], [0.0, 0.0], [0, 0]
    for _ in range(max(int(ROUNDS_SHARE * seconds / ROUND_S), 3)):
        rates = []
        for index, run in enumerate(runs):
            with drivers.undisturbed(), usage_of(target) as usage:
                count = run(ROUND_S)
            rates.append(count / usage.elapsed_s)
            answered[index] += count
            cpu_s[index] += usage.cpu_s or 0.0
        ratios.append(rates[1] / rates[0] * 100)
    kept = {"kept": statistics.median(ratios)}
    return kept | {"cpu": cpu_s[1] / answered[1] / (cpu_s[0] / answered[0]) * 100} if cpu_s[0] else kept


@contextmanager
def _over_partitions(target: Target, partitions: int, topics: int) -> Iterator[Run]:
    """16 KiB batches in turn to each partition of each topic, all touched before."""
    records = batch(BATCH_RECORDS, BATCH_VALUE)
    with ExitStack() as stack:
        names = [stack.enter_context(target.topic(partitions)) for _ in range(topics)]
        places = [(name, partition) for name in names for partition in range(partitions)]
        requests = frames.produce_to(places, records)
        connection, _, response_size = stack.enter_context(load(target, names[0], records))
        drivers.send_some(connection, requests, response_size, 5, len(places))
        yield lambda seconds: drivers.pipelined(connection, requests, response_size, 5, seconds)


def partitions(target: Target, seconds: float) -> Measured:
    with _over_partitions(target, 100, 1) as few, _over_partitions(target, 1_000, 1) as many:
        return _compare(target, seconds, (few, many))


def topics(target: Target, seconds: float) -> Measured:
    with _over_partitions(target, 1, 10) as few, _over_partitions(target, 1, 100) as many:
        return _compare(target, seconds, (few, many))


def connections(target: Target, seconds: float) -> Measured:
    """One request in flight on each of 32 connections, without and with 288 others that are open and do as much."""
    with target.topic() as topic, ExitStack() as stack:
        loads = [stack.enter_context(load(target, topic, batch(1, 100))) for _ in range(320)]
        ends, requests = [each.connection for each in loads], [each.request for each in loads]
        few = lambda seconds: drivers.from_many(ends[:32], requests[:32], seconds)  # noqa: E731
        many = lambda seconds: drivers.from_many(ends, requests, seconds)  # noqa: E731
        return _compare(target, seconds, (few, many))


def log_size(target: Target, seconds: float) -> Measured:
    """16 KiB batches to a partition that holds 0.1 GB, and to one that holds 1 GB."""
    with _filled(target, 100_000_000) as small, _filled(target, 1_000_000_000) as large:
        return _compare(target, seconds, (small, large))


@contextmanager
def _filled(target: Target, size: int) -> Iterator[Run]:
    filler, records = batch(BULK_RECORDS, BULK_VALUE), batch(BATCH_RECORDS, BATCH_VALUE)
    with target.topic() as topic, load(target, topic, filler) as (connection, request, response_size):
        drivers.send_some(connection, repeat(request), response_size, 5, size // len(filler))
        requests = repeat(frames.produce(topic, 0, records))
        yield lambda seconds: drivers.pipelined(connection, requests, response_size, 5, seconds)


FLATNESS_ROWS = [
    Row("flat-partitions", "16 KiB batches over 1,000 partitions, of over 100", _METRICS, partitions),
    Row("flat-topics", "16 KiB batches over 100 topics, of over 10", _METRICS, topics),
    Row("flat-connections", "320 connections with 1 in flight each, of 32", _METRICS, connections),
    Row("flat-log-size", "16 KiB batches to a log of 1 GB, of 0.1 GB", _METRICS, log_size),
]
