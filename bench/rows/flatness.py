"""Whether ten times as much of something costs more: the same load with one and with ten times as much, interleaved."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager

from odradek.benchmark import drivers, frames
from odradek.benchmark.row import Measured, Metric, Row, usage_of
from odradek.benchmark.rows import BATCH_RECORDS, BATCH_VALUE, BULK_RECORDS, BULK_VALUE, batch, load
from odradek.benchmark.target import Target

ROUNDS = 3
_METRICS = (Metric("kept", "% of throughput kept", higher_is_better=True), Metric("cpu", "% of CPU per request"))


def _compare(target: Target, seconds: float, runs: Sequence[Callable[[float], int]]) -> Measured:
    """Throughput and cost of the second run in percent of the first's, over rounds of both."""
    rates, costs = [0.0, 0.0], [0.0, 0.0]
    for _ in range(ROUNDS):
        for index, run in enumerate(runs):
            with drivers.undisturbed(), usage_of(target) as usage:
                answered = run(seconds / ROUNDS)
            measured = usage.of_requests(answered)
            rates[index] += measured["rate"]
            costs[index] += measured.get("cpu", 0.0)
    return {"kept": rates[1] / rates[0] * 100, "cpu": costs[1] / max(costs[0], 1e-9) * 100}


@contextmanager
def _over_partitions(target: Target, partitions: int, topics: int) -> Iterator[Callable[[float], int]]:
    """16 KiB batches in turn to each partition of each topic, all touched before."""
    records = batch(BATCH_RECORDS, BATCH_VALUE)
    with ExitStack() as stack:
        names = [stack.enter_context(target.topic(partitions)) for _ in range(topics)]
        requests = [frames.produce(name, partition, records) for name in names for partition in range(partitions)]
        connection, _, response_size = stack.enter_context(load(target, names[0], records))
        drivers.each_once(connection, requests, response_size, 5)
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
def _filled(target: Target, size: int) -> Iterator[Callable[[float], int]]:
    filler, records = batch(BULK_RECORDS, BULK_VALUE), batch(BATCH_RECORDS, BATCH_VALUE)
    with target.topic() as topic, load(target, topic, filler) as (connection, request, response_size):
        drivers.each_once(connection, [request] * (size // len(filler)), response_size, 5)
        requests = [frames.produce(topic, 0, records)]
        yield lambda seconds: drivers.pipelined(connection, requests, response_size, 5, seconds)


FLATNESS_ROWS = [
    Row("flat-partitions", "16 KiB batches over 1,000 partitions, of over 100", _METRICS, partitions),
    Row("flat-topics", "16 KiB batches over 100 topics, of over 10", _METRICS, topics),
    Row("flat-connections", "320 connections with 1 in flight each, of 32", _METRICS, connections),
    Row("flat-log-size", "16 KiB batches to a log of 1 GB, of 0.1 GB", _METRICS, log_size),
]
