"""kafka-topics."""

from collections.abc import Callable

import pytest

from interop.kafka import Kafka

NewTopic = Callable[..., str]
NewName = Callable[[str], str]


def described(kafka: Kafka, topic: str) -> list[dict[str, str]]:
    """The lines of `--describe` as fields: the topic's line first, then one per partition."""
    lines = kafka.run("kafka-topics", "--describe", "--topic", topic).out.strip().splitlines()
    return [dict(part.split(": ", 1) for part in line.strip().split("\t") if ": " in part) for line in lines]


def test_creates_a_topic_with_partitions_and_configuration(kafka: Kafka, new_name: NewName) -> None:
    name = new_name("created")
    out = kafka.run(
        "kafka-topics", "--create", "--topic", name, "--partitions", 3, "--replication-factor", 1,
        "--config", "segment.bytes=2097152", "--config", "cleanup.policy=compact,delete",
    ).out  # fmt: skip
    assert out == f"Created topic {name}.\n"
    topic, *partitions = described(kafka, name)
    assert topic["Topic"] == name
    assert topic["PartitionCount"] == "3"
    assert topic["ReplicationFactor"] == "1"
    assert "segment.bytes=2097152" in topic["Configs"]
    assert "cleanup.policy=compact,delete" in topic["Configs"]
    assert [line["Partition"] for line in partitions] == ["0", "1", "2"]
    assert {(line["Leader"], line["Replicas"], line["Isr"]) for line in partitions} == {("1", "1", "1")}


def test_creates_a_topic_with_the_broker_s_defaults(kafka: Kafka, new_name: NewName) -> None:
    name = new_name("default")
    kafka.run("kafka-topics", "--create", "--topic", name)
    assert described(kafka, name)[0]["PartitionCount"] == "1"


def test_creates_a_topic_with_the_given_replica_assignment(kafka: Kafka, new_name: NewName) -> None:
    name = new_name("assigned")
    kafka.run("kafka-topics", "--create", "--topic", name, "--replica-assignment", "1,1")
    assert described(kafka, name)[0]["PartitionCount"] == "2"


@pytest.mark.answers_as_kafka("TopicExistsException")
def test_refuses_to_create_a_topic_twice_unless_told_to_pass_over_it(kafka: Kafka, new_topic: NewTopic) -> None:
    name = new_topic()
    refused = kafka.run("kafka-topics", "--create", "--topic", name, code=1)
    assert f"Topic '{name}' already exists." in refused.out
    assert "TopicExistsException" in refused.err
    kafka.run("kafka-topics", "--create", "--topic", name, "--if-not-exists")


@pytest.mark.answers_as_kafka("InvalidReplicationFactorException")
def test_refuses_more_replicas_than_there_are_brokers(kafka: Kafka, new_name: NewName) -> None:
    refused = kafka.run("kafka-topics", "--create", "--topic", new_name("wide"), "--replication-factor", 3, code=1)
    assert "InvalidReplicationFactorException" in refused.err
    assert "Unable to replicate the partition 3 time(s)" in refused.out


@pytest.mark.answers_as_kafka("ConfigException, InvalidConfigurationException, InvalidTopicException")
@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("--topic", "t", "--config", "retention.ms=soon"), "ConfigException"),
        (("--topic", "t", "--config", "no.such.key=1"), "InvalidConfigurationException"),
        (("--topic", "a b"), "InvalidTopicException"),
        (("--topic", "x" * 250), "InvalidTopicException"),
    ],
)
def test_refuses_what_no_topic_can_be(kafka: Kafka, arguments: tuple[str, ...], error: str) -> None:
    refused = kafka.run("kafka-topics", "--create", *arguments, code=1)
    assert error in refused.err


def test_lists_topics_and_leaves_out_internal_ones(kafka: Kafka, new_topic: NewTopic, new_name: NewName) -> None:
    one, other = new_topic(), new_topic()
    kafka.commit(new_name("group"), one, {0: 0})
    everything = kafka.run("kafka-topics", "--list").lines
    assert {one, other, "__consumer_offsets"} <= set(everything)
    assert everything == sorted(everything)
    assert "__consumer_offsets" not in kafka.run("kafka-topics", "--list", "--exclude-internal").lines
    assert kafka.run("kafka-topics", "--list", "--topic", f"{one}|{other}").lines == sorted([one, other])


def test_describes_topics_by_name_pattern_and_id(kafka: Kafka, new_topic: NewTopic) -> None:
    name = new_topic(2)
    topic_id = described(kafka, name)[0]["TopicId"]
    by_name = kafka.run("kafka-topics", "--describe", "--topic", name).out
    by_id = kafka.run("kafka-topics", "--describe", "--topic-id", topic_id).out
    assert by_name == by_id.replace("N/A", "")
    assert by_name == kafka.run("kafka-topics", "--describe", "--topic", name[:-1] + "[" + name[-1] + "]").out
    assert by_name in kafka.run("kafka-topics", "--describe").out


def test_describes_a_topic_page_by_page(kafka: Kafka, new_topic: NewTopic) -> None:
    name = new_topic(5)
    paged = kafka.run("kafka-topics", "--describe", "--topic", name, "--partition-size-limit-per-response", 2).out
    assert paged == kafka.run("kafka-topics", "--describe", "--topic", name).out


@pytest.mark.parametrize(
    "option",
    [
        "--under-replicated-partitions", "--unavailable-partitions", "--under-min-isr-partitions",
        "--at-min-isr-partitions", "--topics-with-overrides",
    ],
)  # fmt: skip
def test_describes_only_what_a_filter_leaves(kafka: Kafka, new_topic: NewTopic, option: str) -> None:
    plain, changed = new_topic(), new_topic(retention_ms="60000")
    found = kafka.run("kafka-topics", "--describe", option, "--exclude-internal").out
    if option == "--topics-with-overrides":
        assert changed in found
    elif option == "--at-min-isr-partitions":
        assert plain in found
        assert changed in found
    else:
        assert found.strip() == ""


@pytest.mark.answers_as_kafka("the topic does not exist as expected")
def test_says_that_a_topic_is_not_there_unless_told_to_pass_over_it(kafka: Kafka, new_name: NewName) -> None:
    absent = new_name("absent")
    for action in ("--describe", "--delete"):
        assert (
            f"Topic '{absent}' does not exist as expected"
            in kafka.run("kafka-topics", action, "--topic", absent, code=1).out
        )
        kafka.run("kafka-topics", action, "--topic", absent, "--if-exists")
    assert "does not exist" in kafka.run("kafka-topics", "--alter", "--topic", absent, "--partitions", 2, code=1).out


def test_adds_partitions(kafka: Kafka, new_topic: NewTopic) -> None:
    name = new_topic(1)
    kafka.run("kafka-topics", "--alter", "--topic", name, "--partitions", 4)
    assert described(kafka, name)[0]["PartitionCount"] == "4"
    kafka.run("kafka-topics", "--alter", "--topic", name, "--partitions", 5, "--replica-assignment", "1,1,1,1,1")
    assert described(kafka, name)[0]["PartitionCount"] == "5"


@pytest.mark.answers_as_kafka("InvalidPartitionsException")
def test_never_takes_partitions_away(kafka: Kafka, new_topic: NewTopic) -> None:
    name = new_topic(3)
    for count, says in ((3, "already has 3 partition(s)"), (2, "2 would not be an increase")):
        refused = kafka.run("kafka-topics", "--alter", "--topic", name, "--partitions", count, code=1)
        assert "InvalidPartitionsException" in refused.err
        assert says in refused.out


def test_deletes_a_topic(kafka: Kafka, new_topic: NewTopic) -> None:
    name = new_topic()
    assert kafka.run("kafka-topics", "--delete", "--topic", name).out == ""
    assert name not in kafka.run("kafka-topics", "--list").lines
