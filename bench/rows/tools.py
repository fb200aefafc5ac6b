"""Kafka's own performance tools, run against every broker."""

from __future__ import annotations

import re
import subprocess

from peers import kafka_command

from bench.contender import BenchRow, Contender, Options
from odradek.benchmark.errors import BenchError
from odradek.benchmark.row import MB_PER_S, PERCENTILES, Measured, Metric
from odradek.benchmark.target import Target

_TIMEOUT_S = 180.0
_LARGE_RECORDS_PER_S = 250_000
"""About what passes: a run is so many records for each second that a measurement shall take."""
_ROUND_TRIPS_PER_S = 1_000
_LATENCY = re.compile(r"([\d.]+) ms (\d+(?:\.\d+)?)th")
_PERCENTILE = re.compile(r"([\d.]+)th = ([\d.]+)")


def _run(tool: str, *arguments: str) -> str:
    command = kafka_command(f"org.apache.kafka.tools.{tool}", *arguments, heap_mb=512)
    done = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False)
    if done.returncode:
        raise BenchError(f"{tool}: {(done.stderr or done.stdout).strip().splitlines()[-1]}")
    return done.stdout


def _produce(target: Target, topic: str, records: int) -> str:
    properties = ("--producer-props", f"bootstrap.servers={_address(target)}", "acks=1")
    sizes = ("--num-records", str(records), "--record-size", "1024", "--throughput", "-1")
    return _run("ProducerPerformance", "--topic", topic, *sizes, *properties)


def producer(contender: Contender, options: Options) -> Measured:
    """kafka-producer-perf-test: default batching, as fast as it goes."""
    target = contender.shared.target
    with target.topic() as topic:
        last = _produce(target, topic, int(_LARGE_RECORDS_PER_S * options.seconds)).splitlines()[-1]
    rate = re.search(r"\(([\d.]+) MB/sec\)", last)
    if rate is None:
        raise BenchError(f"ProducerPerformance said: {last}")
    measured = {f"p{share}": float(value) for value, share in _LATENCY.findall(last)}
    return {"rate": float(rate[1]) * 1.048576, "p99": measured["p99"]}


def consumer(contender: Contender, options: Options) -> Measured:
    """kafka-consumer-perf-test over what the producer's tool wrote."""
    target, records = contender.shared.target, int(_LARGE_RECORDS_PER_S * options.seconds)
    with target.topic() as topic:
        _produce(target, topic, records)
        wanted = ("--topic", topic, "--num-records", str(records))
        output = _run("ConsumerPerformance", "--bootstrap-server", _address(target), *wanted)
    header, values = (line.split(", ") for line in output.splitlines()[-2:])
    return {"rate": float(dict(zip(header, values, strict=True))["fetch.MB.sec"]) * 1.048576}


def end_to_end(contender: Contender, options: Options) -> Measured:
    """kafka-e2e-latency: one record at a time from a producer to a consumer, acks=1; whole milliseconds."""
    target = contender.shared.target
    with target.topic() as topic:
        sizes = ("--num-records", str(max(int(_ROUND_TRIPS_PER_S * options.seconds), 1000)), "--record-size", "100")
        where = ("--bootstrap-server", _address(target), "--topic", topic)
        output = _run("EndToEndLatency", *where, *sizes, "--producer-acks", "1")
    average = re.search(r"Avg latency: ([\d.]+)", output)
    if average is None:
        raise BenchError(f"EndToEndLatency said: {output.splitlines()[-1:]}")
    percentiles = {f"p{float(share):g}": float(value) for share, value in _PERCENTILE.findall(output)}
    return {"average": float(average[1]), **percentiles}


def _address(target: Target) -> str:
    host, port = target.address
    return f"{host}:{port}"


TOOL_ROWS = [
    BenchRow(
        "tool-producer", "kafka-producer-perf-test, 1 KiB records", (MB_PER_S, Metric("p99", "ms p99")), producer,
        repeats=1, is_shared=True,
    ),
    BenchRow(
        "tool-consumer", "kafka-consumer-perf-test, 1 KiB records", (MB_PER_S,), consumer,
        repeats=1, is_shared=True,
    ),
    BenchRow(
        "tool-end-to-end", "kafka-e2e-latency, 100 B records", (Metric("average", "ms average"), *PERCENTILES[1:]),
        end_to_end, repeats=1, is_shared=True,
    ),
]  # fmt: skip
