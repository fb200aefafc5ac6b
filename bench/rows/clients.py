"""Real clients: confluent-kafka (librdkafka) as applications use it."""

from __future__ import annotations

import os
import secrets
import time
from itertools import repeat
from typing import Any

from confluent_kafka import Consumer, Producer, TopicPartition

from odradek.benchmark import drivers
from odradek.benchmark.errors import BenchError
from odradek.benchmark.row import CPU_S_PER_GB, MB_PER_S, Measured, Metric, Row, Usage, usage_of
from odradek.benchmark.rows import BULK_RECORDS, BULK_VALUE, CATCH_UP_BYTES, batch, load
from odradek.benchmark.target import Target

_CHUNK = 1_000
_RECORDS_PER_S = Metric("rate", "records/s", higher_is_better=True)
_CPU_US_PER_RECORD = Metric("cpu", "CPU us/record")


def _bootstrap(target: Target) -> dict[str, Any]:
    host, port = target.address
    return {"bootstrap.servers": f"{host}:{port}", "log_level": 0}


def _produce(target: Target, seconds: float, value_size: int) -> tuple[int, Usage]:
    """As many records as go through in that time; every one is acknowledged and counted at the end."""
    settings = {"acks": target.acks, "linger.ms": 5, "queue.buffering.max.messages": 200_000}
    producer = Producer(_bootstrap(target) | settings)
    chunk = [{"value": os.urandom(value_size)} for _ in range(_CHUNK)]
    records = 0
    with target.topic() as topic:
        with drivers.undisturbed(), usage_of(target) as usage:
            deadline = time.perf_counter() + seconds
            while time.perf_counter() < deadline:
                records += producer.produce_batch(topic, chunk, partition=0)
                if len(producer) > 100_000:
                    producer.poll(0.01)
            if producer.flush(60):
                raise BenchError("librdkafka could not deliver every record")
        target.require_end_offset(topic, 0, records)
    return records, usage


def produce_large(target: Target, seconds: float) -> Measured:
    records, usage = _produce(target, seconds, BULK_VALUE)
    return usage.of_bytes(records * BULK_VALUE)


def produce_small(target: Target, seconds: float) -> Measured:
    records, usage = _produce(target, seconds, 100)
    return usage.of_requests(records)


def consume(target: Target, seconds: float) -> Measured:
    """Read what is there from the begin, as often as the time allows."""
    records = batch(BULK_RECORDS, BULK_VALUE)
    with target.topic() as topic, load(target, topic, records) as (connection, request, response_size):
        stored = CATCH_UP_BYTES // len(records)
        drivers.send_some(connection, repeat(request), response_size, 5, stored)
        count, read = (stored + 1) * BULK_RECORDS, 0
        with drivers.undisturbed(), usage_of(target) as usage:
            deadline = time.perf_counter() + seconds
            while read == 0 or time.perf_counter() < deadline:
                read += _read_all(target, topic, count)
    return usage.of_bytes(read * BULK_VALUE)


def _read_all(target: Target, topic: str, count: int) -> int:
    settings = {"group.id": f"bench-{secrets.token_hex(4)}", "enable.auto.commit": False}
    consumer, read = Consumer(_bootstrap(target) | settings), 0
    try:
        consumer.assign([TopicPartition(topic, 0, 0)])
        while read < count:
            messages = consumer.consume(min(10_000, count - read), timeout=10)
            if not messages:
                raise BenchError(f"librdkafka got {read} of {count} records")
            read += len(messages)
    finally:
        consumer.close()
    return read


_BYTES = (MB_PER_S, CPU_S_PER_GB)
_RECORDS = (_RECORDS_PER_S, _CPU_US_PER_RECORD)

CLIENT_ROWS = [
    Row("librdkafka-bulk", "producer, 1 KiB records, its own batching", _BYTES, produce_large),
    Row("librdkafka-small", "producer, 100 B records, its own batching", _RECORDS, produce_small),
    Row("librdkafka-catch-up", "consumer, 1 KiB records from the begin", _BYTES, consume),
]
