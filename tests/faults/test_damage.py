"""Damaged files under a broker that was stopped or killed: reported, never cut, and nobody else is affected."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]

from odradek.testing import BrokerProcess
from odradek.wire.records import batches
from tests.faults.clients import create, produce
from tests.faults.load import quiet_consumer
from tests.faults.reading import values
from tests.faults.waiting import wait_for

RECORDS = 400
RECORD_BYTES = 10_000
Stop = Callable[[BrokerProcess], None]


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[BrokerProcess]:
    """Topic t with two partitions in segments of 1 MiB."""
    with BrokerProcess(data_dir=tmp_path / "data") as process:
        assert create(process.bootstrap, "t", partitions=2, segment_bytes="1048576") is None
        producer = Producer({"bootstrap.servers": process.bootstrap, "batch.num.messages": 5, "linger.ms": 5})
        for partition in (0, 1):
            for number in range(RECORDS):
                producer.produce("t", f"{number}:".ljust(RECORD_BYTES, "."), partition=partition)
                producer.poll(0)
        assert producer.flush(30) == 0
        yield process


@pytest.fixture(params=["stopped", "killed"])
def stop(request: pytest.FixtureRequest) -> Stop:
    return BrokerProcess.stop if request.param == "stopped" else BrokerProcess.kill


def numbers(broker: BrokerProcess, partition: int) -> list[int]:
    return [int(value.split(":")[0]) for value in values(broker.bootstrap, "t", partition)]


def segments(broker: BrokerProcess, partition: int = 0) -> list[Path]:
    return sorted((broker.data_dir / f"t-{partition}").glob("*.log"))


def read_some(broker: BrokerProcess, offset: int) -> list[int]:
    """What a consumer gets from there on before the end, an error or a pause."""
    with quiet_consumer(broker.bootstrap) as consumer:
        consumer.assign([TopicPartition("t", 0, offset)])
        found: list[int] = []

        def poll() -> bool:
            got = consumer.consume(500, timeout=1)
            found.extend(int((message.value() or b"").split(b":")[0]) for message in got if message.error() is None)
            return not got or found[-1:] == [RECORDS - 1] or any(message.error() for message in got)

        wait_for("the end, a pause or an error", poll)
    return found


def test_damage_in_a_synced_segment_is_seen_by_its_readers_and_changes_nothing_else(
    broker: BrokerProcess, stop: Stop
) -> None:
    stop(broker)
    first = segments(broker)[0]
    content = bytearray(first.read_bytes())
    position, header = [each for each in batches(content) if each[1].base_offset > 0][3]
    inside = position + header.size // 2
    content[inside : inside + 100] = bytes(100)
    first.write_bytes(content)
    broker.start()
    assert numbers(broker, 1) == list(range(RECORDS))
    assert read_some(broker, 0) == list(range(header.base_offset))
    after = int(header.base_offset) + int(header.count)
    assert read_some(broker, after) == list(range(after, RECORDS))
    assert first.read_bytes() == content
    assert produce(broker.bootstrap, "t", b"0:", partition=1) is None


def synced(broker: BrokerProcess) -> None:
    """A clean stop syncs everything and a start knows it; what is appended from then on is not."""
    broker.restart()


def test_a_synced_segment_that_lost_its_end_takes_its_partition_offline_alone(
    broker: BrokerProcess, stop: Stop
) -> None:
    synced(broker)
    stop(broker)
    last = segments(broker)[-1]
    content = last.read_bytes()[: last.stat().st_size // 2]
    last.write_bytes(content)
    broker.start()
    assert "t-0" in broker.log
    assert "damaged" in broker.log
    assert numbers(broker, 1) == list(range(RECORDS))
    assert produce(broker.bootstrap, "t", b"0", partition=0) is not None
    assert last.read_bytes() == content


@pytest.mark.parametrize("which", [1, -1])
def test_a_synced_segment_that_is_gone_is_not_passed_over(broker: BrokerProcess, stop: Stop, which: int) -> None:
    synced(broker)
    stop(broker)
    segments(broker)[which].unlink()
    kept = {path: path.read_bytes() for path in segments(broker)}
    broker.start()
    assert numbers(broker, 1) == list(range(RECORDS))
    found = read_some(broker, 0)
    assert found == list(range(len(found)))
    assert 0 < len(found) < RECORDS
    assert produce(broker.bootstrap, "t", b"0", partition=0) is not None
    assert {path: path.read_bytes() for path in segments(broker)} == kept


def test_a_partition_that_lost_its_beginning_serves_what_is_left_to_readers_alone(broker: BrokerProcess) -> None:
    broker.stop()
    segments(broker)[0].unlink()
    broker.start()
    first = int(segments(broker)[0].stem)
    assert read_some(broker, first) == list(range(first, RECORDS))
    assert produce(broker.bootstrap, "t", b"0", partition=0) is not None
    assert produce(broker.bootstrap, "t", b"0:", partition=1) is None


def test_a_partition_that_lost_all_of_its_segments_is_not_taken_for_a_new_one(
    broker: BrokerProcess, stop: Stop
) -> None:
    synced(broker)
    stop(broker)
    for path in segments(broker):
        path.unlink()
    broker.start()
    assert numbers(broker, 1) == list(range(RECORDS))
    assert produce(broker.bootstrap, "t", b"0", partition=0) is not None


def test_a_recovery_point_beyond_the_end_is_not_believed(broker: BrokerProcess, stop: Stop) -> None:
    """After a clean stop the inventory knows where the log ends; without it records may be missing."""
    stop(broker)
    checkpoint = broker.data_dir / "recovery-point-offset-checkpoint"
    checkpoint.write_bytes(b"0\n2\nt 0 999999999\nt 1 400\n")
    before = {path: path.read_bytes() for path in segments(broker)}
    was_clean = (broker.data_dir / ".kafka_cleanshutdown").exists()
    broker.start()
    assert numbers(broker, 0) == list(range(RECORDS))
    assert numbers(broker, 1) == list(range(RECORDS))
    assert (produce(broker.bootstrap, "t", f"{RECORDS}:".encode(), partition=0) is None) is was_clean
    assert all(path.read_bytes().startswith(content) for path, content in before.items())


@pytest.mark.parametrize("suffix", [".index", ".timeindex"])
@pytest.mark.parametrize("content", [None, b"", b"\xff" * 37, b"\x00" * 80], ids=["missing", "empty", "ones", "zeros"])
def test_missing_and_damaged_indexes_are_rebuilt(
    broker: BrokerProcess, stop: Stop, suffix: str, content: bytes | None
) -> None:
    stop(broker)
    for path in (broker.data_dir / "t-0").glob(f"*{suffix}"):
        if content is None:
            path.unlink()
        else:
            path.write_bytes(content)
    broker.start()
    for offset in (0, 150, 390):
        assert read_some(broker, offset) == list(range(offset, RECORDS))
    assert numbers(broker, 0) == list(range(RECORDS))
    assert offset_for_time_zero(broker) == 0
    assert produce(broker.bootstrap, "t", f"{RECORDS}:".encode()) is None
    assert numbers(broker, 0) == list(range(RECORDS + 1))


def offset_for_time_zero(broker: BrokerProcess) -> int:
    admin = AdminClient({"bootstrap.servers": broker.bootstrap})
    asked = TopicPartition("t", 0)
    found = admin.list_offsets({asked: OffsetSpec.for_timestamp(0)})
    return int(found[asked].result(timeout=30).offset)


@pytest.mark.parametrize(
    "name",
    [
        "recovery-point-offset-checkpoint",
        "log-start-offset-checkpoint",
        "replication-offset-checkpoint",
        "t-0/leader-epoch-checkpoint",
    ],
)
@pytest.mark.parametrize(
    "content", [None, b"", b"0\n5\nt 0 17\n", b"\xff\x00garbage"], ids=["missing", "empty", "cut", "garbage"]
)
def test_damaged_checkpoints_lose_nothing(broker: BrokerProcess, stop: Stop, name: str, content: bytes | None) -> None:
    stop(broker)
    path = broker.data_dir / name
    if content is None:
        path.unlink(missing_ok=True)
    else:
        path.write_bytes(content)
    broker.start()
    assert numbers(broker, 0) == list(range(RECORDS))
    assert numbers(broker, 1) == list(range(RECORDS))
    assert "Traceback" not in broker.log


def test_a_damaged_partition_metadata_file_takes_its_partition_offline_alone(broker: BrokerProcess, stop: Stop) -> None:
    stop(broker)
    before = segments(broker)[0].read_bytes()
    (broker.data_dir / "t-0" / "partition.metadata").write_bytes(b"nonsense")
    broker.start()
    assert numbers(broker, 1) == list(range(RECORDS))
    assert segments(broker)[0].read_bytes() == before
