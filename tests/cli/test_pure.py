"""The deciding parts of the command line, without a broker."""

import pytest

from odradek.cli.errors import CommandError, UsageError
from odradek.cli.formats import Format, FormatError, Parsed, line_parser, unescape
from odradek.cli.pairs import parse_pairs
from odradek.cli.positions import parse_position
from odradek.cli.queries import Range
from odradek.cli.reset_plan import Target, destination, parse_plan, parse_topic_filter
from odradek.cli.session import split_address
from odradek.cli.times import format_ms, parse_datetime_ms, parse_duration_ms

HELD = Range(10, 20)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("90s", 90_000),
        ("1h30m", 5_400_000),
        ("7d", 604_800_000),
        ("250ms", 250),
        ("PT1H30M", 5_400_000),
        ("P1D", 86_400_000),
    ],
)
def test_durations(text: str, expected: int) -> None:
    assert parse_duration_ms(text) == expected


@pytest.mark.parametrize("text", ["", "5", "m", "1h and more", "P", "PT", "-5m"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(UsageError):
        parse_duration_ms(text)


def test_times_without_an_offset_are_utc() -> None:
    assert parse_datetime_ms("2001-09-09T01:46:40") == 1_000_000_000_000
    assert parse_datetime_ms("2001-09-09T10:46:40+09:00") == 1_000_000_000_000
    assert format_ms(1_000_000_000_123) == "2001-09-09T01:46:40.123Z"


@pytest.mark.parametrize(
    ("target", "committed", "found", "expected"),
    [
        (Target("earliest", True), 15, -1, 10),
        (Target("latest", True), 15, -1, 20),
        (Target("current", True), 15, -1, 15),
        (Target("current", True), None, -1, 20),
        (Target("current", True), 5, -1, 10),
        (Target("offset", 3), 15, -1, 10),
        (Target("offset", 25), 15, -1, 20),
        (Target("shift", -2), 15, -1, 13),
        (Target("shift", -9), 15, -1, 10),
        (Target("datetime", 0), 15, 12, 12),
        (Target("duration", 0), 15, -1, 20),
        (Target("file", {("t", 0): 14}), 15, -1, 14),
    ],
)
def test_destinations_lie_within_what_is_held(target: Target, committed: int | None, found: int, expected: int) -> None:
    assert destination(target, ("t", 0), committed, HELD, found) == expected


def test_nothing_committed_cannot_be_shifted() -> None:
    with pytest.raises(CommandError, match="t-0 has no committed offset"):
        destination(Target("shift", 1), ("t", 0), None, HELD)


def test_plans_are_read_as_kafkas_tool_writes_them() -> None:
    assert parse_plan('"a",0,5\n\nb,1,7\n', "f") == {("a", 0): 5, ("b", 1): 7}
    assert parse_topic_filter("a") == ("a", None)
    assert parse_topic_filter("a:0,2") == ("a", [0, 2])


@pytest.mark.parametrize("text", ["", "a,0\n", "a,x,1\n", "a,0,-1\n"])
def test_bad_plans_are_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_plan(text, "f")


@pytest.mark.parametrize(
    ("text", "expected"),
    [("beginning", ("beginning", 0)), ("end", ("end", 0)), ("42", ("offset", 42)), ("-10", ("offset", -10))],
)
def test_positions(text: str, expected: tuple[str, int]) -> None:
    assert parse_position(text) == expected


@pytest.mark.parametrize("text", ["0001-01-01", "1969-12-31T23:59:59", "²", "tomorrow"])
def test_positions_that_cannot_be_are_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_position(text)


def test_separators_are_unescaped() -> None:
    assert [unescape(text) for text in (r"\t", r"\x1f", "::", r"\\", "é", "\\")] == [
        b"\t",
        b"\x1f",
        b"::",
        b"\\",
        "é".encode(),
        b"\\",
    ]


@pytest.mark.parametrize(
    ("form", "separator", "null", "line", "expected"),
    [
        (Format.RAW, None, None, b"a:b", Parsed(b"a:b")),
        (Format.RAW, b":", None, b"a:b:c", Parsed(b"b:c", b"a")),
        (Format.RAW, b":", b"", b":b", Parsed(b"b", None)),
        (Format.HEX, b":", None, b"41:42", Parsed(b"B", b"A")),
        (Format.JSON, None, None, b'{"value": {"a": 1}}', Parsed(b'{"a":1}')),
        (Format.JSON, None, None, b'{"value": "x", "partition": 3}', Parsed(b"x", partition=3)),
        (Format.JSON, None, None, b'{"value": null, "headers": {"h": "1"}}', Parsed(None, headers=[("h", b"1")])),
    ],
)
def test_lines_become_records(
    form: Format, separator: bytes | None, null: bytes | None, line: bytes, expected: Parsed
) -> None:
    assert line_parser(form, separator, null)(line) == expected


@pytest.mark.parametrize(
    "line",
    [
        b"", b"[]", b"{}", b'{"value": 1, "partition": -1}', b'{"value": 1, "headers": 5}',
        b'{"value": {"base64": "!"}}', b'{"value": 1, "partition": 99999999999}',
        b'{"value": 1, "timestamp": 100000000000000000000}', b'{"value": ' + b"[" * 100_000,
    ],
    ids=range(9),
)  # fmt: skip
def test_bad_json_lines_are_refused(line: bytes) -> None:
    with pytest.raises(FormatError):
        line_parser(Format.JSON, None, None)(line)


def test_addresses_and_pairs() -> None:
    assert split_address("[::1]:9092") == ("::1", 9092)
    assert parse_pairs(["a=b=c", "d="], "--set") == {"a": "b=c", "d": ""}
    with pytest.raises(UsageError, match="--set nothing"):
        parse_pairs(["nothing"], "--set")
