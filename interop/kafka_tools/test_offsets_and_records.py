"""kafka-get-offsets, kafka-delete-records, kafka-log-dirs, kafka-leader-election."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from interop.kafka import Kafka

NewTopic = Callable[..., str]
NewName = Callable[[str], str]

BASE_MS = 1_700_000_000_000


@pytest.fixture
def topic(kafka: Kafka, new_topic: NewTopic) -> str:
    """Partition 0 has five records whose largest timestamp is at offset 3, and starts at 1; partition 1 has two."""
    name = new_topic(2, retention_ms="-1")
    for offset, at_ms in enumerate((0, 10, 20, 99, 40)):
        kafka.produce(name, [b"%d" % offset], timestamp=BASE_MS + at_ms)
    kafka.produce(name, [b"a", b"b"], partition=1, timestamp=BASE_MS)
    kafka.delete_records(name, {0: 1})
    return name


@pytest.mark.parametrize(
    ("time", "offsets"),
    [
        ("-1", {"0": "5", "1": "2"}),
        ("latest", {"0": "5", "1": "2"}),
        ("-2", {"0": "1", "1": "0"}),
        ("earliest", {"0": "1", "1": "0"}),
        ("-3", {"0": "3", "1": "0"}),
        ("max-timestamp", {"0": "3", "1": "0"}),
        ("-4", {"0": "1", "1": "0"}),
        ("earliest-local", {"0": "1", "1": "0"}),
        (str(BASE_MS + 15), {"0": "2"}),
        (str(BASE_MS + 30), {"0": "3"}),
        (str(BASE_MS + 1000), {}),
    ],
)
def test_asks_for_every_kind_of_offset(kafka: Kafka, topic: str, time: str, offsets: dict[str, str]) -> None:
    lines = kafka.run("kafka-get-offsets", "--topic", topic, "--time", time).lines
    found = dict(line.split(":")[1:] for line in lines)
    assert {partition: offset for partition, offset in found.items() if offset} == offsets


@pytest.mark.parametrize("time", ["-5", "latest-tiered", "-6", "earliest-pending-upload"])
def test_asks_for_offsets_of_remote_storage(kafka: Kafka, topic: str, time: str) -> None:
    lines = kafka.run("kafka-get-offsets", "--topic", topic, "--time", time).lines
    assert lines in ([], [f"{topic}:0:-1", f"{topic}:1:-1"])


def test_asks_for_the_partitions_named(kafka: Kafka, topic: str) -> None:
    assert kafka.run("kafka-get-offsets", "--topic", topic).lines == [f"{topic}:0:5", f"{topic}:1:2"]
    one = [f"{topic}:1:2"]
    assert kafka.run("kafka-get-offsets", "--topic", topic, "--partitions", "1").lines == one
    assert kafka.run("kafka-get-offsets", "--topic-partitions", f"{topic}:1").lines == one
    assert kafka.run("kafka-get-offsets", "--topic-partitions", f"{topic[:-1]}.:1-", "--exclude-internal-topics").lines[
        -1:
    ]


@pytest.mark.answers_as_kafka("could not match any topic-partitions")
def test_says_that_no_partition_matches(kafka: Kafka, new_name: NewName) -> None:
    refused = kafka.run("kafka-get-offsets", "--topic", new_name("absent"), code=1)
    assert "Could not match any topic-partitions with the specified filters" in refused.text


def test_deletes_records_below_an_offset(kafka: Kafka, topic: str, tmp_path: Path) -> None:
    file = tmp_path / "below.json"
    partitions = [{"topic": topic, "partition": 0, "offset": 3}, {"topic": topic, "partition": 1, "offset": -1}]
    file.write_text(json.dumps({"version": 1, "partitions": partitions}))
    out = kafka.run("kafka-delete-records", "--offset-json-file", file).out
    assert f"partition: {topic}-0\tlow_watermark: 3" in out
    assert f"partition: {topic}-1\tlow_watermark: 2" in out
    assert kafka.run("kafka-get-offsets", "--topic", topic, "--time", "earliest").lines == [
        f"{topic}:0:3",
        f"{topic}:1:2",
    ]


@pytest.mark.answers_as_kafka("OffsetOutOfRangeException, UnknownTopicOrPartitionException")
def test_does_not_delete_records_that_are_not_there(kafka: Kafka, topic: str, tmp_path: Path) -> None:
    file = tmp_path / "below.json"
    partitions = [{"topic": topic, "partition": 0, "offset": 300}]
    file.write_text(json.dumps({"version": 1, "partitions": partitions}))
    out = kafka.run("kafka-delete-records", "--offset-json-file", file).out
    assert "OffsetOutOfRangeException" in out


def test_says_which_directory_holds_what(kafka: Kafka, topic: str) -> None:
    out = kafka.run("kafka-log-dirs", "--describe", "--topic-list", topic, "--broker-list", "1").out
    answer = json.loads(out.strip().splitlines()[-1])
    (directory,) = answer["brokers"][0]["logDirs"]
    assert directory["error"] is None
    held = {entry["partition"]: entry for entry in directory["partitions"]}
    assert set(held) == {f"{topic}-0", f"{topic}-1"}
    assert held[f"{topic}-0"]["size"] > held[f"{topic}-1"]["size"] > 0
    assert {(entry["offsetLag"], entry["isFuture"]) for entry in held.values()} == {(0, False)}
    everything = json.loads(kafka.run("kafka-log-dirs", "--describe").out.strip().splitlines()[-1])
    assert {entry["partition"] for entry in everything["brokers"][0]["logDirs"][0]["partitions"]} > set(held)


@pytest.mark.answers_as_kafka("the broker does not exist")
def test_says_that_a_broker_is_not_there(kafka: Kafka) -> None:
    refused = kafka.run("kafka-log-dirs", "--describe", "--broker-list", "1,99", code=1)
    assert "99" in refused.text


def test_elects_leaders(kafka: Kafka, topic: str, tmp_path: Path) -> None:
    for kind in ("preferred", "unclean"):
        out = kafka.run("kafka-leader-election", "--election-type", kind, "--topic", topic, "--partition", 0).out
        assert f"Valid replica already elected for partitions {topic}-0" in out
    file = tmp_path / "partitions.json"
    file.write_text(json.dumps({"partitions": [{"topic": topic, "partition": 1}]}))
    kafka.run("kafka-leader-election", "--election-type", "preferred", "--path-to-json-file", file)
    kafka.run("kafka-leader-election", "--election-type", "preferred", "--all-topic-partitions")


@pytest.mark.answers_as_kafka("UnknownTopicOrPartitionException")
def test_elects_no_leader_of_what_is_not_there(kafka: Kafka, new_name: NewName) -> None:
    name = new_name("absent")
    refused = kafka.run(
        "kafka-leader-election", "--election-type", "preferred", "--topic", name, "--partition", 0, code=1
    )
    assert "UnknownTopicOrPartitionException" in refused.text
