"""A load beside what is measured: `python -m bench.background HOST:PORT read|write TOPIC`, until it is terminated.

Says `begun` on stdout when it is under way.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from itertools import count

from odradek.benchmark import frames
from odradek.benchmark.connection import Connection
from odradek.benchmark.rows import FETCH_BYTES

READ_BYTES_PER_S = 100_000_000
WRITE_BYTES_PER_S = 10_000_000
KEYS = 1_000
PARTITIONS = 4


def read(connection: Connection, topic: str) -> None:
    """From the begin to the end at a steady rate, then wait for more."""
    offset, begun, size = 0, time.perf_counter(), 0
    while True:
        response = memoryview(connection.call(frames.fetch(topic, 0, offset, FETCH_BYTES)))
        found = frames.fetched(response, topic)
        for base_offset, records, _ in frames.whole_batches(response, found.start, found.end):
            offset = base_offset + records
        size += len(response)
        _keep_to(begun, size, READ_BYTES_PER_S)


def write(connection: Connection, topic: str) -> None:
    """Batches of 64 KiB with random keys, in turn to each partition."""
    begun, size, chance = time.perf_counter(), 0, random.Random(1)
    for turn in count():
        keys = [b"%08d" % chance.randrange(KEYS) for _ in range(64)]
        records = frames.batch_of(len(keys), os.urandom(1000), int(time.time() * 1000), keys)
        response = connection.call(frames.produce(topic, turn % PARTITIONS, records))
        if frames.produced(response, topic).error_code:
            sys.exit(f"producing to {topic} failed: {frames.produced(response, topic)}")
        size += len(records)
        _keep_to(begun, size, WRITE_BYTES_PER_S)


def _keep_to(begun: float, size: int, bytes_per_s: int) -> None:
    ahead_s = size / bytes_per_s - (time.perf_counter() - begun)
    if ahead_s > 0:
        time.sleep(ahead_s)


def main() -> None:
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(0))
    address, work, topic = sys.argv[1:4]
    host, _, port = address.rpartition(":")
    with Connection((host, int(port))) as connection:
        print("begun", flush=True)
        {"read": read, "write": write}[work](connection, topic)


if __name__ == "__main__":
    main()
