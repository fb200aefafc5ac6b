"""What needs a broker process of its own: starts, restarts, memory, and what an idle one costs."""

from __future__ import annotations

import time
from itertools import repeat

from bench.broker import Broker
from bench.contender import BenchRow, Contender, Options
from odradek.benchmark import drivers, frames, resources
from odradek.benchmark.errors import BenchError
from odradek.benchmark.row import Measured, Metric
from odradek.benchmark.rows import BATCH_RECORDS, BATCH_VALUE, BULK_RECORDS, BULK_VALUE, PARTITIONS, batch, load
from odradek.benchmark.target import Target

GB_PER_PARTITION = 6.8 / 2_000
_PARTITIONS_MIN = 20
_IDLE_S = 4.0
_TOPIC = "odradek-bench-restarted"


def start(contender: Contender, options: Options) -> Measured:
    """A new data directory: from the command to the open port, to the first record acknowledged with acks=all."""
    broker = contender.new()
    try:
        broker.prepare()
        started = broker.start_measured()
        return {"port": started.port_s, "ack": started.ack_s}
    finally:
        broker.close()


def restart(contender: Contender, options: Options) -> Measured:
    """`data_gb` over partitions of 3.4 MB: start after kill -9 while all of it is new, then after a clean stop."""
    partitions = max(int(options.data_gb / GB_PER_PARTITION), _PARTITIONS_MIN)
    with contender.new() as broker:
        target = broker.target
        target.create_topic(_TOPIC, partitions, {})
        _fill(target, partitions, int(options.data_gb * 1e9))
        broker.kill()
        killed = broker.start_measured(_TOPIC)
        broker.stop()
        clean = broker.start_measured(_TOPIC)
        _require_all(broker, partitions)
    return {
        "clean-port": clean.port_s, "clean-ack": clean.ack_s, "killed-port": killed.port_s, "killed-ack": killed.ack_s,
    }  # fmt: skip


def _fill(target: Target, partitions: int, size: int) -> None:
    records = batch(BATCH_RECORDS * 10, BATCH_VALUE)
    with load(target, _TOPIC, records) as (connection, _, response_size):
        requests = frames.produce_to([(_TOPIC, partition) for partition in range(partitions)], records)
        drivers.send_some(connection, requests, response_size, 5, max(size // len(records), partitions))


def _require_all(broker: Broker, partitions: int) -> None:
    for partition in (1, partitions - 1):
        if broker.target.end_offset(_TOPIC, partition) == 0:
            raise BenchError(f"{broker.name} lost the records of {_TOPIC}-{partition}")


def memory(contender: Contender, options: Options) -> Measured:
    """Resident: fresh; with 1,000 partitions that hold a batch each; after load. Between them the cost of idling."""
    with contender.new() as broker:
        target = broker.target
        fresh_mb = resources.resident_mb(*target.pids)
        records, bulk = batch(BATCH_RECORDS, BATCH_VALUE), batch(BULK_RECORDS, BULK_VALUE)
        with target.topic(PARTITIONS) as topic, load(target, topic, records) as (connection, _, response_size):
            requests = frames.produce_to([(topic, partition) for partition in range(PARTITIONS)], records)
            drivers.send_some(connection, requests, response_size, 5, PARTITIONS)
            wide_mb = resources.resident_mb(*target.pids)
            idle = idle_share(target)
            drivers.pipelined(connection, requests, response_size, 5, options.seconds)
            drivers.pipelined(connection, repeat(frames.produce(topic, 0, bulk)), response_size, 5, options.seconds)
            loaded_mb = resources.resident_mb(*target.pids)
    return {"fresh": fresh_mb, "wide": wide_mb, "loaded": loaded_mb, "idle": idle}


def idle_share(target: Target) -> float:
    """Percent of a core, a second after the last request."""
    time.sleep(1)
    before_s = resources.cpu_s(*target.pids)
    time.sleep(_IDLE_S)
    return (resources.cpu_s(*target.pids) - before_s) / _IDLE_S * 100


PROCESS_ROWS = [
    BenchRow(
        "start", "start on a new directory", (Metric("port", "s to port"), Metric("ack", "s to first ack")), start
    ),
    BenchRow(
        "restart", "restart with data, 3.4 MB a partition",
        (
            Metric("clean-port", "s to port, clean"), Metric("clean-ack", "s to first ack, clean"),
            Metric("killed-port", "s to port, kill -9"), Metric("killed-ack", "s to first ack, kill -9"),
        ),
        restart, repeats=1,
    ),
    BenchRow(
        "memory", "resident memory, and CPU when idle with 1,000 partitions",
        (
            Metric("fresh", "MB fresh"), Metric("wide", "MB, 1,000 partitions"), Metric("loaded", "MB loaded"),
            Metric("idle", "% of a core idle"),
        ),
        memory, repeats=1,
    ),
]  # fmt: skip
