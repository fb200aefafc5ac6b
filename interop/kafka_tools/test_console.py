"""kafka-console-producer and kafka-console-consumer."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from interop.kafka import Kafka

NewTopic = Callable[..., str]
NewName = Callable[[str], str]

PRODUCER = "kafka-console-producer"
CONSUMER = "kafka-console-consumer"


@pytest.fixture
def topic(kafka: Kafka, new_topic: NewTopic) -> str:
    """Two partitions with the records 0 to 4 and 5 to 9."""
    name = new_topic(2)
    for partition in (0, 1):
        kafka.produce(name, [b"%d" % (5 * partition + index) for index in range(5)], partition=partition)
    return name


def read(kafka: Kafka, topic: str, count: int, *arguments: object) -> list[str]:
    return kafka.run(CONSUMER, "--topic", topic, "--max-messages", count, *arguments).out.splitlines()


def test_writes_the_lines_of_stdin(kafka: Kafka, new_topic: NewTopic) -> None:
    name = new_topic()
    kafka.run(PRODUCER, "--topic", name, stdin="eins\nzwei\ndrei ä\n".encode())
    assert read(kafka, name, 3, "--from-beginning") == ["eins", "zwei", "drei ä"]


def test_writes_keys_headers_and_nulls(kafka: Kafka, new_topic: NewTopic) -> None:
    name = new_topic()
    properties = ("parse.key=true", "parse.headers=true", "key.separator=|", "headers.delimiter=;", "null.marker=NULL")
    kafka.run(
        PRODUCER, "--topic", name, *(word for given in properties for word in ("--reader-property", given)),
        stdin=b"a:1,b:2;key|value\nNULL;key|NULL\n",
    )  # fmt: skip
    shown = ("print.key", "print.headers", "print.partition", "print.offset")
    lines = read(
        kafka, name, 2, "--from-beginning",
        *(word for given in shown for word in ("--formatter-property", f"{given}=true")),
        "--formatter-property", "null.literal=(none)",
    )  # fmt: skip
    assert lines == [
        "Partition:0\tOffset:0\ta:1,b:2\tkey\tvalue",
        "Partition:0\tOffset:1\tNO_HEADERS\tkey\t(none)",
    ]


@pytest.mark.parametrize("codec", ["none", "gzip", "snappy", "lz4", "zstd"])
def test_writes_every_compression(kafka: Kafka, new_topic: NewTopic, codec: str) -> None:
    name = new_topic()
    lines = [f"line {index} " + "x" * 100 for index in range(50)]
    kafka.run(PRODUCER, "--topic", name, "--compression-codec", codec, stdin="\n".join(lines).encode())
    assert read(kafka, name, 50, "--from-beginning") == lines


@pytest.mark.parametrize("acks", ["0", "1", "all"])
def test_writes_with_every_kind_of_acknowledgement(kafka: Kafka, new_topic: NewTopic, acks: str) -> None:
    name = new_topic()
    kafka.run(
        PRODUCER, "--topic", name, "--request-required-acks", acks, "--sync", "--batch-size", 100, "--timeout", 100,
        "--request-timeout-ms", 20000, "--message-send-max-retries", 3, "--retry-backoff-ms", 100,
        "--max-block-ms", 20000, "--max-memory-bytes", 1048576, "--max-partition-memory-bytes", 16384,
        "--metadata-expiry-ms", 60000, "--socket-buffer-size", 65536, stdin=b"one\ntwo\n",
    )  # fmt: skip
    assert read(kafka, name, 2, "--from-beginning") == ["one", "two"]


def test_writes_with_the_producer_properties_given(kafka: Kafka, new_topic: NewTopic, tmp_path: Path) -> None:
    name, file = new_topic(), tmp_path / "producer.properties"
    file.write_text("enable.idempotence=true\nacks=all\n")
    kafka.run(
        PRODUCER, "--topic", name, "--command-config", file, "--command-property", "linger.ms=5", stdin=b"idempotent\n"
    )
    assert read(kafka, name, 1, "--from-beginning") == ["idempotent"]


def test_writes_to_a_topic_that_its_first_record_creates(kafka: Kafka, new_name: NewName) -> None:
    name = new_name("automatic")
    kafka.run(PRODUCER, "--topic", name, stdin=b"first\n")
    assert read(kafka, name, 1, "--from-beginning") == ["first"]


def test_reads_one_partition_from_an_offset(kafka: Kafka, topic: str) -> None:
    assert read(kafka, topic, 2, "--partition", 1, "--offset", 2) == ["7", "8"]
    assert read(kafka, topic, 5, "--partition", 0, "--offset", "earliest") == ["0", "1", "2", "3", "4"]


def test_stops_when_nothing_comes(kafka: Kafka, topic: str) -> None:
    outcome = kafka.run(CONSUMER, "--topic", topic, "--from-beginning", "--timeout-ms", 3000)
    assert sorted(outcome.lines) == [str(value) for value in range(10)]
    assert "TimeoutException" in outcome.err
    at_the_end = ("--partition", 0, "--offset", "latest", "--timeout-ms", 500)
    assert kafka.run(CONSUMER, "--topic", topic, *at_the_end).out == ""


def test_reads_on_where_its_group_stopped(kafka: Kafka, new_topic: NewTopic, new_name: NewName) -> None:
    name, group = new_topic(), new_name("group")
    kafka.produce(name, [b"1", b"2", b"3"])
    assert read(kafka, name, 2, "--from-beginning", "--group", group) == ["1", "2"]
    assert kafka.committed(group, name) == {0: 2}
    assert read(kafka, name, 1, "--group", group, "--command-property", "auto.offset.reset=earliest") == ["3"]


def test_reads_topics_that_match_a_pattern(kafka: Kafka, new_name: NewName) -> None:
    prefix = new_name("family")
    for child in ("a", "b"):
        kafka.run(PRODUCER, "--topic", f"{prefix}.{child}", stdin=child.encode() + b"\n")
    outcome = kafka.run(CONSUMER, "--include", rf"{prefix}\..*", "--from-beginning", "--max-messages", 2)
    assert sorted(outcome.lines) == ["a", "b"]


@pytest.mark.parametrize("isolation", ["read_committed", "read_uncommitted"])
def test_reads_at_both_isolation_levels(kafka: Kafka, topic: str, isolation: str) -> None:
    assert len(read(kafka, topic, 10, "--from-beginning", "--isolation-level", isolation)) == 10


def test_shows_records_with_deserializers_and_formatters(kafka: Kafka, new_topic: NewTopic) -> None:
    name = new_topic(retention_ms="-1")
    kafka.produce(name, [(1234).to_bytes(8, "big")], timestamp=1_700_000_000_000)
    long = "org.apache.kafka.common.serialization.LongDeserializer"
    shown = ("--formatter-property", "print.timestamp=true", "--formatter-property", f"value.deserializer={long}")
    assert read(kafka, name, 1, "--from-beginning", *shown) == ["CreateTime:1700000000000\t1234"]
    formatters = "org.apache.kafka.tools.consumer"
    assert read(kafka, name, 1, "--from-beginning", "--formatter", f"{formatters}.NoOpMessageFormatter") == []


def test_shows_committed_offsets_and_group_metadata(kafka: Kafka, topic: str, new_name: NewName) -> None:
    group = new_name("group")
    assert len(read(kafka, topic, 10, "--from-beginning", "--group", group)) == 10
    formatters = "org.apache.kafka.tools.consumer"
    for formatter, field in (("OffsetsMessageFormatter", "offset"), ("GroupMetadataMessageFormatter", "protocolType")):
        outcome = kafka.run(
            CONSUMER, "--topic", "__consumer_offsets", "--from-beginning", "--timeout-ms", 3000,
            "--formatter", f"{formatters}.{formatter}",
        )  # fmt: skip
        shown = [json.loads(line) for line in outcome.out.replace("}{", "}\n{").splitlines()]
        values = [line["value"]["data"] for line in shown if line["key"]["data"]["group"] == group and line["value"]]
        assert values
        assert all(field in value for value in values)
