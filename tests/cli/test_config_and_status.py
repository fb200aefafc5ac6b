"""`odradek config` and `odradek status`."""

import pytest

from tests.cli.conftest import Cli


def settings(cli: Cli, *arguments: str) -> dict[str, str]:
    return {
        entry["name"]: entry["value"] for entry in cli.ok("config", "describe", *arguments, "--json").json["configs"]
    }


def test_topic_settings_are_set_shown_and_deleted(cli: Cli, topic: str) -> None:
    cli.ok("config", "set", "topic", topic, "retention.ms=60000", "cleanup.policy=delete")
    assert settings(cli, "topic", topic)["retention.ms"] == "60000"
    assert "retention.ms" in cli.ok("config", "describe", "topic", topic).out
    cli.ok("config", "delete", "topic", topic, "retention.ms")
    assert "retention.ms" not in settings(cli, "topic", topic)
    assert settings(cli, "topic", topic, "--all")["retention.ms"] == "604800000"


def test_broker_settings_change_while_it_runs(cli: Cli) -> None:
    cli.ok("config", "set", "broker", "1", "log.retention.ms=1234567")
    assert settings(cli, "broker", "1")["log.retention.ms"] == "1234567"
    cli.ok("config", "delete", "broker", "1", "log.retention.ms")
    assert settings(cli, "broker", "1").get("log.retention.ms") != "1234567"


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["set", "topic", "{}", "retention.ms=soon"], 1, "retention.ms"),
        (["set", "topic", "{}", "no.such=1"], 1, "no.such"),
        (["describe", "broker", "one"], 2, "its id"),
        (["describe", "planet", "x"], 2, "planet"),
        (["set", "topic", "{}", "novalue"], 2, "KEY=VALUE"),
    ],
)
def test_refusals_say_why(cli: Cli, topic: str, arguments: list[str], code: int, told: str) -> None:
    assert told in cli.fails("config", *(argument.format(topic) for argument in arguments), code=code)


def test_status_shows_everything_on_one_screen(cli: Cli, topic: str, group: str) -> None:
    cli.ok("produce", topic, stdin="1\n2\n")
    cli.ok("consume", topic, "-g", group, "-n", "1")
    report = cli.ok("status", "--json").json
    assert report["brokers"] == [{"id": report["controller"], "address": cli.bootstrap}]
    assert report["offline_partitions"] == report["under_replicated_partitions"] == 0
    assert {"name": topic, "partitions": 1, "records": 2} in report["topics"]
    assert {"group": group, "state": "Empty", "members": 0, "lag": 1} in report["groups"]
    shown = cli.ok("status").out
    assert len(shown.splitlines()) <= 40
    assert "in sync" in shown
