"""`odradek group`: lag and moved offsets."""

from collections.abc import Callable
from pathlib import Path

import pytest

from odradek.testing import BrokerProcess
from tests.cli.conftest import Cli


@pytest.fixture
def committed(cli: Cli, topic: str, group: str) -> str:
    """A group that has read four of ten records, made one second apart from 2001-09-09T01:46:40Z on."""
    lines = "".join(f'{{"value": "{n}", "timestamp": {1_000_000_000_000 + n * 1000}}}\n' for n in range(10))
    cli.ok("produce", topic, "-F", "json", stdin=lines)
    cli.ok("consume", topic, "-g", group, "-n", "4")
    return group


def position(cli: Cli, group: str) -> int:
    [described] = cli.ok("group", "describe", group, "--json").json["groups"]
    [partition] = described["partitions"]
    return int(partition["committed_offset"])


def test_lag_is_what_is_left_to_read(cli: Cli, committed: str, topic: str) -> None:
    [described] = cli.ok("group", "describe", committed, "--json").json["groups"]
    [partition] = described["partitions"]
    assert (partition["topic"], partition["committed_offset"], partition["end_offset"], partition["lag"]) == (
        topic,
        4,
        10,
        6,
    )
    listed = {found["group"]: found for found in cli.ok("group", "list", "--json").json["groups"]}
    assert listed[committed] == {"group": committed, "state": "Empty", "members": 0, "lag": 6}
    assert "lag 6" in cli.ok("group", "describe", committed).out


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (["--to-earliest"], 0),
        (["--to-latest"], 10),
        (["--to-current"], 4),
        (["--to-offset", "7"], 7),
        (["--to-offset", "700"], 10),
        (["--shift-by", "-3"], 1),
        (["--shift-by", "3"], 7),
        (["--shift-by", "-30"], 0),
        (["--to-datetime", "2001-09-09T01:46:45Z"], 5),
        (["--to-datetime", "2001-09-09T10:46:45.500+09:00"], 6),
        (["--to-datetime", "2030-01-01"], 10),
        (["--by-duration", "20000d"], 0),
        (["--by-duration", "PT1S"], 10),
    ],
)
def test_where_a_reset_moves_to(cli: Cli, committed: str, topic: str, target: list[str], expected: int) -> None:
    moved = cli.ok("group", "reset-offsets", committed, "-t", topic, *target, "--execute", "--json").json
    offsets = [{"topic": topic, "partition": 0, "before": 4, "after": expected}]
    assert moved == {"group": committed, "executed": True, "offsets": offsets}
    assert position(cli, committed) == expected


def test_without_execute_nothing_moves(cli: Cli, committed: str) -> None:
    shown = cli.ok("group", "reset-offsets", committed, "--all-topics", "--to-earliest").out
    assert "dry run" in shown
    assert position(cli, committed) == 4


def test_offsets_from_a_file(cli: Cli, committed: str, topic: str, tmp_path: Path) -> None:
    plan = tmp_path / "plan.csv"
    plan.write_text(f'"{topic}",0,2\n')
    cli.ok("group", "reset-offsets", committed, "--from-file", str(plan), "--execute")
    assert position(cli, committed) == 2
    plan.write_text("nonsense\n")
    assert "line 1" in cli.fails("group", "reset-offsets", committed, "--from-file", str(plan), code=2)


def test_a_running_group_is_not_moved(cli: Cli, committed: str, topic: str) -> None:
    member = cli.start("consume", topic, "-g", committed, "--follow")
    assert member.stdout is not None
    assert member.stdout.readline() == b"4\n"
    told = cli.fails("group", "reset-offsets", committed, "-t", topic, "--to-earliest", "--execute")
    assert "stop them first" in told
    assert "stop its consumers" in cli.fails("group", "delete", committed)
    [described] = cli.ok("group", "describe", committed, "--json").json["groups"]
    assert described["state"] == "Stable"
    assert [found["partitions"] for found in described["members"]] == [[[topic, 0]]]
    member.terminate()
    member.communicate(timeout=30)


def test_a_group_that_never_read_can_be_placed(cli: Cli, topic: str, group: str) -> None:
    cli.ok("produce", topic, stdin="1\n2\n")
    cli.ok("group", "reset-offsets", group, "-t", f"{topic}:0", "--to-offset", "1", "--execute")
    assert cli.ok("consume", topic, "-g", group).out == "2\n"


def test_a_deleted_group_is_gone(cli: Cli, committed: str) -> None:
    assert cli.ok("group", "delete", committed).out == f"{committed} deleted\n"
    assert "odradek group list" in cli.fails("group", "describe", committed)
    cli.fails("group", "delete", committed)


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["--to-earliest"],
        ["--to-earliest", "--to-latest", "--all-topics"],
        ["--to-earliest", "--all-topics", "-t", "t"],
        ["--by-duration", "soon", "--all-topics"],
        ["--to-datetime", "soon", "--all-topics"],
        ["-t", "t:x", "--to-earliest"],
    ],
)
def test_wrong_usage_ends_with_2(cli: Cli, options: list[str]) -> None:
    cli.fails("group", "reset-offsets", "g", *options, code=2)


def test_a_missing_partition_is_named(cli: Cli, topic: str) -> None:
    told = cli.fails("group", "reset-offsets", "g", "-t", f"{topic}:5", "--to-earliest")
    assert f"{topic}:5" in told


def test_the_first_question_to_a_fresh_broker_waits_for_its_coordinator(
    odradek_broker_factory: Callable[..., BrokerProcess],
) -> None:
    fresh = Cli(odradek_broker_factory().bootstrap)
    assert fresh.ok("group", "reset-offsets", "g", "--all-topics", "--to-earliest").out == "no partitions to move\n"
