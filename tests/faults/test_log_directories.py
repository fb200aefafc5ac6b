"""Several log directories: one that fails takes only its own partitions offline."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import KafkaError

from odradek.testing import BrokerProcess
from tests.faults.clients import create, produce
from tests.faults.reading import values
from tests.faults.waiting import wait_for

PARTITIONS = 6
SEGMENT_BYTES = 1 << 20


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[BrokerProcess]:
    directories = f"{tmp_path / 'first'},{tmp_path / 'second'}"
    with BrokerProcess(data_dir=tmp_path / "metadata", settings={"log.dirs": directories}) as process:
        assert create(process.bootstrap, "t", PARTITIONS, segment_bytes=str(SEGMENT_BYTES)) is None
        for partition in range(PARTITIONS):
            assert produce(process.bootstrap, "t", b"first", partition) is None
        yield process


def partitions_in(path: Path) -> list[int]:
    return sorted(int(each.name.removeprefix("t-")) for each in path.glob("t-*"))


def test_partitions_are_spread_evenly(broker: BrokerProcess, tmp_path: Path) -> None:
    assert len(partitions_in(tmp_path / "first")) == len(partitions_in(tmp_path / "second")) == PARTITIONS // 2


def test_a_directory_removed_underneath_takes_only_its_partitions_offline(
    broker: BrokerProcess, tmp_path: Path
) -> None:
    lost, kept = partitions_in(tmp_path / "second"), partitions_in(tmp_path / "first")
    (tmp_path / "second").rename(tmp_path / "gone")
    records = 2 * SEGMENT_BYTES // 20_000  # the roll finds that the directory is gone
    wait_for(
        "the partition to go offline",
        lambda: any(produce(broker.bootstrap, "t", bytes(20_000), lost[0]) for _ in range(records)),
    )
    for partition in lost:
        error = produce(broker.bootstrap, "t", b"refused", partition)
        assert error.code() in (KafkaError.KAFKA_STORAGE_ERROR, KafkaError.NOT_LEADER_FOR_PARTITION)
    for partition in kept:
        assert produce(broker.bootstrap, "t", b"second", partition) is None
        assert values(broker.bootstrap, "t", partition) == ["first", "second"]
    assert broker.is_running
    broker.kill()
    (tmp_path / "second").rename(tmp_path / "fresh") if (tmp_path / "second").exists() else None
    (tmp_path / "gone").rename(tmp_path / "second")
    broker.start()
    for partition in lost:
        assert values(broker.bootstrap, "t", partition)[0] == "first"
        assert produce(broker.bootstrap, "t", b"again", partition) is None


def test_a_start_without_one_of_its_directories_serves_the_others(broker: BrokerProcess, tmp_path: Path) -> None:
    kept = partitions_in(tmp_path / "first")
    broker.stop()
    (tmp_path / "second").rename(tmp_path / "gone")
    (tmp_path / "second").write_text("not a directory")
    broker.start()
    for partition in kept:
        assert values(broker.bootstrap, "t", partition) == ["first"]
