"""Tools for what Odradek does not have yet: told so by their own client, before anything is done."""

from collections.abc import Callable
from pathlib import Path

import pytest

from interop.kafka import Kafka

NewTopic = Callable[..., str]


@pytest.mark.not_supported("there are no transactions yet (ListTransactions, DescribeTransactions)")
def test_lists_and_describes_transactions(kafka: Kafka) -> None:
    assert "does not support LIST_TRANSACTIONS" in kafka.run("kafka-transactions", "list", code=1).text
    described = kafka.run("kafka-transactions", "describe", "--transactional-id", "t", code=1)
    assert "Failed to describe" in described.text or "does not support" in described.text


def test_describes_producers_of_a_partition_and_finds_no_hanging_transaction(kafka: Kafka, new_topic: NewTopic) -> None:
    name = new_topic()
    kafka.run("kafka-producer-perf-test", "--topic", name, "--num-records", 10, "--throughput", -1, "--record-size", 10)
    heading, producer = kafka.run("kafka-transactions", "describe-producers", "--topic", name, "--partition", 0).rows
    assert heading[:2] == ["ProducerId", "ProducerEpoch"]
    assert producer[1:2] == ["0"]
    assert producer[-1] == "None"
    hanging = kafka.run("kafka-transactions", "find-hanging", "--topic", name, "--partition", 0).rows
    assert len(hanging) == 1


@pytest.mark.not_supported("metadata is not a Raft log (DescribeQuorum)")
def test_describes_the_quorum(kafka: Kafka) -> None:
    for view in ("--status", "--replication"):
        assert "DESCRIBE_QUORUM" in kafka.run("kafka-metadata-quorum", "describe", view, code=1).text


@pytest.mark.not_supported("there are no ACLs yet (DescribeAcls, CreateAcls, DeleteAcls)")
def test_lists_acls(kafka: Kafka) -> None:
    assert "DESCRIBE_ACLS" in kafka.run("kafka-acls", "--list", code=1).text


@pytest.mark.not_supported("there is no SASL yet, and so no delegation tokens")
def test_describes_delegation_tokens(kafka: Kafka, tmp_path: Path) -> None:
    file = tmp_path / "client.properties"
    file.write_text("")
    refused = kafka.run("kafka-delegation-tokens", "--describe", "--command-config", file, code=1)
    assert "DELEGATION_TOKEN" in refused.text


@pytest.mark.not_supported("features cannot be changed (UpdateFeatures)")
def test_changes_features(kafka: Kafka) -> None:
    refused = kafka.run("kafka-features", "upgrade", "--feature", "group.version=1", code=1)
    assert "UPDATE_FEATURES" in refused.text or "not supported" in refused.text.lower()


@pytest.mark.not_supported("there are no share groups (DescribeShareGroupOffsets and others)")
def test_describes_share_groups(kafka: Kafka) -> None:
    assert kafka.run("kafka-share-groups", "--list").out.strip() == ""
    assert "UnsupportedVersion" in kafka.run("kafka-share-groups", "--describe", "--group", "g").text


@pytest.mark.not_supported("there are no streams groups of the newer protocol (StreamsGroupDescribe)")
def test_describes_streams_groups(kafka: Kafka) -> None:
    assert kafka.run("kafka-streams-groups", "--list").out.strip() == ""
    assert "UnsupportedVersion" in kafka.run("kafka-streams-groups", "--describe", "--group", "g", code=1).text


@pytest.mark.not_supported("there is no client telemetry (GetTelemetrySubscriptions, PushTelemetry)")
def test_configures_client_metrics(kafka: Kafka) -> None:
    assert kafka.run("kafka-client-metrics", "--list").out.strip() == ""
    refused = kafka.run("kafka-client-metrics", "--alter", "--name", "m", "--metrics", "x", "--interval", 1000, code=1)
    assert "Exception" in refused.text
