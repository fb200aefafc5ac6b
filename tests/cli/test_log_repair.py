"""`odradek log repair`: a damaged partition is read-only until the command has cut it where it is intact."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from kio.schema.errors import ErrorCode

from odradek.testing import BrokerProcess
from odradek.testing.topics import create_topic
from odradek.wire.records import batches
from tests.cli.conftest import Result
from tests.support.requests import request
from tests.support.wire_client import WireClient

pytestmark = pytest.mark.real_broker

TOPIC = "flights"
SYNCED = 10
"""Records below the recovery point; more follow, over several segments."""
LOST_FROM = 7
DEADLINE_S = 20.0
MAGIC_POSITION = 16


class Damaged:
    """The data of a broker whose synced bytes were damaged while it was away."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.broker = BrokerProcess(data_dir=data)

    @contextmanager
    def serving(self) -> Iterator[BrokerProcess]:
        """A broker on the data."""
        self.broker = BrokerProcess(data_dir=self.data)
        with self.broker:
            yield self.broker

    @property
    def partition(self) -> Path:
        return self.data / f"{TOPIC}-0"

    def repair(self, *arguments: str) -> Result:
        command = [sys.executable, "-m", "odradek", "log", "repair", "--data-dir", str(self.data), *arguments]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        return Result(ended.returncode, ended.stdout, ended.stderr)

    def files(self) -> dict[str, bytes]:
        """What every file of the partitions holds."""
        return {str(path.relative_to(self.data)): path.read_bytes() for path in sorted(self.data.glob(f"{TOPIC}-*/*"))}

    def produce(self, partition: int, *values: bytes) -> list[int | str]:
        """Offset or error of each, a batch each."""
        answers: list[int | str] = []

        def answered(error: KafkaError | None, message: Any) -> None:
            answers.append(error.name() if error is not None else message.offset())

        producer = Producer({"bootstrap.servers": self.broker.bootstrap, "retries": 0, "log_level": 0})
        for value in values:
            producer.produce(TOPIC, value, partition=partition, on_delivery=answered)
            assert producer.flush(DEADLINE_S) == 0
        return answers

    def read(self, partition: int, count: int) -> list[tuple[int | None, bytes | None]]:
        consumer = Consumer({"bootstrap.servers": self.broker.bootstrap, "group.id": "readers", "log_level": 0})
        try:
            consumer.assign([TopicPartition(TOPIC, partition, 0)])
            messages = consumer.consume(count, DEADLINE_S)
            assert [message.error() for message in messages] == [None] * count
            return [(message.offset(), message.value()) for message in messages]
        finally:
            consumer.close()


def value_of(offset: int) -> bytes:
    return b"record %d" % offset


def position_of(segment: Path, offset: int) -> int:
    """Where the batch begins that holds the offset."""
    found = batches(memoryview(segment.read_bytes()))
    return next(position for position, header in found if header.last_offset >= offset)


def size_of_batch(segment: Path) -> int:
    """Of the first one; all with values of the same length have it."""
    return next(batches(memoryview(segment.read_bytes())))[1].size


def epoch_of_the_synced(damaged: Damaged) -> int:
    """The leader epoch of the synced records."""
    content = memoryview((damaged.partition / f"{0:020d}.log").read_bytes())
    return next(batches(content))[1].leader_epoch


@pytest.fixture
def damaged(tmp_path: Path) -> Damaged:
    """Ten synced batches in each of two partitions, in one of them more, in later segments, before the process died."""
    found = Damaged(tmp_path / "data")
    with found.serving() as broker:
        create_topic(broker.bootstrap, TOPIC, partitions=2, config={"segment.bytes": "1048576"})
        for partition in (0, 1):
            found.produce(partition, *map(value_of, range(SYNCED)))
        broker.restart()
        found.produce(0, *(bytes(600_000) for _ in range(4)))
        broker.kill()
    segment = found.partition / f"{0:020d}.log"
    content = bytearray(segment.read_bytes())
    content[position_of(segment, LOST_FROM) + MAGIC_POSITION] = 9
    segment.write_bytes(content)
    return found


def test_a_damaged_partition_is_read_only_until_it_is_repaired(damaged: Damaged) -> None:
    for _ in range(2):  # A clean stop in between must not make anything of the damage.
        with damaged.serving() as broker:
            assert f"{TOPIC}-0 is read-only" in broker.log
            assert damaged.read(0, LOST_FROM) == [(offset, value_of(offset)) for offset in range(LOST_FROM)]
            assert damaged.produce(0, b"refused") == ["KAFKA_STORAGE_ERROR"]
            assert damaged.produce(1, b"taken")[0] in (SYNCED, SYNCED + 1)
    untouched = {name: content for name, content in damaged.files().items() if name.startswith(f"{TOPIC}-1/")}
    assert damaged.repair("--execute").code == 0
    after = damaged.files()
    assert {name: content for name, content in after.items() if name.startswith(f"{TOPIC}-1/")} == untouched
    with damaged.serving():
        assert damaged.produce(0, b"again") == [LOST_FROM]
        assert damaged.read(0, LOST_FROM + 1)[-1] == (LOST_FROM, b"again")
        damaged.broker.kill()
        damaged.broker.start()
        assert damaged.read(0, LOST_FROM + 1)[-1] == (LOST_FROM, b"again")
        assert len(damaged.read(1, SYNCED + 2)) == SYNCED + 2


def test_who_has_read_beyond_the_damage_is_not_sent_back(damaged: Damaged) -> None:
    async def script(host: str, port: str) -> None:
        async with await WireClient.connect(host, int(port)) as client:
            beyond = await client.fetch(TOPIC, 0, LOST_FROM + 1)
            assert beyond.error_code is ErrorCode.kafka_storage_error
            at_the_end = await client.fetch(TOPIC, 0, LOST_FROM, max_wait_ms=0)
            assert (at_the_end.error_code, at_the_end.high_watermark) == (ErrorCode.none, LOST_FROM)
            assert (await client.list_offset(TOPIC, 0)).offset == LOST_FROM
            asked = [{"partition": 0, "current_leader_epoch": -1, "leader_epoch": epoch_of_the_synced(damaged)}]
            topics = [{"topic": TOPIC, "partitions": asked}]
            response = await client.request(request("offset_for_leader_epoch", 4, replica_id=-1, topics=topics))
            assert response.topics[0].partitions[0].end_offset == SYNCED
            removed = [{"name": TOPIC, "partitions": [{"partition_index": 0, "offset": 2}]}]
            response = await client.request(request("delete_records", 2, topics=removed))
            assert response.topics[0].partitions[0].error_code is ErrorCode.kafka_storage_error

    with damaged.serving() as broker:
        host, _, port = broker.bootstrap.rpartition(":")
        asyncio.run(script(host, port))


def test_a_group_whose_offsets_are_damaged_waits_for_the_repair(damaged: Damaged) -> None:
    """Its coordinator would else begin from offsets that are too old."""
    with damaged.serving() as broker:
        consumer = Consumer({"bootstrap.servers": broker.bootstrap, "group.id": "readers", "log_level": 0})
        for offset in range(SYNCED):
            consumer.commit(offsets=[TopicPartition(TOPIC, 1, offset)], asynchronous=False)
        consumer.close()
    (damaged.data / ".kafka_cleanshutdown").unlink(missing_ok=True)
    [segment] = [path for path in damaged.data.glob("__consumer_offsets-*/*.log") if path.stat().st_size]
    content = bytearray(segment.read_bytes())
    content[position_of(segment, SYNCED // 2) + MAGIC_POSITION] = 9
    segment.write_bytes(content)

    def committed() -> int:
        client = {"bootstrap.servers": damaged.broker.bootstrap, "group.id": "readers", "log_level": 0}
        consumer = Consumer(client)
        try:
            return int(consumer.committed([TopicPartition(TOPIC, 1)], timeout=5)[0].offset)
        finally:
            consumer.close()

    with damaged.serving() as broker:
        assert f"{segment.parent.name} is read-only" in broker.log
        with pytest.raises(KafkaException):
            committed()
    assert damaged.repair("--execute").code == 0
    with damaged.serving():
        assert committed() == SYNCED // 2 - 1


def test_a_dry_run_says_what_would_be_lost_and_changes_nothing(damaged: Damaged) -> None:
    before = damaged.files()
    segment = damaged.partition / f"{0:020d}.log"
    end_of_intact = position_of(segment, LOST_FROM - 1) + size_of_batch(segment)
    told = damaged.repair()
    assert (told.code, told.err) == (0, "")
    assert f"{TOPIC}-0: {segment}" in told.out
    assert f"intact below offset {LOST_FROM}" in told.out
    assert "nothing was changed" in told.out
    report = damaged.repair("--json").json
    [found] = report["damaged"]
    assert report["executed"] is False
    assert (found["partition"], found["file"], found["intact_offset"]) == (f"{TOPIC}-0", str(segment), LOST_FROM)
    assert (found["lost_end_offset"], found["kept"]) == (SYNCED + 4, [])
    sizes = [path.stat().st_size for path in damaged.partition.glob("*.log")]
    assert found["lost_bytes"] == sum(sizes) - found["position"]
    assert found["position"] == end_of_intact
    assert damaged.files() == before


def test_everything_that_is_cut_is_kept(damaged: Damaged) -> None:
    before = {path.name: path.read_bytes() for path in damaged.partition.glob("*.log")}
    [found] = json.loads(damaged.repair("--execute", "--json").out)["damaged"]
    segment = f"{0:020d}.log"
    kept = {Path(path).name: Path(path).read_bytes() for path in found["kept"]}
    for name, content in before.items():
        lost = content[found["position"] :] if name == segment else content
        assert kept[f"{name}.damaged-{LOST_FROM}"] == lost
    assert [path.name for path in damaged.partition.glob("*.log")] == [segment]
    assert (damaged.partition / segment).read_bytes() == before[segment][: found["position"]]
    assert "nothing to repair" in damaged.repair("--execute").out


def test_what_an_earlier_repair_kept_stays(damaged: Damaged) -> None:
    kept = damaged.partition / f"{0:020d}.log.damaged-{LOST_FROM}"
    kept.write_bytes(b"of an earlier repair")
    [found] = damaged.repair("--execute", "--json").json["damaged"]
    assert kept.read_bytes() == b"of an earlier repair"
    assert f"{kept}.2" in found["kept"]


def test_only_the_named_partitions_are_repaired(damaged: Damaged) -> None:
    before = damaged.files()
    assert "nothing to repair" in damaged.repair(f"{TOPIC}-1", "--execute").out
    assert damaged.files() == before
    unknown = damaged.repair(f"{TOPIC}-7")
    assert (unknown.code, unknown.err.count("\n")) == (1, 1)
    assert f"no partition {TOPIC}-7" in unknown.err
    assert damaged.repair(f"{TOPIC}-0", "--execute", "--json").json["damaged"]


def test_a_running_broker_keeps_its_files(damaged: Damaged) -> None:
    with damaged.serving() as broker:
        refused = damaged.repair("--execute")
        assert (refused.code, refused.out, refused.err.count("\n")) == (1, "", 1)
        assert f"process {broker.pid} listening on {broker.bootstrap}" in refused.err


def test_what_is_no_data_directory_is_left_alone(tmp_path: Path) -> None:
    damaged = Damaged(tmp_path / "nothing")
    refused = damaged.repair()
    assert (refused.code, refused.err.count("\n")) == (1, 1)
    assert not (tmp_path / "nothing").exists()
