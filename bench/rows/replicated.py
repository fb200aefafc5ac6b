"""Three brokers, three copies of every partition, acks=all: the requests and clients of single brokers, and memory."""

from __future__ import annotations

from itertools import repeat

from bench.cluster import BROKERS
from bench.contender import BenchRow, Contender, Options, shared_row
from bench.rows import clients
from bench.rows.processes import idle_share
from odradek.benchmark import drivers, resources, rows
from odradek.benchmark.row import (
    CPU_S_PER_GB,
    CPU_US_PER_REQUEST,
    MB_PER_S,
    PERCENTILES,
    REQUESTS_PER_S,
    Measured,
    Metric,
    Row,
)
from odradek.benchmark.rows import BATCH_RECORDS, BATCH_VALUE, BULK_RECORDS, BULK_VALUE, batch, load
from odradek.benchmark.target import Target


def memory(contender: Contender, options: Options) -> Measured:
    """Resident, all processes together: before anything was asked, and after load on each broker. CPU when idle."""
    with contender.new() as cluster:
        target = cluster.target
        fresh_mb = resources.resident_mb(*target.pids)
        with target.topic(BROKERS) as topic:
            for partition in range(BROKERS):
                _load(target, topic, partition, options.seconds)
            loaded_mb = resources.resident_mb(*target.pids)
            idle = idle_share(target)
    return {"fresh": fresh_mb, "loaded": loaded_mb, "idle": idle}


def _load(target: Target, topic: str, partition: int, seconds: float) -> None:
    """Small batches and large ones."""
    for records in (batch(BATCH_RECORDS, BATCH_VALUE), batch(BULK_RECORDS, BULK_VALUE)):
        with load(target, topic, records, partition) as (connection, request, response_size):
            drivers.pipelined(connection, repeat(request), response_size, 5, seconds / 2)


_BYTES = (MB_PER_S, CPU_S_PER_GB)
_REQUESTS = (REQUESTS_PER_S, CPU_US_PER_REQUEST)

REPLICATED_ROWS = [
    shared_row(
        Row("replicated-bulk", "1 KiB records in 0.9 MB batches, 5 in flight", _BYTES, rows.bulk),
        has_limit=True, is_replicated=True,
    ),
    shared_row(
        Row("replicated-batches", "100 B records in 16 KiB batches, 5 in flight", _REQUESTS, rows.batches),
        has_limit=True, is_replicated=True,
    ),
    shared_row(
        Row("replicated-small", "one 100 B record a request, 64 in flight", _REQUESTS, rows.small),
        has_limit=True, is_replicated=True,
    ),
    shared_row(
        Row("replicated-round-trip", "one 100 B record, one at a time", PERCENTILES, rows.round_trip),
        has_limit=True, is_replicated=True,
    ),
    shared_row(
        Row("replicated-librdkafka", "librdkafka, 1 KiB records, its own batching", _BYTES, clients.produce_large),
        is_replicated=True,
    ),
    BenchRow(
        "replicated-memory", "resident memory of all, and CPU when idle",
        (Metric("fresh", "MB fresh"), Metric("loaded", "MB loaded"), Metric("idle", "% of a core idle")),
        memory, repeats=1, is_replicated=True,
    ),
]  # fmt: skip
