"""Compaction by a real broker and its helper process, for real clients, through kills of both."""

import itertools
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition

from odradek.testing import BrokerProcess
from odradek.testing.topics import create_topic

KILLS = int(os.environ.get("ODRADEK_TEST_KILLS", "3"))
DEADLINE_S = 60.0
SETTINGS: dict[str, str | int | bool] = {"log.cleaner.backoff.ms": 50, "log.segment.delete.delay.ms": 100}
TOPIC = {"cleanup.policy": "compact", "segment.bytes": "1048576", "min.cleanable.dirty.ratio": "0.01"}
SLOWLY = {"log.cleaner.io.max.bytes.per.second": 3 << 20}
VALUE_BYTES = 2000

Table = dict[str, str | None]


def until(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


class Writer:
    """Writes rows of a table, and knows the table's last state as far as it was acknowledged."""

    def __init__(self, bootstrap: str, seed: int = 1) -> None:
        self._producer = Producer({"bootstrap.servers": bootstrap, "enable.idempotence": True, "log_level": 0})
        self._chance = Random(seed)
        self._numbers = itertools.count()
        self.table: Table = {}
        self.unacknowledged = 0

    def write(self, count: int, keys: int = 50) -> None:
        for _ in range(count):
            key, number = f"key-{self._chance.randrange(keys)}", next(self._numbers)
            value = None if number % 20 == 0 else f"{number} ".ljust(VALUE_BYTES, "x")
            self.table[key] = value
            self._producer.produce("table", key=key, value=value, partition=0)
            self._producer.poll(0)

    def flush(self) -> None:
        self.unacknowledged = self._producer.flush(DEADLINE_S)
        assert self.unacknowledged == 0


def read_table(bootstrap: str) -> tuple[Table, int]:
    """What a consumer from the beginning ends up with, and how many records it got."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "reader", "enable.partition.eof": True})
    consumer.assign([TopicPartition("table", 0, 0)])
    table: Table = {}
    offsets: list[int] = []
    while True:
        message = consumer.poll(DEADLINE_S)
        assert message is not None
        if (error := message.error()) is not None:
            assert error.code() == KafkaError._PARTITION_EOF
            break
        key, value = message.key(), message.value()
        assert key is not None
        table[key.decode()] = None if value is None else value.decode()
        offsets.append(message.offset() or 0)
    consumer.close()
    assert offsets == sorted(set(offsets))
    return table, len(offsets)


def cleaned_offset(broker: BrokerProcess) -> int:
    path = broker.data_dir / "cleaner-offset-checkpoint"
    lines = path.read_text().splitlines() if path.exists() else []
    return next((int(line.split()[2]) for line in lines if line.startswith("table ")), -1)


def live(table: Table) -> Table:
    return {key: value for key, value in table.items() if value is not None}


def helpers_of(pid: int) -> list[int]:
    """Processes of the broker that compact."""
    found = []
    for task in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((task / "stat").read_text().rsplit(")", 1)[1].split()[1])
            if parent == pid and b"odradek.log.cleaning.helper" in (task / "cmdline").read_bytes():
                found.append(int(task.name))
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


def test_a_consumer_gets_the_last_value_of_each_key_and_tombstones_go_after_their_time() -> None:
    with BrokerProcess(settings=SETTINGS) as broker:
        create_topic(broker.bootstrap, "table", 1, TOPIC | {"delete.retention.ms": "100"})
        writer = Writer(broker.bootstrap)
        for written in (3000, 6000, 9000):  # More than once, so that tombstones have had their time.
            writer.write(3000)
            writer.flush()
            until(lambda end=written: cleaned_offset(broker) > end - 2000, "nothing is compacted")  # type: ignore[misc]
        table, read = read_table(broker.bootstrap)
        assert live(table) == live(writer.table)
        assert read < 3000
        log = broker.data_dir / "table-0"
        until(lambda: not list(log.glob("*.deleted")), "what was compacted stays")
        assert not [path for path in log.iterdir() if path.suffix in {".swap", ".cleaned"}]


def test_a_broker_killed_while_it_compacts_loses_no_key_and_goes_on() -> None:
    chance = Random(5)
    with BrokerProcess(settings=SETTINGS | SLOWLY) as broker:
        create_topic(broker.bootstrap, "table", 1, TOPIC)
        writer = Writer(broker.bootstrap)
        for _ in range(KILLS):
            writer.write(3000)
            writer.flush()
            until(lambda: helpers_of(broker.pid), "nothing is compacted")
            time.sleep(chance.random())  # Anywhere in the work.
            (helper, *_) = [*helpers_of(broker.pid), 0]
            broker.kill()
            until(lambda pid=helper: not Path(f"/proc/{pid}").exists(), "the helper outlives its broker")  # type: ignore[misc]
            broker.start()
            assert live(read_table(broker.bootstrap)[0]) == live(writer.table)


def test_a_killed_helper_costs_nothing_but_time() -> None:
    with BrokerProcess(settings=SETTINGS | SLOWLY) as broker:
        create_topic(broker.bootstrap, "table", 1, TOPIC)
        writer = Writer(broker.bootstrap)
        writer.write(3000)
        writer.flush()
        for _ in range(2):
            until(lambda: helpers_of(broker.pid), "nothing is compacted")
            (helper, *_) = helpers_of(broker.pid)
            os.kill(helper, signal.SIGKILL)
            until(lambda pid=helper: pid not in helpers_of(broker.pid), "the helper is still there")  # type: ignore[misc]
        until(lambda: cleaned_offset(broker) > 0, "nothing is compacted any more")
        assert live(read_table(broker.bootstrap)[0]) == live(writer.table)
        assert not list((broker.data_dir / "table-0").glob("*.cleaned"))


def test_offsets_of_groups_are_compacted_and_found_after_a_kill() -> None:
    partitions, commits = 50, 600
    settings = SETTINGS | {"offsets.topic.num.partitions": 1, "offsets.topic.segment.bytes": 1 << 20}
    with BrokerProcess(settings=settings) as broker:
        create_topic(broker.bootstrap, "flights", partitions, {})
        log = broker.data_dir / "__consumer_offsets-0"
        consumer = Consumer({"bootstrap.servers": broker.bootstrap, "group.id": "readers", "log_level": 0})
        for number in range(1, commits + 1):
            offsets = [TopicPartition("flights", index, number) for index in range(partitions)]
            consumer.commit(offsets=offsets, asynchronous=False)
        until(lambda: (log.parent / "cleaner-offset-checkpoint").exists(), "the offsets are not compacted")
        until(lambda: sum(path.stat().st_size for path in log.glob("*.log")) < 2 << 20, "the offsets stay as large")
        broker.kill()
        broker.start()
        wanted = [TopicPartition("flights", index) for index in range(partitions)]
        assert [found.offset for found in consumer.committed(wanted, timeout=DEADLINE_S)] == [commits] * partitions
        consumer.close()
