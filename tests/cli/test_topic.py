"""`odradek topic` against a real broker."""

import uuid

import pytest

from tests.cli.conftest import Cli


@pytest.fixture
def name() -> str:
    return f"made-{uuid.uuid4().hex[:10]}"


def test_a_created_topic_is_listed_and_described(cli: Cli, name: str) -> None:
    assert (
        cli.ok("topic", "create", name, "--partitions", "3", "--config", "retention.ms=60000").out
        == f"{name} created\n"
    )

    listed = {topic["name"]: topic for topic in cli.ok("topic", "list", "--json").json["topics"]}
    assert listed[name] == {"name": name, "partitions": 3, "replication_factor": 1, "records": 0}
    [described] = cli.ok("topic", "describe", name, "--json").json["topics"]
    assert described["configs"] == {"retention.ms": "60000"}
    assert [p["partition"] for p in described["partitions"]] == [0, 1, 2]
    assert all(p["start_offset"] == p["end_offset"] == 0 for p in described["partitions"])


def test_description_for_people_shows_partitions_and_settings(cli: Cli, name: str) -> None:
    cli.ok("topic", "create", name, "-c", "retention.ms=60000")
    shown = cli.ok("topic", "describe", name).out
    assert "retention.ms=60000" in shown
    assert "PARTITION  LEADER" in shown


def test_creating_twice_fails_unless_that_is_accepted(cli: Cli, name: str) -> None:
    cli.ok("topic", "create", name)
    assert "already exists" in cli.fails("topic", "create", name)
    assert cli.ok("topic", "create", name, "--if-not-exists", "--json").json == {"topic": name, "created": False}


def test_validate_only_creates_nothing(cli: Cli, name: str) -> None:
    assert "can be created" in cli.ok("topic", "create", name, "--validate-only").out
    assert f"no topic '{name}'" in cli.fails("topic", "describe", name)


def test_a_topic_grows_and_changes_settings(cli: Cli, name: str) -> None:
    cli.ok("topic", "create", name, "-c", "retention.ms=60000")
    cli.ok("topic", "alter", name, "-p", "4", "-c", "segment.bytes=1048576", "-d", "retention.ms")
    [described] = cli.ok("topic", "describe", name, "--json").json["topics"]
    assert len(described["partitions"]) == 4
    assert described["configs"] == {"segment.bytes": "1048576"}


def test_a_deleted_topic_is_gone(cli: Cli, name: str) -> None:
    cli.ok("topic", "create", name)
    assert cli.ok("topic", "delete", name, "--json").json == {"deleted": [name]}
    assert f"no topic '{name}'" in cli.fails("topic", "describe", name)
    assert cli.ok("topic", "delete", name, "--if-exists").out == "nothing to delete\n"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["create", "bad name"], "bad name"),
        (["create", "x-{}", "-c", "retention.ms=soon"], "retention.ms"),
        (["create", "x-{}", "-c", "no.such.key=1"], "no.such.key"),
        (["create", "x-{}", "-r", "9"], "eplica"),
        (["delete", "missing-{}"], "odradek topic list"),
        (["alter", "missing-{}", "-p", "3"], "odradek topic list"),
    ],
)
def test_refusals_say_why_in_one_line(cli: Cli, name: str, arguments: list[str], told: str) -> None:
    assert told in cli.fails("topic", *(argument.format(name) for argument in arguments))


def test_partitions_never_shrink(cli: Cli, name: str) -> None:
    cli.ok("topic", "create", name, "-p", "2")
    assert "partition" in cli.fails("topic", "alter", name, "-p", "1").lower()


@pytest.mark.parametrize(
    "arguments", [["alter", "t"], ["create", "t", "-c", "novalue"], ["create"], ["create", "t", "-p", "many"], ["lst"]]
)
def test_wrong_usage_ends_with_2(cli: Cli, arguments: list[str]) -> None:
    cli.fails("topic", *arguments, code=2)
