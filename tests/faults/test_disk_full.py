"""A full disk: writes are refused, reads go on, writes come back by themselves, nothing is lost."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
from confluent_kafka import KafkaError

from odradek.testing import BrokerProcess
from tests.faults.clients import commit, committed, create, produce, produce_until_refused, topics
from tests.faults.machine import SmallDisk, small_disk
from tests.faults.reading import values
from tests.faults.waiting import wait_for

DISK_MIB = 32
RECORD = bytes(20_000)


@pytest.fixture
def disk() -> Iterator[SmallDisk]:
    with small_disk(DISK_MIB) as mounted:
        yield mounted


@pytest.fixture
def broker(disk: SmallDisk) -> Iterator[BrokerProcess]:
    # checkpoints every second: they too must survive the full disk
    often = dict.fromkeys(
        (
            "log.flush.offset.checkpoint.interval.ms",
            "log.flush.start.offset.checkpoint.interval.ms",
            "replica.high.watermark.checkpoint.interval.ms",
        ),
        "1000",
    )
    with BrokerProcess(data_dir=disk.path / "data", settings=often) as process:
        yield process


def writes_come_back(broker: BrokerProcess, topic: str) -> None:
    wait_for("writes to be taken again", lambda: produce(broker.bootstrap, topic, b"again") is None)


@pytest.mark.parametrize("segment_bytes", ["1073741824", "1048576"])
def test_writes_are_refused_reads_go_on_and_writes_come_back(
    disk: SmallDisk, broker: BrokerProcess, segment_bytes: str
) -> None:
    assert create(broker.bootstrap, "t", segment_bytes=segment_bytes) is None
    acknowledged, error = produce_until_refused(broker.bootstrap, "t")
    assert error.code() == KafkaError.KAFKA_STORAGE_ERROR
    disk.fill()
    assert produce(broker.bootstrap, "t", RECORD).code() == KafkaError.KAFKA_STORAGE_ERROR
    before = values(broker.bootstrap, "t")
    assert [value.split(":")[1] for value in before] == [str(number) for number in range(acknowledged)]
    assert broker.is_running


def test_after_the_disk_was_full_everything_goes_on_by_itself(disk: SmallDisk, broker: BrokerProcess) -> None:
    assert create(broker.bootstrap, "t", segment_bytes="1048576") is None
    assert produce(broker.bootstrap, "t", b"first") is None
    disk.fill()
    acknowledged, error = produce_until_refused(broker.bootstrap, "t")
    assert error.code() == KafkaError.KAFKA_STORAGE_ERROR
    disk.fill()
    disk.free()
    writes_come_back(broker, "t")
    found = values(broker.bootstrap, "t")
    assert found[0] == "first"
    assert [value.split(":")[1] for value in found[1:-1]] == [str(number) for number in range(acknowledged)]
    assert found[-1] == "again"
    broker.restart()
    assert values(broker.bootstrap, "t") == found


def test_a_broker_killed_on_a_full_disk_starts_again_once_there_is_room(disk: SmallDisk, broker: BrokerProcess) -> None:
    assert create(broker.bootstrap, "t", segment_bytes="1048576") is None
    disk.fill()
    acknowledged, _ = produce_until_refused(broker.bootstrap, "t")
    disk.fill()
    broker.kill()
    disk.free()
    broker.start()
    assert len(values(broker.bootstrap, "t")) == acknowledged
    assert produce(broker.bootstrap, "t", b"again") is None


def test_a_clean_stop_on_a_full_disk_ends_and_loses_nothing(disk: SmallDisk, broker: BrokerProcess) -> None:
    assert create(broker.bootstrap, "t", segment_bytes="1048576") is None
    disk.fill()
    acknowledged, _ = produce_until_refused(broker.bootstrap, "t")
    disk.fill()
    broker.stop()
    disk.free()
    broker.start()
    assert len(values(broker.bootstrap, "t")) == acknowledged
    assert produce(broker.bootstrap, "t", b"again") is None


def test_offsets_are_not_committed_on_a_full_disk_and_none_is_lost(disk: SmallDisk, broker: BrokerProcess) -> None:
    assert create(broker.bootstrap, "t") is None
    assert produce(broker.bootstrap, "t", b"first") is None
    assert commit(broker.bootstrap, "g", "t", 1) is None
    disk.fill()
    produce_until_refused(broker.bootstrap, "t")
    disk.fill()
    assert commit(broker.bootstrap, "g", "t", 2) is not None
    assert committed(broker.bootstrap, "g", "t") == 1
    disk.free()
    wait_for("offsets to be committed again", lambda: commit(broker.bootstrap, "g", "t", 3) is None)
    assert committed(broker.bootstrap, "g", "t") == 3


def test_topics_are_not_created_on_a_full_disk_and_can_be_afterwards(disk: SmallDisk, broker: BrokerProcess) -> None:
    assert create(broker.bootstrap, "t") is None
    assert produce(broker.bootstrap, "t", b"first") is None
    disk.fill()
    produce_until_refused(broker.bootstrap, "t")
    disk.fill()
    names = [f"new-{number}" for number in range(3)]
    with ThreadPoolExecutor(len(names)) as threads:
        refused = list(threads.map(partial(create, broker.bootstrap, partitions=5), names))
    assert [error and error.name() for error in refused] == ["KAFKA_STORAGE_ERROR"] * 3
    assert broker.is_running
    assert values(broker.bootstrap, "t") == ["first"]
    disk.free()
    for name in names:
        wait_for(f"{name} to be created", partial(_exists_after_creation, broker, name))
        writes_come_back(broker, name)
    broker.restart()
    assert topics(broker.bootstrap) >= {"t", *names}


def _exists_after_creation(broker: BrokerProcess, topic: str) -> bool:
    error = create(broker.bootstrap, topic, partitions=5)
    return error is None or error.code() == KafkaError.TOPIC_ALREADY_EXISTS


def test_a_start_on_a_full_disk_is_refused_in_one_line_or_serves(disk: SmallDisk) -> None:
    disk.fill()
    process = BrokerProcess(data_dir=disk.path / "data")
    try:
        process.start()
    except Exception:
        lines = process.log.strip().splitlines()
        assert "Traceback" not in process.log, process.log
        assert "no space" in lines[-1].lower() or "full" in lines[-1].lower(), lines
    finally:
        process.close()
