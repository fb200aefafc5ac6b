"""Topics, groups and connections that come and go at one broker under load, for as long as one likes.

Run by `tests.soak`, or alone: `python -m tests.soak.churn --seed 7 --seconds 60`. Prints how resident memory and open
descriptors of the broker grew, from samples after the first fifth of the run. Exit status 1 when a client got an error
it did not cause, the history does not hold, or the broker logged an error.
"""

import argparse
import os
import socket
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from confluent_kafka import Consumer
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]

from odradek.testing import BrokerProcess
from tests.faults.load import Load
from tests.faults.test_kill import assert_kept, make_partitions

LIVE_TOPICS_MAX = 20
TIMEOUT_S = 30.0
WARM_UP_SHARE = 0.2
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
SETTINGS = {
    "group.initial.rebalance.delay.ms": 0,
    "odradek.open.files.max": 128,
    "log.segment.delete.delay.ms": 1_000,
    "max.incremental.fetch.session.cache.slots": 50,
}
"""What the broker keeps on purpose, up to a bound, reaches the bound within the first fifth of a short run."""
BAD_LINES = (" ERROR ", " CRITICAL ", "Traceback")


@dataclass(slots=True)
class Usage:
    """Samples of one process: seconds since the start, resident bytes, open descriptors."""

    pid: int
    samples: list[tuple[float, int, int]] = field(default_factory=list)

    def sample(self, at_s: float) -> None:
        resident_pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        descriptors = len(list(Path(f"/proc/{self.pid}/fd").iterdir()))
        self.samples.append((at_s, resident_pages * PAGE_BYTES, descriptors))

    def report(self) -> str:
        warm = [each for each in self.samples if each[0] >= self.samples[-1][0] * WARM_UP_SHARE]
        times, resident, descriptors = zip(*warm, strict=True)
        memory = slope(times, tuple(each / 1024 for each in resident))
        return (
            f"broker memory: {resident[0] >> 20} MiB to {resident[-1] >> 20} MiB, {60 * memory:+.1f} KiB/min; "
            f"descriptors: {descriptors[0]} to {descriptors[-1]}, {60 * slope(times, descriptors):+.2f}/min"
        )


def slope(times: tuple[float, ...], values: tuple[float, ...]) -> float:
    """Of the least-squares line, per second."""
    middle_time, middle_value = sum(times) / len(times), sum(values) / len(values)
    spread = sum((time_s - middle_time) ** 2 for time_s in times)
    moved = sum((at - middle_time) * (value - middle_value) for at, value in zip(times, values, strict=True))
    return moved / spread if spread else 0.0


class Churn:
    """One thing at a time, drawn from the seed. What a real client answers is checked by its raising."""

    def __init__(self, bootstrap: str, seed: int) -> None:
        self._bootstrap = bootstrap
        self._chance = Random(f"{seed} churn")
        self._admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
        self._topics: list[str] = []
        self._made = 0
        self.actions = (self.create_topic, self.delete_topic, self.group_comes_and_goes, self.connections)

    def step(self) -> None:
        self._chance.choice(self.actions)()

    def create_topic(self) -> None:
        if len(self._topics) >= LIVE_TOPICS_MAX:
            self.delete_topic()
        name = f"churn-{self._made}"
        self._made += 1
        topic = NewTopic(name, num_partitions=self._chance.randint(1, 8), replication_factor=1)
        self._admin.create_topics([topic])[name].result(timeout=TIMEOUT_S)
        self._topics.append(name)

    def delete_topic(self) -> None:
        if self._topics:
            name = self._topics.pop(self._chance.randrange(len(self._topics)))
            self._admin.delete_topics([name])[name].result(timeout=TIMEOUT_S)

    def group_comes_and_goes(self) -> None:
        group = f"churn-{self._made}-{self._chance.randint(0, 99)}"
        settings = {"bootstrap.servers": self._bootstrap, "group.id": group, "auto.offset.reset": "earliest"}
        consumer = Consumer({**settings, "enable.auto.commit": False, "log_level": 0})
        consumer.subscribe(["load"])
        deadline = time.monotonic() + TIMEOUT_S
        while not consumer.consume(100, timeout=0.2):
            assert time.monotonic() < deadline, f"group {group} got nothing"
        consumer.commit(asynchronous=False)
        consumer.close()
        self._admin.delete_consumer_groups([group])[group].result(timeout=TIMEOUT_S)

    def connections(self) -> None:
        """Some end at once, some after half a frame."""
        host, port = self._bootstrap.rsplit(":", 1)
        for _ in range(self._chance.randint(1, 30)):
            with socket.create_connection((host, int(port)), timeout=TIMEOUT_S) as connection:
                if self._chance.random() < 0.5:
                    connection.sendall(b"\x00\x00\x01\x00half a frame")


def churn(seed: int, seconds: float) -> str:
    """The report; raises what was found."""
    with BrokerProcess(settings=SETTINGS) as broker:
        partitions = make_partitions(broker, retention_bytes=str(32 << 20))
        started = time.monotonic()
        usage, churning = Usage(broker.pid), Churn(broker.bootstrap, seed)
        with Load(broker.bootstrap, partitions, seed, records_per_s=300) as load:
            while time.monotonic() < started + seconds:
                churning.step()
                assert load.errors == []
                usage.sample(time.monotonic() - started)
        assert_kept(broker, load, partitions)
        bad = [line for line in broker.log.splitlines() if any(mark in line for mark in BAD_LINES)]
        assert bad == []
        return f"{usage.report()}; {load.acknowledged} records, {len(usage.samples)} steps"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.soak.churn", description="Churn at one broker.")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=60.0)
    arguments = parser.parse_args()
    print(churn(arguments.seed, arguments.seconds), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
