"""The rows that need nothing but a broker's address: `odradek bench`."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import repeat
from typing import NamedTuple

from odradek.benchmark import drivers, frames
from odradek.benchmark.connection import Connection
from odradek.benchmark.errors import BenchError
from odradek.benchmark.row import (
    CPU_S_PER_GB,
    CPU_US_PER_REQUEST,
    MB_PER_S,
    PERCENTILES,
    REQUESTS_PER_S,
    Measured,
    Metric,
    Row,
    Usage,
    percentiles_ms,
    usage_of,
)
from odradek.benchmark.target import Target

BULK_RECORDS, BULK_VALUE = 860, 1024
BATCH_RECORDS, BATCH_VALUE = 150, 100
PARTITIONS = 1_000
CONNECTIONS = 32
SMALL_IN_FLIGHT = 64
SYNCED_CONNECTIONS = 64
CATCH_UP_BYTES = 300_000_000
FETCH_BYTES = 1 << 20
END_TO_END_INTERVAL_S = 0.001


class Load(NamedTuple):
    """A producer that is ready to go: its connection, its request, and the size of each response."""

    connection: Connection
    request: bytes
    response_size: int


def batch(records: int, value_size: int) -> bytes:
    """Records with random values, as nothing compresses, of now."""
    return frames.batch_of(records, os.urandom(value_size), int(time.time() * 1000))


@contextmanager
def load(target: Target, topic: str, records: bytes, partition: int = 0) -> Iterator[Load]:
    """A connection on which the request has been answered once, without error."""
    request = frames.produce(topic, partition, records, target.acks)
    with target.connect(topic, partition) as connection:
        response = connection.call(request)
        error = frames.produced(response, topic).error_code
        if error:
            raise BenchError(f"producing to {topic}-{partition} failed with error code {error}")
        yield Load(connection, request, len(response) + 4)


def _produce(
    target: Target, seconds: float, count: int, value_size: int, in_flight: int = 5, burst: int = 1
) -> tuple[int, int, Usage]:
    """Requests that were answered, the size of the batch in each, and what they took."""
    records = batch(count, value_size)
    with target.topic() as topic, load(target, topic, records) as (connection, request, response_size):
        supply = repeat(request * burst)
        with drivers.undisturbed(), usage_of(target) as usage:
            requests = drivers.pipelined(connection, supply, response_size, in_flight, seconds, burst)
        target.require_end_offset(topic, 0, (requests + 1) * count)
    return requests, len(records), usage


def bulk(target: Target, seconds: float) -> Measured:
    requests, size, usage = _produce(target, seconds, BULK_RECORDS, BULK_VALUE)
    return usage.of_bytes(requests * size)


def batches(target: Target, seconds: float) -> Measured:
    requests, _, usage = _produce(target, seconds, BATCH_RECORDS, BATCH_VALUE)
    return usage.of_requests(requests)


def small(target: Target, seconds: float) -> Measured:
    """Half of what is in flight goes out with one write, as it leaves a busy client."""
    requests, _, usage = _produce(target, seconds, 1, 100, SMALL_IN_FLIGHT, SMALL_IN_FLIGHT // 2)
    return usage.of_requests(requests)


def from_connections(target: Target, seconds: float, count: int, records: bytes, **configs: str) -> Measured:
    """`count` connections with one request in flight each, all to one partition."""
    with (
        target.topic(1, {key.replace("_", "."): value for key, value in configs.items()}) as topic,
        ExitStack() as stack,
    ):
        loads = [stack.enter_context(load(target, topic, records)) for _ in range(count)]
        connections, requests = [each.connection for each in loads], [each.request for each in loads]
        with drivers.undisturbed(), usage_of(target) as usage:
            answered = drivers.from_many(connections, requests, seconds)
    return usage.of_requests(answered)


def connections(target: Target, seconds: float) -> Measured:
    return from_connections(target, seconds, CONNECTIONS, batch(1, 100))


def synced(target: Target, seconds: float) -> Measured:
    return from_connections(target, seconds, SYNCED_CONNECTIONS, batch(10, 1024), flush_messages="1")


def round_trip(target: Target, seconds: float) -> Measured:
    with target.topic() as topic, load(target, topic, batch(1, 100)) as (connection, request, _):
        with drivers.undisturbed():
            return percentiles_ms(drivers.round_trips(connection, request, seconds))


def end_to_end(target: Target, seconds: float) -> Measured:
    request_count = max(int(seconds / END_TO_END_INTERVAL_S), 1)
    with target.topic() as topic, target.connect(topic) as producer, target.connect(topic) as consumer:
        request = frames.produce(topic, 0, batch(1, 100), target.acks)
        with drivers.undisturbed():
            latencies = drivers.end_to_end(
                producer, consumer, request, lambda offset: frames.fetch(topic, 0, offset, FETCH_BYTES), topic,
                request_count, END_TO_END_INTERVAL_S,
            )  # fmt: skip
    return percentiles_ms(latencies)


def catch_up(target: Target, seconds: float) -> Measured:
    records = batch(BULK_RECORDS, BULK_VALUE)
    with target.topic() as topic, load(target, topic, records) as (connection, request, response_size):
        count = CATCH_UP_BYTES // len(records)
        drivers.send_some(connection, repeat(request), response_size, 5, count)
        end = (count + 1) * BULK_RECORDS
        target.require_end_offset(topic, 0, end)
        with drivers.undisturbed(), usage_of(target) as usage:
            _, size = drivers.read_from(
                connection, topic, lambda offset: frames.fetch(topic, 0, offset, FETCH_BYTES), end, seconds
            )
    return usage.of_bytes(size)


def first_touch(target: Target, seconds: float) -> Measured:
    """The first request to each partition of a new topic that one broker leads, whatever `seconds` says."""
    records = batch(BATCH_RECORDS, BATCH_VALUE)
    with target.topic(PARTITIONS) as topic, load(target, topic, records) as (connection, _, response_size):
        untouched = target.led_together(topic)[1:]
        places = [(topic, partition) for partition in untouched]
        requests = frames.produce_to(places, records, target.acks)
        with drivers.undisturbed(), usage_of(target) as usage:
            drivers.send_some(connection, requests, response_size, 5, len(untouched))
        target.require_end_offset(topic, untouched[-1], BATCH_RECORDS)
    return usage.of_requests(len(untouched))


def wide_topic(target: Target, seconds: float) -> Measured:
    """From the request to a topic of which every partition is led and the last took a record: done once."""
    begin = time.perf_counter()
    with target.topic(PARTITIONS) as topic, load(target, topic, batch(1, 100), PARTITIONS - 1):
        return {"ready": time.perf_counter() - begin}


_REQUESTS = (REQUESTS_PER_S, CPU_US_PER_REQUEST)
_BYTES = (MB_PER_S, CPU_S_PER_GB)

ROWS: Sequence[Row] = (
    Row("bulk", "produce 1 KiB records in 0.9 MB batches, 5 in flight", _BYTES, bulk),
    Row("batches", "produce 100 B records in 16 KiB batches, 5 in flight", _REQUESTS, batches),
    Row("small", "one 100 B record a request, one connection, 64 in flight", _REQUESTS, small),
    Row("connections", "one 100 B record a request, 32 connections, 1 in flight each", _REQUESTS, connections),
    Row("round-trip", "produce one 100 B record, one at a time", PERCENTILES, round_trip),
    Row("end-to-end", "produce to long-polling consumer, 1,000 records/s", PERCENTILES, end_to_end),
    Row("catch-up", "fetch 1 KiB records in 0.9 MB batches, from memory", _BYTES, catch_up),
    Row("first-touch", "100 B records in 16 KiB batches, first to each of 1,000 partitions", _REQUESTS, first_touch),
    Row("wide-topic", "topic of 1,000 partitions created and writable", (Metric("ready", "s"),), wide_topic),
    Row("synced", "flush.messages=1, 10 x 1 KiB a request, 64 connections", _REQUESTS, synced),
)
