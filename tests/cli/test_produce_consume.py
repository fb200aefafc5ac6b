"""`odradek produce` and `odradek consume`: what goes in comes out."""

import base64
import json
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from odradek.testing import BrokerProcess
from odradek.testing.topics import create_topic, unique_name
from tests.cli.conftest import Cli

Consumed = Callable[..., list[dict[str, Any]]]


def test_lines_come_back_as_they_went_in(cli: Cli, topic: str) -> None:
    text = "".join(f"line {number}\n" for number in range(5000)) + "\nno line end"
    cli.ok("produce", topic, stdin=text)
    assert cli.ok("consume", topic).out == text + "\n"


def test_files_are_sent_in_order(cli: Cli, topic: str, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("1\n2\n")
    (tmp_path / "b").write_text("3\n")
    result = cli.ok("produce", topic, str(tmp_path / "a"), str(tmp_path / "b"), "--json")
    assert result.json == {"topic": topic, "records": 3, "failed": 0}
    assert cli.ok("consume", topic).out == "1\n2\n3\n"


def test_a_whole_file_is_one_record(cli: Cli, topic: str, tmp_path: Path, consumed: Consumed) -> None:
    (tmp_path / "page").write_text("one\ntwo\n")
    cli.ok("produce", topic, "--whole", str(tmp_path / "page"))
    assert [record["value"] for record in consumed()] == ["one\ntwo\n"]


def test_keys_headers_and_nulls(cli: Cli, topic: str, consumed: Consumed) -> None:
    cli.ok("produce", topic, "-K", r"\t", "-H", "origin=test", "--null", "NIL", stdin="k1\tv1\nk2\tNIL\n")
    first, second = consumed()
    assert (first["key"], first["value"], first["headers"]) == ("k1", "v1", [["origin", "test"]])
    assert (second["key"], second["value"]) == ("k2", None)
    assert cli.ok("consume", topic, "-K", "=", "--null", "NIL").out == "k1=v1\nk2=NIL\n"


def test_headers_may_have_one_name_and_spaces(cli: Cli, topic: str, consumed: Consumed) -> None:
    cli.ok("produce", topic, "-H", "a=1", "-H", "a=2", "-H", "spaced=  x  ", stdin="v\n")
    (record,) = consumed()
    assert record["headers"] == [["a", "1"], ["a", "2"], ["spaced", "  x  "]]


def test_json_records_survive_a_round_trip_byte_for_byte(cli: Cli, topic: str, consumed: Consumed) -> None:
    odd = {"base64": base64.b64encode(b"\xff\x00\xfe").decode()}
    records: list[dict[str, object]] = [
        {"value": "text", "key": None, "headers": [["h", "1"], ["h", None]], "timestamp": 1_700_000_000_000},
        {"value": odd, "key": odd, "headers": []},
        {"value": None, "key": "gone", "headers": []},
    ]
    cli.ok("produce", topic, "-F", "json", stdin="".join(json.dumps(record) + "\n" for record in records))
    came = consumed()
    assert [{name: record[name] for name in ("value", "key", "headers")} for record in came] == [
        {name: record[name] for name in ("value", "key", "headers")} for record in records
    ]
    assert came[0]["timestamp"] == 1_700_000_000_000


@pytest.mark.parametrize(("form", "text"), [("hex", "00ff41"), ("base64", "AP9B")])
def test_binary_values_as_text(cli: Cli, topic: str, form: str, text: str) -> None:
    cli.ok("produce", topic, "-F", form, stdin=text + "\n")
    assert cli.ok("consume", topic, "-F", form).out == text + "\n"
    assert cli.ok("consume", topic, "-F", "hex").out == "00ff41\n"


@pytest.mark.parametrize("codec", ["none", "gzip", "snappy", "lz4", "zstd"])
def test_every_compression(cli: Cli, topic: str, codec: str) -> None:
    cli.ok("produce", topic, "-z", codec, stdin="a\n" * 200)
    assert cli.ok("consume", topic).out == "a\n" * 200


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--from", "beginning"], "01234"),
        (["--from", "3"], "34"),
        (["--from", "-2"], "34"),
        (["--from", "99"], ""),
        (["--from", "1", "-n", "2"], "12"),
        (["--from", "2001-09-09T01:46:43+00:00"], "34"),
        (["--from", "2001-09-09T01:46:50"], ""),
        (["--from", "1h"], ""),
        (["--from", "20000d"], "01234"),
        (["-p", "0"], "01234"),
    ],
)
def test_where_reading_starts_and_ends(cli: Cli, topic: str, options: list[str], expected: str) -> None:
    lines: list[dict[str, object]] = [{"value": str(n), "timestamp": 1_000_000_000_000 + n * 1000} for n in range(5)]
    cli.ok("produce", topic, "-F", "json", stdin="\n".join(map(json.dumps, lines)))
    assert cli.ok("consume", topic, "--separator", "", *options).out == expected


def test_a_partition_can_be_chosen(cli: Cli, odradek_broker: BrokerProcess) -> None:
    topic = create_topic(odradek_broker.bootstrap, unique_name("partitions"), partitions=3)
    cli.ok("produce", topic, "-p", "2", stdin="two\n")
    assert cli.ok("consume", topic, "-p", "2").out == "two\n"
    assert cli.ok("consume", topic, "-p", "0", "-p", "1").out == ""
    assert "no partition 7" in cli.fails("consume", topic, "-p", "7")


def test_a_group_reads_each_record_once(cli: Cli, topic: str, group: str) -> None:
    cli.ok("produce", topic, stdin="1\n2\n3\n")
    assert cli.ok("consume", topic, "-g", group, "-n", "2").out == "1\n2\n"
    assert cli.ok("consume", topic, "-g", group).out == "3\n"
    cli.ok("produce", topic, stdin="4\n")
    assert cli.ok("consume", topic, "-g", group).out == "4\n"


def test_following_shows_what_comes_until_ctrl_c(cli: Cli, topic: str) -> None:
    cli.ok("produce", topic, stdin="old\n")
    follower = cli.start("consume", topic, "--follow")
    assert follower.stdout is not None
    assert follower.stdout.readline() == b"old\n"
    cli.ok("produce", topic, stdin="new\n")
    assert follower.stdout.readline() == b"new\n"
    follower.send_signal(signal.SIGINT)
    assert follower.communicate(timeout=30) == (b"", b"")
    assert follower.returncode == 130


def test_sigterm_leaves_the_group_with_what_was_written(cli: Cli, topic: str, group: str) -> None:
    cli.ok("produce", topic, stdin="1\n")
    member = cli.start("consume", topic, "-g", group, "--follow")
    assert member.stdout is not None
    assert member.stdout.readline() == b"1\n"
    member.send_signal(signal.SIGTERM)
    member.communicate(timeout=30)
    assert member.returncode == 143
    [described] = cli.ok("group", "describe", group, "--json").json["groups"]
    assert (described["state"], described["members"], described["lag"]) == ("Empty", [], 0)


def test_following_gives_up_when_too_little_comes(cli: Cli, topic: str) -> None:
    cli.ok("produce", topic, stdin="1\n")
    assert "1 of 2 records" in cli.fails("consume", topic, "--follow", "-n", "2", "--timeout", "0.5")


def test_a_closed_pipe_ends_quietly(cli: Cli, topic: str) -> None:
    cli.ok("produce", topic, stdin="some text that fills the pipe\n" * 20_000)
    reader = cli.start("consume", topic)
    assert reader.stdout is not None
    assert reader.stdout.readline()
    reader.stdout.close()
    assert reader.stderr is not None
    assert reader.stderr.read() == b""
    assert reader.wait(30) == 141
    reader.stderr.close()
    assert reader.stdin is not None
    reader.stdin.close()


def test_lines_that_trickle_in_are_stored_as_they_come(cli: Cli, topic: str) -> None:
    sender = cli.start("produce", topic)
    assert sender.stdin is not None
    sender.stdin.write(b"first\n")
    sender.stdin.flush()
    deadline = time.monotonic() + 30
    while cli.ok("consume", topic).out != "first\n":
        assert time.monotonic() < deadline
    assert sender.communicate(timeout=30) == (b"", b"")
    assert sender.returncode == 0


@pytest.mark.parametrize(
    ("options", "stdin", "told"),
    [
        (["-F", "json"], '{"value": 1}\nnot json\n', "stdin line 2: not JSON"),
        (["-F", "json"], "[1]\n", "stdin line 1: expected an object"),
        (["-F", "hex"], "xyz\n", "stdin line 1: not hexadecimal"),
        (["-K", ":"], "no key\n", "stdin line 1: no key separator ':'"),
        (["/no/such/file"], "", "/no/such/file: No such file"),
    ],
)
def test_bad_input_is_named(cli: Cli, topic: str, options: list[str], stdin: str, told: str) -> None:
    assert told in cli.fails("produce", topic, *options, stdin=stdin)


def test_a_record_the_broker_refuses_fails_the_command(cli: Cli, odradek_broker: BrokerProcess) -> None:
    small = create_topic(odradek_broker.bootstrap, unique_name("small"), config={"max.message.bytes": "1000"})
    assert "1 of 1 records were not stored" in cli.fails("produce", small, stdin="x" * 5000)


@pytest.mark.parametrize(
    "arguments",
    [
        ["consume", "t", "--from", "yesterday-ish"],
        ["consume", "t", "-g", "g", "-p", "0"],
        ["consume", "t", "-g", "g", "--from", "5"],
        ["consume", "t", "--json", "-K", ":"],
        ["consume", "t", "-n", "0"],
        ["produce", "t", "-k", "a", "-K", ":"],
        ["produce", "t", "-F", "xml"],
    ],
)
def test_wrong_usage_ends_with_2(cli: Cli, arguments: list[str]) -> None:
    cli.fails(*arguments, code=2)


def test_an_unknown_topic_is_not_made_by_reading_it(cli: Cli) -> None:
    assert "odradek topic list" in cli.fails("consume", "never-made")
    assert "never-made" not in cli.ok("topic", "list").out
