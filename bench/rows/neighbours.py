"""What others feel: p99 of a paced producer beside a load, and beside the same load when it makes the broker work more.

A load that is merely there costs its share of two cores on any broker, so each row compares it with itself: a reader
that finds pages in memory and one that does not, a writer to a topic that keeps everything and one to a topic from
which segments are deleted, or compacted, all the time.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import repeat

from bench.broker import Broker, drop_from_cache
from bench.contender import BenchRow, Contender, Options
from odradek.benchmark import drivers
from odradek.benchmark.errors import BenchError
from odradek.benchmark.row import Measured, Metric, percentiles_ms
from odradek.benchmark.rows import BULK_RECORDS, BULK_VALUE, batch, load

ROUNDS = 2
_PAUSE_S = 0.0005
_READ_BYTES = 600_000_000
_SMALL_SEGMENTS = {"segment.bytes": str(1 << 20)}
_BUSY_SWEEPS = {"log.retention.check.interval.ms": "200"}
_BUSY_CLEANER = {"log.cleaner.backoff.ms": "200"}
_METRICS = (Metric("quiet", "ms p99 beside it"), Metric("busy", "ms p99 when it works"), Metric("moved", "times"))


def _p99(broker: Broker, seconds: float) -> float:
    with broker.target.topic() as topic, load(broker.target, topic, batch(1, 100)) as (connection, request, _):
        with drivers.undisturbed():
            return percentiles_ms(drivers.round_trips(connection, request, seconds, _PAUSE_S))["p99"]


@contextmanager
def _beside(broker: Broker, *arguments: str) -> Iterator[None]:
    """A load in a process of its own, under way when the block begins."""
    host, port = broker.target.address
    command = [sys.executable, "-m", "bench.background", f"{host}:{port}", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(0.3)
        yield
        if process.poll() is not None:
            raise BenchError(f"the load beside the producer ended with exit code {process.returncode}")
    finally:
        process.terminate()
        process.communicate()


def _compare(broker: Broker, options: Options, quiet: Callable[[], str], busy: Callable[[], str]) -> Measured:
    """Medians would hide what happens seldom: p99 of all rounds is the mean of theirs."""
    sums = [0.0, 0.0]
    for _ in range(ROUNDS):
        for index, load_of in enumerate((quiet, busy)):
            with _beside(broker, *load_of().split()):
                sums[index] += _p99(broker, options.seconds) / ROUNDS
    return {"quiet": sums[0], "busy": sums[1], "moved": sums[1] / sums[0]}


def cold_reader(contender: Contender, options: Options) -> Measured:
    """A consumer at 100 MB/s of what is not in memory."""
    with contender.new() as broker, broker.target.topic() as topic:
        filler = batch(BULK_RECORDS, BULK_VALUE)
        with load(broker.target, topic, filler) as (connection, request, response_size):
            drivers.send_some(connection, repeat(request), response_size, 5, _READ_BYTES // len(filler))

        def cold() -> str:
            drop_from_cache(broker.data_dir)
            return f"read {topic}"

        def warm() -> str:
            for path in broker.data_dir.rglob("*.log"):
                subprocess.run(["cat", str(path)], stdout=subprocess.DEVNULL, check=True)
            return f"read {topic}"

        return _compare(broker, options, warm, cold)


def _writer(
    contender: Contender, options: Options, settings: Mapping[str, str], configs: Mapping[str, str]
) -> Measured:
    with (
        contender.new(settings) as broker,
        broker.target.topic(4, _SMALL_SEGMENTS) as plain,
        broker.target.topic(4, {**_SMALL_SEGMENTS, **configs}) as worked_on,
    ):
        return _compare(broker, options, lambda: f"write {plain}", lambda: f"write {worked_on}")


def retention(contender: Contender, options: Options) -> Measured:
    """A writer of segments of 1 MiB that are deleted by a sweep every 200 ms."""
    configs = {"retention.bytes": str(1 << 20), "file.delete.delay.ms": "100"}
    return _writer(contender, options, _BUSY_SWEEPS, configs)


def compaction(contender: Contender, options: Options) -> Measured:
    """A writer of 1,000 keys over and over in segments of 1 MiB that are compacted as soon as they can be."""
    configs = {"cleanup.policy": "compact", "min.cleanable.dirty.ratio": "0.01", "file.delete.delay.ms": "100"}
    return _writer(contender, options, _BUSY_CLEANER, configs)


NEIGHBOUR_ROWS = [
    BenchRow("cold-reader", "a reader at 100 MB/s from disk, of from memory", _METRICS, cold_reader, repeats=1),
    BenchRow("retention", "a writer whose segments are deleted, of kept", _METRICS, retention, repeats=1),
    BenchRow("compaction", "a writer whose segments are compacted, of kept", _METRICS, compaction, repeats=1),
]
