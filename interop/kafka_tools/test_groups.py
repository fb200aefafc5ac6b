"""kafka-groups, and kafka-consumer-groups but for resets."""

from collections.abc import Callable

import pytest

from interop.kafka import Kafka
from interop.members import Member

NewTopic = Callable[..., str]
NewName = Callable[[str], str]

CONSUMER_GROUPS = "kafka-consumer-groups"


def table(rows: list[list[str]]) -> list[dict[str, str]]:
    """Lines below a heading as its columns. (No value holds a blank.)"""
    return [dict(zip(rows[0], row, strict=False)) for row in rows[1:]]


@pytest.fixture
def topic(kafka: Kafka, new_topic: NewTopic) -> str:
    """Two partitions with three records each."""
    name = new_topic(2)
    for partition in (0, 1):
        kafka.produce(name, [b"one", b"two", b"three"], partition=partition)
    return name


@pytest.fixture
def group(kafka: Kafka, topic: str, new_name: NewName) -> str:
    """A group without members that has read the first record of partition 0 and two of partition 1."""
    name = new_name("group")
    kafka.commit(name, topic, {0: 1, 1: 2})
    return name


def test_lists_groups_by_type_and_protocol(kafka: Kafka, topic: str, group: str, new_name: NewName) -> None:
    name = new_name("group")
    with Member(kafka.bootstrap, name, topic):
        for both in ((), ("--consumer",), ("--group-type", "classic")):
            rows = kafka.run("kafka-groups", "--list", *both).rows
            assert [group, "Classic"] in rows
            assert [name, "Classic", "consumer"] in rows
        assert [name, "Classic", "consumer"] in kafka.run("kafka-groups", "--list", "--protocol", "consumer").rows
    for none in (("--share",), ("--streams",), ("--group-type", "share"), ("--protocol", "connect")):
        assert group not in kafka.run("kafka-groups", "--list", *none).out


def test_lists_consumer_groups_with_their_states_and_types(kafka: Kafka, group: str) -> None:
    assert group in kafka.run(CONSUMER_GROUPS, "--list").lines
    assert [group, "Empty"] in kafka.run(CONSUMER_GROUPS, "--list", "--state").rows
    assert [group, "Classic"] in kafka.run(CONSUMER_GROUPS, "--list", "--type").rows
    assert group in kafka.run(CONSUMER_GROUPS, "--list", "--state", "Empty,Dead").out
    assert group not in kafka.run(CONSUMER_GROUPS, "--list", "--state", "Stable").out
    assert group in kafka.run(CONSUMER_GROUPS, "--list", "--type", "classic").out
    assert group not in kafka.run(CONSUMER_GROUPS, "--list", "--type", "consumer").out


def test_describes_the_offsets_and_lag_of_a_group_without_members(kafka: Kafka, topic: str, group: str) -> None:
    outcome = kafka.run(CONSUMER_GROUPS, "--describe", "--group", group)
    assert f"Consumer group '{group}' has no active members." in outcome.err
    rows = sorted(outcome.rows[1:], key=lambda row: row[2])
    assert [row[:6] for row in rows] == [[group, topic, "0", "1", "3", "2"], [group, topic, "1", "2", "3", "1"]]
    assert {tuple(row[6:]) for row in rows} == {("-", "-", "-")}
    assert kafka.run(CONSUMER_GROUPS, "--describe", "--group", group, "--offsets").out == outcome.out
    assert group in kafka.run(CONSUMER_GROUPS, "--describe", "--all-groups").out


def test_describes_members_their_assignments_and_the_state_of_a_group(
    kafka: Kafka, topic: str, new_name: NewName
) -> None:
    name = new_name("group")
    with Member(kafka.bootstrap, name, topic, client_id="reader", assignor="range"):
        offsets = table(kafka.run(CONSUMER_GROUPS, "--describe", "--group", name, "--offsets", "--verbose").rows)
        assert {row["PARTITION"] for row in offsets} == {"0", "1"}
        assert {row["CLIENT-ID"] for row in offsets} == {"reader"}
        members = kafka.run(CONSUMER_GROUPS, "--describe", "--group", name, "--members").rows
        assert members[1][0] == name
        assert members[1][1].startswith("reader-")
        assert members[1][2:5] == ["/127.0.0.1", "reader", "2"]
        verbose = kafka.run(CONSUMER_GROUPS, "--describe", "--group", name, "--members", "--verbose").rows
        assert f"{topic}:0,1" in verbose[1][-1] + verbose[1][-2] + "".join(verbose[1])
        state = kafka.run(CONSUMER_GROUPS, "--describe", "--group", name, "--state").rows
        assert state[1][0] == name
        assert state[1][-3:] == ["range", "Stable", "1"]
        kafka.run(CONSUMER_GROUPS, "--describe", "--group", name, "--state", "--verbose")


@pytest.mark.answers_as_kafka("GroupIdNotFoundException")
def test_says_that_a_group_is_not_there(kafka: Kafka, new_name: NewName) -> None:
    name = new_name("absent")
    for view in ((), ("--members",), ("--state",)):
        assert "GroupIdNotFoundException" in kafka.run(CONSUMER_GROUPS, "--describe", "--group", name, *view).err
    assert "GroupIdNotFoundException" in kafka.run(CONSUMER_GROUPS, "--delete", "--group", name).out


def test_deletes_groups(kafka: Kafka, topic: str, new_name: NewName) -> None:
    groups = [new_name("group"), new_name("group")]
    for group in groups:
        kafka.commit(group, topic, {0: 1})
    out = kafka.run(CONSUMER_GROUPS, "--delete", "--group", groups[0], "--group", groups[1]).out
    assert "Deletion of requested consumer groups" in out
    assert "was successful" in out
    assert not set(groups) & set(kafka.run(CONSUMER_GROUPS, "--list").lines)


@pytest.mark.answers_as_kafka("GroupNotEmptyException, GroupSubscribedToTopicException")
def test_refuses_to_delete_a_group_with_members_or_offsets_they_use(
    kafka: Kafka, topic: str, new_name: NewName
) -> None:
    name = new_name("group")
    with Member(kafka.bootstrap, name, topic):
        assert "GroupNotEmptyException" in kafka.run(CONSUMER_GROUPS, "--delete", "--group", name).out
        outcome = kafka.run(CONSUMER_GROUPS, "--delete-offsets", "--group", name, "--topic", topic)
        assert "GroupSubscribedToTopicException" in outcome.text


def test_deletes_the_offsets_of_a_topic_or_one_partition(kafka: Kafka, topic: str, group: str) -> None:
    outcome = kafka.run(CONSUMER_GROUPS, "--delete-offsets", "--group", group, "--topic", f"{topic}:1")
    assert [topic, "1", "Successful"] in outcome.rows
    assert kafka.committed(group, topic, 2) == {0: 1}
    kafka.run(CONSUMER_GROUPS, "--delete-offsets", "--group", group, "--topic", topic)
    assert kafka.committed(group, topic, 2) == {}


def test_waits_as_long_as_it_is_told(kafka: Kafka) -> None:
    kafka.run(CONSUMER_GROUPS, "--list", "--timeout", 10000)
