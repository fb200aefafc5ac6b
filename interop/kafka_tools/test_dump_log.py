"""kafka-dump-log: Kafka's reader of segment files accepts every file a broker writes, whatever happened to it."""

import os
import re
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from interop.dumped import Dump
from interop.runner import ToolRunner
from interop.table import Tried
from interop.waiting import wait_until
from odradek.testing import BrokerProcess
from odradek.testing.topics import create_topic

CODECS = ("none", "gzip", "snappy", "lz4", "zstd")
SMALL_SEGMENTS = {"segment.bytes": "1048576", "index.interval.bytes": "1024"}
RECORDS = 3000

HALF_OF_A_VALUE = 600
"""RECORDS of its random half alone fill several segments of the smallest size; the other half compresses."""

SETTINGS = {
    "group.initial.rebalance.delay.ms": 0,
    "offsets.topic.num.partitions": 3,
    "log.retention.check.interval.ms": 200,
}


@pytest.fixture
def dump(tool_runner: ToolRunner, tried: Tried) -> Dump:
    return Dump(tool_runner, tried)


@pytest.fixture
def broker(tmp_path: Path) -> BrokerProcess:
    """Not started yet; its data stays when it stops."""
    return BrokerProcess(data_dir=tmp_path / "data", settings=SETTINGS)


def new_value() -> bytes:
    return os.urandom(HALF_OF_A_VALUE) + bytes(HALF_OF_A_VALUE)


def write(broker: BrokerProcess, topic: str, count: int = RECORDS, *, keys: int = RECORDS, **settings: object) -> None:
    """Idempotent, in batches of some ten records each, with keys and headers."""
    config = {"bootstrap.servers": broker.bootstrap, "enable.idempotence": True, "batch.size": 10_000, "linger.ms": 5}
    producer = Producer(config | {key.replace("_", "."): given for key, given in settings.items()})
    for index in range(count):
        producer.produce(topic, new_value(), key=b"%d" % (index % keys), partition=0, headers={"n": b"%d" % index})
        producer.poll(0)
    assert producer.flush(60) == 0


def segments_of(broker: BrokerProcess, topic: str) -> list[Path]:
    return sorted((broker.data_dir / f"{topic}-0").glob("*.log"))


@pytest.mark.parametrize("codec", CODECS)
def test_reads_segments_indexes_and_producer_snapshots(broker: BrokerProcess, dump: Dump, codec: str) -> None:
    with broker:
        create_topic(broker.bootstrap, "kept", 1, SMALL_SEGMENTS)
        write(broker, "kept", compression_type=codec)
        assert len(segments_of(broker, "kept")) > 1
        while_running = dump.check(broker.data_dir / "kept-0")
        assert while_running.records == RECORDS
        assert {codec} == while_running.codecs
        broker.stop()
        stopped = dump.check(broker.data_dir / "kept-0")
        assert stopped.records == RECORDS
        assert stopped.offset_entries > 100
        assert stopped.time_entries > 1
        assert stopped.producers >= 1


@pytest.mark.parametrize("codec", CODECS[1:])
def test_reads_what_the_broker_compressed(broker: BrokerProcess, dump: Dump, codec: str) -> None:
    with broker:
        create_topic(broker.bootstrap, "again", 1, SMALL_SEGMENTS | {"compression.type": codec})
        write(broker, "again", compression_type="none")
        found = dump.check(broker.data_dir / "again-0")
        assert found.records == RECORDS
        assert found.codecs == {codec}


def test_reads_what_the_broker_decompressed(broker: BrokerProcess, dump: Dump) -> None:
    with broker:
        create_topic(broker.bootstrap, "plain", 1, SMALL_SEGMENTS | {"compression.type": "uncompressed"})
        write(broker, "plain", compression_type="zstd")
        found = dump.check(broker.data_dir / "plain-0")
        assert found.records == RECORDS
        assert found.codecs == {"none"}


@pytest.mark.parametrize("codec", ["none", "lz4"])
def test_reads_records_that_carry_the_broker_s_time(broker: BrokerProcess, dump: Dump, codec: str) -> None:
    with broker:
        settings = SMALL_SEGMENTS | {"message.timestamp.type": "LogAppendTime"}
        create_topic(broker.bootstrap, "timed", 1, settings)
        write(broker, "timed", compression_type=codec)
        found = dump.check(broker.data_dir / "timed-0")
        assert found.records == RECORDS
        assert found.timestamp_types == {"LogAppendTime"}


def test_reads_records_whose_timestamps_go_back_and_forth(broker: BrokerProcess, dump: Dump) -> None:
    with broker:
        create_topic(broker.bootstrap, "mixed", 1, SMALL_SEGMENTS | {"retention.ms": "-1"})
        producer = Producer({"bootstrap.servers": broker.bootstrap, "batch.size": 5000})
        for index in range(RECORDS):
            producer.produce("mixed", new_value(), partition=0, timestamp=1_700_000_000_000 + index * 7919 % 10_007)
            producer.poll(0)
        assert producer.flush(60) == 0
        assert dump.check(broker.data_dir / "mixed-0").records == RECORDS


def test_reads_what_a_restart_goes_on_with(broker: BrokerProcess, dump: Dump) -> None:
    with broker:
        create_topic(broker.bootstrap, "kept", 1, SMALL_SEGMENTS)
        write(broker, "kept")
        broker.restart()
        write(broker, "kept")
        found = dump.check(broker.data_dir / "kept-0")
        assert found.records == 2 * RECORDS


def test_reads_what_recovery_left_after_a_kill(broker: BrokerProcess, dump: Dump) -> None:
    with broker:
        create_topic(broker.bootstrap, "kept", 1, SMALL_SEGMENTS)
        for round_number in range(1, 4):
            write(broker, "kept")
            broker.kill()
            broker.start()
            assert dump.check(broker.data_dir / "kept-0").records == round_number * RECORDS


def test_reads_a_log_whose_torn_end_recovery_cut(broker: BrokerProcess, dump: Dump) -> None:
    with broker:
        create_topic(broker.bootstrap, "torn", 1, SMALL_SEGMENTS)
        write(broker, "torn")
        broker.kill()
        last = segments_of(broker, "torn")[-1]
        os.truncate(last, last.stat().st_size - 100)
        for index in last.parent.glob(f"{last.stem}.*index"):
            index.unlink()
        broker.start()
        found = dump.check(broker.data_dir / "torn-0")
        assert RECORDS - 100 < found.records < RECORDS
        write(broker, "torn", 100)
        assert dump.check(broker.data_dir / "torn-0").records == found.records + 100


def test_reads_what_retention_left(broker: BrokerProcess, dump: Dump) -> None:
    with broker:
        settings = SMALL_SEGMENTS | {"retention.bytes": "1500000", "file.delete.delay.ms": "0"}
        create_topic(broker.bootstrap, "short", 1, settings)
        write(broker, "short")
        wait_until(lambda: not (broker.data_dir / "short-0" / f"{0:020}.log").exists(), "retention deletes")
        broker.stop()
        found = dump.check(broker.data_dir / "short-0")
        assert 0 < found.records < RECORDS
        assert found.last_offset == RECORDS - 1


def is_gone_below(partition: Path, offset: int) -> bool:
    """No segment is left, and none is on its way out, that ends at the offset or below."""
    bases = sorted(int(path.stem) for path in partition.glob("*.log"))
    return all(base > offset for base in bases[1:]) and not list(partition.glob("*.deleted"))


def test_reads_what_deleting_records_left(broker: BrokerProcess, dump: Dump) -> None:
    with broker:
        create_topic(broker.bootstrap, "cut", 1, SMALL_SEGMENTS | {"file.delete.delay.ms": "0"})
        write(broker, "cut")
        admin = AdminClient({"bootstrap.servers": broker.bootstrap})
        for future in admin.delete_records([TopicPartition("cut", 0, RECORDS - 10)]).values():
            future.result(timeout=30)
        wait_until(lambda: is_gone_below(broker.data_dir / "cut-0", RECORDS - 10), "segments below go")
        assert dump.check(broker.data_dir / "cut-0").last_offset == RECORDS - 1
        broker.kill()
        broker.start()
        assert dump.check(broker.data_dir / "cut-0").last_offset == RECORDS - 1


COMPACTED = SMALL_SEGMENTS | {
    "cleanup.policy": "compact", "min.cleanable.dirty.ratio": "0.01", "delete.retention.ms": "0",
    "file.delete.delay.ms": "0",
}  # fmt: skip


@pytest.mark.parametrize("codec", CODECS)
def test_reads_what_compaction_left(tmp_path: Path, dump: Dump, codec: str) -> None:
    settings = SETTINGS | {"log.cleaner.backoff.ms": 100}
    with BrokerProcess(data_dir=tmp_path / "data", settings=settings) as broker:
        create_topic(broker.bootstrap, "kept", 1, COMPACTED)
        partition = broker.data_dir / "kept-0"
        for _ in range(3):
            write(broker, "kept", keys=50, compression_type=codec)
        delete_keys(broker, "kept", range(10))
        write(broker, "kept", keys=50, compression_type=codec)
        wait_until(lambda: compacted_size(partition) < 1_000_000, "compaction removes what newer records replace")
        for look in ("running", "stopped", "killed"):
            if look == "stopped":
                broker.stop()
            elif look == "killed":
                broker.start()
                broker.kill()
            found = dump.check(partition, has_gaps=True)
            assert 50 <= found.records < 3 * RECORDS
            assert found.last_offset == 4 * RECORDS + 10 - 1


def compacted_size(partition: Path) -> int:
    """Bytes of all segments but the newest, which compaction does not touch."""
    return sum(path.stat().st_size for path in sorted(partition.glob("*.log"))[:-1])


def delete_keys(broker: BrokerProcess, topic: str, keys: range) -> None:
    producer = Producer({"bootstrap.servers": broker.bootstrap})
    for key in keys:
        producer.produce(topic, None, key=b"%d" % key, partition=0)
    assert producer.flush(30) == 0


def test_decodes_committed_offsets_and_group_metadata(broker: BrokerProcess, dump: Dump) -> None:
    with broker:
        create_topic(broker.bootstrap, "read", 1, {})
        write(broker, "read", 10)
        read_in_group(broker, "readers", "read", 10)
        out = dump.decode_offsets(broker.data_dir)
        commits = re.findall(r"^\| .*", out, re.MULTILINE)
        assert any(
            '"group":"readers"' in line and '"topic":"read"' in line and '"offset":10' in line for line in commits
        )
        assert any('"protocolType":"consumer"' in line and '"clientId":"reader"' in line for line in commits)


def test_prints_the_records(broker: BrokerProcess, dump: Dump) -> None:
    with broker:
        create_topic(broker.bootstrap, "shown", 1, {})
        producer = Producer({"bootstrap.servers": broker.bootstrap})
        producer.produce("shown", "größe", key="k", headers={"a": b"1", "b": None}, partition=0)
        producer.produce("shown", None, key="gone", partition=0)
        assert producer.flush(30) == 0
        out = dump.run("--print-data-log", "--files", segments_of(broker, "shown")[0]).out
        assert "headerKeys: [a,b] key: k payload: größe" in out
        assert re.search(r"keySize: 4 valueSize: -1 .* key: gone$", out, re.MULTILINE)
        short = dump.run("--print-data-log", "--skip-record-metadata", "--files", segments_of(broker, "shown")[0]).out
        assert "| key: k payload: größe" in short


def read_in_group(broker: BrokerProcess, group: str, topic: str, count: int) -> None:
    """Join, read and commit, and leave."""
    consumer = Consumer(
        {
            "bootstrap.servers": broker.bootstrap, "group.id": group, "client.id": "reader",
            "auto.offset.reset": "earliest", "enable.auto.commit": False,
        }
    )  # fmt: skip
    consumer.subscribe([topic])
    read = 0

    def has_read_all() -> bool:
        nonlocal read
        read += len(consumer.consume(count, 0.2))
        return read >= count

    wait_until(has_read_all, "the group reads")
    consumer.commit(asynchronous=False)
    consumer.close()
