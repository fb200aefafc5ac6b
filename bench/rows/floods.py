"""What one client that asks for as much as it can does to the others: p99 of a paced producer, alone and beside it."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from bench.broker import Broker
from bench.contender import BenchRow, Contender, Options
from odradek.benchmark import drivers
from odradek.benchmark.errors import BenchError
from odradek.benchmark.row import Measured, Metric, percentiles_ms
from odradek.benchmark.rows import BULK_RECORDS, BULK_VALUE, batch, load

_PAUSE_S = 0.0005
_UNDER_WAY_S = 1.0
_FETCHED_BATCHES = 10
_METRICS = (Metric("alone", "ms p99 alone"), Metric("beside", "ms p99 beside it"), Metric("moved", "times"))


def _flood(kind: str) -> Callable[[Contender, Options], Measured]:
    def measure(contender: Contender, options: Options) -> Measured:
        with contender.new() as broker, broker.target.topic() as topic:
            with load(broker.target, topic, batch(BULK_RECORDS, BULK_VALUE)) as (connection, request, _):
                for _ in range(_FETCHED_BATCHES):
                    connection.call(request)
            alone = _p99(broker, options.seconds)
            with _flooding(broker, kind, topic):
                beside = _p99(broker, options.seconds)
        return {"alone": alone, "beside": beside, "moved": beside / alone}

    return measure


def _p99(broker: Broker, seconds: float) -> float:
    with broker.target.topic() as topic, load(broker.target, topic, batch(1, 100)) as (connection, request, _):
        with drivers.undisturbed():
            return percentiles_ms(drivers.round_trips(connection, request, seconds, _PAUSE_S))["p99"]


@contextmanager
def _flooding(broker: Broker, kind: str, topic: str) -> Iterator[None]:
    host, port = broker.target.address
    command = [sys.executable, "-m", "bench.flood", f"{host}:{port}", kind, topic]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(_UNDER_WAY_S)
        yield
        if process.poll() is not None:
            raise BenchError(f"the flood ended with exit code {process.returncode}")
    finally:
        process.terminate()
        process.communicate()


FLOOD_ROWS = [
    BenchRow(f"flood-{kind}", title, _METRICS, _flood(kind), repeats=1)
    for kind, title in (
        ("pipelined", "one connection, thousands of requests"),
        ("fetches", "1,000 connections that fetch 1 MiB each"),
        ("offsets", "100 connections, offsets of 10,000 partitions"),
    )
]
