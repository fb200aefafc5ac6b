"""kafka-consumer-groups --reset-offsets: every rule, scope and way to run."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from interop.kafka import Kafka
from interop.members import Member

NewTopic = Callable[..., str]
NewName = Callable[[str], str]

HOUR_MS = 3_600_000
NOON_MS = int(datetime(2026, 1, 1, 12, tzinfo=UTC).timestamp() * 1000)
"""The first record's timestamp; each next one is an hour later."""


@pytest.fixture
def topic(kafka: Kafka, new_topic: NewTopic) -> str:
    """Two partitions with six records each, an hour between one and the next, the first already deleted."""
    name = new_topic(2, retention_ms="-1")
    for partition in (0, 1):
        for index in range(6):
            kafka.produce(name, [b"%d" % index], partition=partition, timestamp=NOON_MS + index * HOUR_MS)
    kafka.delete_records(name, {0: 1, 1: 1})
    return name


@pytest.fixture
def group(kafka: Kafka, topic: str, new_name: NewName) -> str:
    """A group without members at offset 3 of both partitions."""
    name = new_name("group")
    kafka.commit(name, topic, {0: 3, 1: 3})
    return name


def reset(kafka: Kafka, group: str, *arguments: object, code: int = 0) -> str:
    return kafka.run("kafka-consumer-groups", "--reset-offsets", "--group", group, *arguments, code=code).text


RULES = [
    (("--to-earliest",), 1),
    (("--to-latest",), 6),
    (("--to-offset", "4"), 4),
    (("--to-offset", "100"), 6),
    (("--to-offset", "0"), 1),
    (("--shift-by", "2"), 5),
    (("--shift-by", "-1"), 2),
    (("--shift-by", "-100"), 1),
    (("--to-current",), 3),
    (("--to-datetime", "2026-01-01T14:30:00.000"), 3),
    (("--to-datetime", "2026-01-01T16:00:00.000+02:00"), 2),
    (("--to-datetime", "2030-01-01T00:00:00.000"), 6),
    (("--by-duration", "P3650D"), 1),
    (("--by-duration", "PT0S"), 6),
]


@pytest.mark.parametrize(
    ("rule", "offset"), RULES, ids=lambda value: " ".join(value) if isinstance(value, tuple) else ""
)
def test_resets_a_group_by_every_rule(kafka: Kafka, topic: str, group: str, rule: tuple[str, ...], offset: int) -> None:
    text = reset(kafka, group, "--all-topics", *rule, "--execute")
    assert "GROUP" in text
    assert kafka.committed(group, topic, 2) == {0: offset, 1: offset}


def test_a_dry_run_says_what_it_would_do_and_does_nothing(kafka: Kafka, topic: str, group: str) -> None:
    rows = kafka.run(
        "kafka-consumer-groups", "--reset-offsets", "--group", group, "--topic", topic, "--to-earliest", "--dry-run"
    ).rows
    assert sorted(rows[1:]) == [[group, topic, "0", "1"], [group, topic, "1", "1"]]
    assert kafka.committed(group, topic, 2) == {0: 3, 1: 3}


def test_resets_only_the_partitions_named(kafka: Kafka, topic: str, group: str) -> None:
    reset(kafka, group, "--topic", f"{topic}:1", "--to-latest", "--execute")
    assert kafka.committed(group, topic, 2) == {0: 3, 1: 6}


def test_resets_to_what_was_exported_to_a_file(kafka: Kafka, topic: str, group: str, tmp_path: Path) -> None:
    exported = tmp_path / "offsets.csv"
    out = kafka.run(
        "kafka-consumer-groups", "--reset-offsets", "--group", group, "--all-topics", "--to-current", "--export"
    ).out
    assert sorted(out.split()) == [f"{topic},0,3", f"{topic},1,3"]
    exported.write_text(out)
    reset(kafka, group, "--all-topics", "--to-latest", "--execute")
    reset(kafka, group, "--from-file", exported, "--execute")
    assert kafka.committed(group, topic, 2) == {0: 3, 1: 3}


def test_resets_several_groups_and_creates_a_group_that_was_not_there(
    kafka: Kafka, topic: str, group: str, new_name: NewName
) -> None:
    other = new_name("group")
    kafka.commit(other, topic, {0: 2})
    reset(kafka, group, "--group", other, "--topic", topic, "--to-offset", "5", "--execute")
    assert kafka.committed(group, topic, 2) == {0: 5, 1: 5}
    assert kafka.committed(other, topic, 2) == {0: 5, 1: 5}
    created = new_name("group")
    reset(kafka, created, "--topic", topic, "--to-latest", "--execute")
    assert kafka.committed(created, topic, 2) == {0: 6, 1: 6}


@pytest.mark.answers_as_kafka("assignments can only be reset if the group is inactive")
def test_does_not_reset_a_group_that_has_members(kafka: Kafka, topic: str, new_name: NewName) -> None:
    name = new_name("group")
    with Member(kafka.bootstrap, name, topic):
        text = reset(kafka, name, "--topic", topic, "--to-earliest", "--execute")
        assert "the current state is Stable" in text or "only be reset if the group" in text


@pytest.mark.answers_as_kafka("UnknownTopicOrPartitionException, or a warning and nothing done")
def test_does_not_reset_what_is_not_there(kafka: Kafka, group: str, topic: str, new_name: NewName) -> None:
    text = reset(kafka, group, "--topic", new_name("absent"), "--to-earliest", "--execute")
    assert "does not exist" in text or "UnknownTopicOrPartition" in text
    assert kafka.committed(group, topic, 2) == {0: 3, 1: 3}
