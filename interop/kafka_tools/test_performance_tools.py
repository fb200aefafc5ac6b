"""kafka-producer-perf-test, kafka-consumer-perf-test, kafka-e2e-latency, kafka-verifiable-producer and -consumer."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from interop.kafka import Kafka

NewTopic = Callable[..., str]
NewName = Callable[[str], str]

RECORDS = 2000


def test_measures_a_producer(kafka: Kafka, new_topic: NewTopic, tmp_path: Path) -> None:
    name, file = new_topic(), tmp_path / "producer.properties"
    file.write_text("acks=all\n")
    for more in (
        ("--record-size", 200, "--command-property", "compression.type=lz4", "--print-metrics"),
        ("--record-size", 200, "--command-config", file, "--warmup-records", 100),
        ("--payload-monotonic",),
    ):
        out = kafka.run(
            "kafka-producer-perf-test", "--topic", name, "--num-records", RECORDS, "--throughput", -1, *more
        ).out
        assert re.search(rf"^{RECORDS} records sent, ", out, re.MULTILINE)
    assert kafka.run("kafka-get-offsets", "--topic", name).lines == [f"{name}:0:{3 * RECORDS}"]


def test_measures_a_producer_of_given_payloads_at_a_rate(kafka: Kafka, new_topic: NewTopic, tmp_path: Path) -> None:
    name, payloads = new_topic(), tmp_path / "payloads"
    payloads.write_text("one;two;three")
    out = kafka.run(
        "kafka-producer-perf-test", "--topic", name, "--num-records", 100, "--throughput", 1000,
        "--payload-file", payloads, "--payload-delimiter", ";", "--reporting-interval", 1000,
    ).out  # fmt: skip
    assert "100 records sent" in out


@pytest.mark.not_supported("there are no transactions yet (InitProducerId with a transactional id is refused)")
def test_measures_a_transactional_producer(kafka: Kafka, new_topic: NewTopic) -> None:
    kafka.run(
        "kafka-producer-perf-test", "--topic", new_topic(), "--num-records", 10, "--throughput", -1,
        "--record-size", 10, "--transactional-id", "t", "--transaction-duration-ms", 100, code=1,
    )  # fmt: skip


def test_measures_a_consumer(kafka: Kafka, new_topic: NewTopic, new_name: NewName) -> None:
    name = new_topic(2)
    kafka.run(
        "kafka-producer-perf-test", "--topic", name, "--num-records", RECORDS, "--throughput", -1, "--record-size", 100
    )
    out = kafka.run(
        "kafka-consumer-perf-test", "--topic", name, "--num-records", RECORDS, "--group", new_name("group"),
        "--timeout", 20000, "--fetch-size", 100000, "--socket-buffer-size", 65536, "--print-metrics",
    ).out  # fmt: skip
    assert f", {RECORDS}, " in out
    detailed = kafka.run(
        "kafka-consumer-perf-test", "--include", f"{name}.*", "--num-records", RECORDS, "--show-detailed-stats",
        "--reporting-interval", 100, "--hide-header", "--timeout", 20000,
    )  # fmt: skip
    assert "Exiting before" not in detailed.text
    latest = kafka.run(
        "kafka-consumer-perf-test", "--topic", name, "--num-records", 1, "--from-latest", "--timeout", 500
    ).text
    assert "Exiting before consuming the expected number of records" in latest


def test_measures_the_way_from_producer_to_consumer(kafka: Kafka, new_topic: NewTopic) -> None:
    out = kafka.run(
        "kafka-e2e-latency", "--bootstrap-server", kafka.bootstrap, "--topic", new_topic(), "--num-records", 200,
        "--producer-acks", "all", "--record-size", 100, "--record-key-size", 10, "--num-headers", 1,
        "--record-header-size", 5, "--record-header-key-size", 5,
    ).out  # fmt: skip
    assert re.search(r"Percentiles: 50th = \d+, 99th = \d+, 99\.9th = \d+", out)


def test_verifies_what_is_written_and_read(kafka: Kafka, new_topic: NewTopic, new_name: NewName) -> None:
    name = new_topic(3)
    sent = kafka.run(
        "kafka-verifiable-producer", "--topic", name, "--max-messages", 300, "--acks", -1, "--throughput", -1,
        "--value-prefix", 7, "--repeating-keys", 10,
    )  # fmt: skip
    events = [json.loads(line) for line in sent.lines]
    assert [event["sent"] for event in events if event["name"] == "tool_data"] == [300]
    assert [event["acked"] for event in events if event["name"] == "tool_data"] == [300]
    for extra in (
        ("--group-instance-id", "static", "--enable-autocommit"),
        ("--assignment-strategy", "org.apache.kafka.clients.consumer.CooperativeStickyAssignor", "--verbose"),
    ):
        read = kafka.run(
            "kafka-verifiable-consumer", "--topic", name, "--group-id", new_name("group"), "--max-messages", 300,
            "--session-timeout", 10000, "--reset-policy", "earliest", *extra,
        )  # fmt: skip
        events = [json.loads(line) for line in read.lines]
        assert sum(event["count"] for event in events if event["name"] == "records_consumed") == 300
        assert "shutdown_complete" in {event["name"] for event in events}
        commits = [event for event in events if event["name"] == "offsets_committed"]
        assert all(event["success"] for event in commits)
