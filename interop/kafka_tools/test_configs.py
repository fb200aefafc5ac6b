"""kafka-configs."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from interop.kafka import Kafka

NewTopic = Callable[..., str]
NewName = Callable[[str], str]


def settings(output: str) -> dict[str, str]:
    """Key to value of `--describe`."""
    return dict(re.findall(r"^\s+([a-z.]+)=(\S*) sensitive=", output, re.MULTILINE))


def test_changes_and_describes_the_configuration_of_a_topic(kafka: Kafka, new_topic: NewTopic) -> None:
    name = new_topic()
    out = kafka.run(
        "kafka-configs", "--alter", "--entity-type", "topics", "--entity-name", name,
        "--add-config", "retention.ms=1234567,cleanup.policy=[compact,delete]",
    ).out  # fmt: skip
    assert out == f"Completed updating config for topic {name}.\n"
    kafka.run("kafka-configs", "--alter", "--topic", name, "--add-config", "max.message.bytes=2000")
    kafka.run("kafka-configs", "--alter", "--topic", name, "--delete-config", "max.message.bytes")
    out = kafka.run("kafka-configs", "--describe", "--entity-type", "topics", "--entity-name", name).out
    assert settings(out) == {"retention.ms": "1234567", "cleanup.policy": "compact,delete"}
    assert "DYNAMIC_TOPIC_CONFIG:retention.ms=1234567" in out


def test_describes_every_topic_and_with_defaults(kafka: Kafka, new_topic: NewTopic) -> None:
    name = new_topic(retention_ms="77000")
    assert (
        f"Dynamic configs for topic {name} are:"
        in kafka.run("kafka-configs", "--describe", "--entity-type", "topics").out
    )
    everything = kafka.run("kafka-configs", "--describe", "--topic", name, "--all")
    found = settings(everything.out)
    assert found["retention.ms"] == "77000"
    assert found["segment.bytes"] == "1073741824"
    assert found["compression.type"] == "producer"
    assert len(found) >= 25


def test_reads_changes_from_a_file(kafka: Kafka, new_topic: NewTopic, tmp_path: Path) -> None:
    name, changes = new_topic(), tmp_path / "changes.properties"
    changes.write_text("retention.ms=2222\nretention.bytes=3333\n")
    kafka.run("kafka-configs", "--alter", "--topic", name, "--add-config-file", changes)
    out = kafka.run("kafka-configs", "--describe", "--topic", name).out
    assert settings(out) == {"retention.ms": "2222", "retention.bytes": "3333"}


@pytest.mark.answers_as_kafka("ConfigException, InvalidConfigurationException, UnknownTopicOrPartitionException")
def test_refuses_values_keys_and_topics_that_cannot_be(kafka: Kafka, new_topic: NewTopic, new_name: NewName) -> None:
    name = new_topic()
    bad = kafka.run("kafka-configs", "--alter", "--topic", name, "--add-config", "retention.ms=soon", code=1)
    assert "Invalid value soon for configuration retention.ms: Not a number of type LONG" in bad.text
    unknown = kafka.run("kafka-configs", "--alter", "--topic", name, "--add-config", "no.such.key=1", code=1)
    assert "Unknown topic config name: no.such.key" in unknown.text
    absent = kafka.run(
        "kafka-configs", "--alter", "--topic", new_name("absent"), "--add-config", "retention.ms=1", code=1
    )
    assert "The topic 'absent" in absent.text or "UnknownTopicOrPartitionException" in absent.text


def test_changes_the_configuration_of_one_broker_and_of_all(kafka: Kafka) -> None:
    for entity in (("--entity-name", "1"), ("--entity-default",)):
        key, value = ("log.flush.interval.messages", "100000") if "1" in entity else ("message.max.bytes", "1048600")
        kafka.run("kafka-configs", "--alter", "--entity-type", "brokers", *entity, "--add-config", f"{key}={value}")
        out = kafka.run("kafka-configs", "--describe", "--entity-type", "brokers", *entity).out
        assert settings(out)[key] == value
        kafka.run("kafka-configs", "--alter", "--entity-type", "brokers", *entity, "--delete-config", key)
        assert key not in settings(kafka.run("kafka-configs", "--describe", "--entity-type", "brokers", *entity).out)
    kafka.run("kafka-configs", "--alter", "--broker", "1", "--add-config", "log.retention.ms=604800001")
    assert settings(kafka.run("kafka-configs", "--describe", "--broker", "1").out)["log.retention.ms"] == "604800001"
    kafka.run("kafka-configs", "--alter", "--broker", "1", "--delete-config", "log.retention.ms")
    kafka.run("kafka-configs", "--alter", "--broker-defaults", "--add-config", "log.retention.bytes=1000000000")
    kafka.run("kafka-configs", "--describe", "--broker-defaults")
    kafka.run("kafka-configs", "--alter", "--broker-defaults", "--delete-config", "log.retention.bytes")


def test_describes_everything_a_broker_is_configured_with(kafka: Kafka) -> None:
    found = settings(
        kafka.run("kafka-configs", "--describe", "--entity-type", "brokers", "--entity-name", "1", "--all").out
    )
    assert found["log.segment.bytes"] == "1073741824"
    assert "listeners" in found
    assert "node.id" in found


@pytest.mark.answers_as_kafka("InvalidRequestException")
def test_refuses_to_change_what_needs_a_restart(kafka: Kafka) -> None:
    refused = kafka.run(
        "kafka-configs",
        "--alter",
        "--entity-type",
        "brokers",
        "--entity-name",
        "1",
        "--add-config",
        "node.id=2",
        code=1,
    )
    assert "node.id" in refused.text
    assert "InvalidRequestException" in refused.text


@pytest.mark.not_supported("every key a group can have belongs to the newer group protocols")
def test_changes_the_configuration_of_a_group(kafka: Kafka, new_name: NewName) -> None:
    group = ("--entity-type", "groups", "--entity-name", new_name("group"))
    refused = kafka.run("kafka-configs", "--alter", *group, "--add-config", "share.session.timeout.ms=1", code=1)
    assert "Unknown group config name: share.session.timeout.ms" in refused.text


@pytest.mark.answers_as_kafka("the group does not exist and has no dynamic configuration")
def test_describes_the_configuration_of_a_group(kafka: Kafka, new_name: NewName) -> None:
    name = new_name("group")
    out = kafka.run("kafka-configs", "--describe", "--group", name).out
    assert out == f"The group '{name}' doesn't exist and doesn't have dynamic config.\n"


@pytest.mark.not_supported("quotas and SCRAM credentials are not there (DescribeClientQuotas, AlterClientQuotas)")
@pytest.mark.parametrize("entity", ["users", "clients", "ips"])
def test_describes_quotas(kafka: Kafka, entity: str) -> None:
    refused = kafka.run("kafka-configs", "--describe", "--entity-type", entity, code=1)
    assert "UnsupportedVersionException" in refused.text
    assert "DESCRIBE_CLIENT_QUOTAS" in refused.text


@pytest.mark.not_supported("quotas are not there (AlterClientQuotas)")
def test_changes_quotas(kafka: Kafka) -> None:
    refused = kafka.run("kafka-configs", "--alter", "--client", "c", "--add-config", "producer_byte_rate=1", code=1)
    assert "UnsupportedVersionException" in refused.text
