"""kafka-reassign-partitions."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from interop.kafka import Kafka

NewTopic = Callable[..., str]


def plan(path: Path, topic: str, *replicas: int) -> Path:
    """A file that asks for these replicas of the topic's partition."""
    file = path / "plan.json"
    partition = {"topic": topic, "partition": 0, "replicas": replicas}
    file.write_text(json.dumps({"version": 1, "partitions": [partition]}))
    return file


def test_proposes_a_reassignment(kafka: Kafka, new_topic: NewTopic, tmp_path: Path) -> None:
    file = tmp_path / "topics.json"
    file.write_text(json.dumps({"version": 1, "topics": [{"topic": new_topic()}]}))
    out = kafka.run(
        "kafka-reassign-partitions", "--generate", "--topics-to-move-json-file", file, "--broker-list", "1"
    ).out
    assert "Proposed partition reassignment configuration" in out


def test_reassigns_partitions(kafka: Kafka, new_topic: NewTopic, tmp_path: Path) -> None:
    file = plan(tmp_path, new_topic(), 1)
    out = kafka.run("kafka-reassign-partitions", "--execute", "--reassignment-json-file", file).out
    assert "Successfully started partition reassignment" in out
    assert "No partition reassignments found." in kafka.run("kafka-reassign-partitions", "--list").out
    verified = kafka.run("kafka-reassign-partitions", "--verify", "--reassignment-json-file", file).out
    assert "is completed." in verified
    cancelled = kafka.run("kafka-reassign-partitions", "--cancel", "--reassignment-json-file", file).out
    assert "None of the specified partition reassignments are active." in cancelled


@pytest.mark.answers_as_kafka("the broker is unknown")
def test_reassigns_nothing_to_a_broker_that_is_not_there(kafka: Kafka, new_topic: NewTopic, tmp_path: Path) -> None:
    file = plan(tmp_path, new_topic(), 99)
    refused = kafka.run("kafka-reassign-partitions", "--execute", "--reassignment-json-file", file, code=1)
    assert "Unknown broker id 99" in refused.text
