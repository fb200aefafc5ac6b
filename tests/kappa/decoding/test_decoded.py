"""Records become rows, or say why they do not."""

import json
from datetime import datetime
from decimal import Decimal
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from odradek.kappa.decoding import connect, decoded
from odradek.kappa.definition import Topic, parse
from odradek.kappa.records import RECORDS

EVERY_TYPE = """
topics:
  t:
    schema:
      {n: int, d: double, t: timestamp, e: epoch_ms, b: boolean, s: varchar, m: "decimal(10,2)", j: json, l: "int[]",
       u: date}
"""
WHOLE: dict[str, Any] = {
    "n": 1, "d": 1.5, "t": "2013-01-01T05:00:00Z", "e": 1357016400000, "b": True, "s": "x", "m": 1.25, "j": {"x": 1},
    "l": [1, 2], "u": "2013-01-01",
}  # fmt: skip


def topic_of(text: str) -> Topic:
    (topic,) = parse(text).topics.values()
    return topic


def records_of(*records: tuple[bytes | None, bytes | None]) -> pa.Table:
    """Of keys and values."""
    count = len(records)
    return pa.table(
        [
            pa.array([3] * count, pa.int32()),
            pa.array(range(count), pa.int64()),
            pa.array([1000] * count, pa.timestamp("ms")),
            pa.array([key for key, _ in records], pa.binary()),
            pa.array([value for _, value in records], pa.binary()),
            pa.nulls(count, RECORDS.field("_headers").type),
        ],
        schema=RECORDS,
    )


def rows(topic: Topic, *records: tuple[bytes | None, bytes | None]) -> list[dict[str, Any]]:
    with connect() as connection:
        connection.register("records", records_of(*records))
        found: list[dict[str, Any]] = connection.sql(decoded(topic, "records")).to_arrow_table().to_pylist()
    return sorted(found, key=lambda row: int(row["_offset"]))


def row(topic: Topic, value: bytes | None, key: bytes | None = None) -> dict[str, Any]:
    (found,) = rows(topic, (key, value))
    return found


def test_a_json_object_becomes_typed_columns() -> None:
    found = row(topic_of(EVERY_TYPE), json.dumps(WHOLE).encode())
    five = datetime(2013, 1, 1, 5)
    assert found["_error"] is None
    assert (found["n"], found["d"], found["t"], found["e"], found["b"]) == (1, 1.5, five, five, True)
    assert (found["s"], found["m"], found["j"], found["l"]) == ("x", Decimal("1.25"), '{"x":1}', [1, 2])
    assert (found["_partition"], found["_offset"], found["_op"]) == (3, 0, "u")


@pytest.mark.parametrize("column", WHOLE)
def test_a_member_that_is_null_or_missing_is_null(column: str) -> None:
    topic = topic_of(EVERY_TYPE)
    missing = {name: value for name, value in WHOLE.items() if name != column}
    for value in (missing, {**WHOLE, column: None}):
        found = row(topic, json.dumps(value).encode())
        assert (found["_error"], found[column]) == (None, None)


WRONG = [
    ("n", 2.7), ("n", "7"), ("n", True), ("n", 3_000_000_000), ("n", [1]), ("d", "1.5"), ("d", False), ("t", 1357),
    ("t", "soon"), ("e", "2013-01-01"), ("e", 1.5), ("b", 1), ("b", "true"), ("s", 1), ("s", {"c": 1}), ("m", "x"),
    ("l", [1, "x"]), ("l", [1.5]), ("l", {}), ("l", [3_000_000_000]), ("u", "2013-13-01"),
]  # fmt: skip


@pytest.mark.parametrize(("column", "value"), WRONG)
def test_a_value_of_another_type_is_never_bent_to_fit(column: str, value: object) -> None:
    found = row(topic_of(EVERY_TYPE), json.dumps({**WHOLE, column: value}).encode())
    assert found["_error"].startswith(f"{column} is no ")
    assert all(found[each] is None for each in WHOLE)


RIGHT = [
    ("d", 1, 1.0), ("m", "1.25", Decimal("1.25")), ("m", 1, Decimal("1.00")), ("l", [], []),
    ("l", [1, None], [1, None]),
    ("j", "text", '"text"'), ("t", "2013-01-01", datetime(2013, 1, 1)),
    ("t", "2013-01-01T05:00:00+02:00", datetime(2013, 1, 1, 3)),
]  # fmt: skip


@pytest.mark.parametrize(("column", "value", "expected"), RIGHT)
def test_a_value_that_means_the_same_is_taken(column: str, value: object, expected: object) -> None:
    found = row(topic_of(EVERY_TYPE), json.dumps({**WHOLE, column: value}).encode())
    assert (found["_error"], found[column]) == (None, expected)


@pytest.mark.parametrize(
    ("value", "error"),
    [
        (b"not", "the value is no JSON object"),
        (b"[1]", "the value is no JSON object"),
        (b"null", "the value is no JSON object"),
        (b'{"n":1} x', "the value is no JSON object"),
        (b"", "the value is no JSON object"),
        (b"\xff", "the value is no UTF-8 text"),
        (None, "the value is null"),
    ],
)
def test_what_is_no_object_says_so(value: bytes | None, error: str) -> None:
    assert row(topic_of(EVERY_TYPE), value)["_error"] == error


def test_one_bad_record_leaves_the_others_alone() -> None:
    topic = topic_of("topics: {t: {schema: {n: int}}}")
    found = rows(topic, (None, b'{"n":1}'), (None, b"x"), (None, b'{"n":3}'))
    assert [each["n"] for each in found] == [1, None, 3]
    assert [each["_error"] is None for each in found] == [True, False, True]


def test_member_names_may_have_any_letters() -> None:
    topic = topic_of("""topics: {t: {schema: {'user-id': int, 'a"b': int, "it's": int}}}""")
    found = row(topic, json.dumps({"user-id": 1, 'a"b': 2, "it's": 3}).encode())
    assert (found["_error"], found["user-id"], found['a"b'], found["it's"]) == (None, 1, 2, 3)


CSV = "topics: {t: {format: csv, schema: {n: int, s: varchar, t: timestamp}}}"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"1,x,2013-01-01", (1, "x", datetime(2013, 1, 1))),
        (b'2,"a,""b""",\r\n', (2, 'a,"b"', None)),
        (b'3,"two\nlines",', (3, "two\nlines", None)),
        (b",,", (None, None, None)),
    ],
)
def test_a_csv_record_becomes_columns_in_their_order(value: bytes, expected: tuple[object, ...]) -> None:
    found = row(topic_of(CSV), value)
    assert (found["n"], found["s"], found["t"], found["_error"]) == (*expected, None)


@pytest.mark.parametrize(
    ("value", "error"),
    [
        (b"1,x", "it has 2 fields, not 3"),
        (b"1,x,,", "it has 4 fields, not 3"),
        (b'1,"x,', "the value is no CSV record"),
        (b'1,x"y,', "the value is no CSV record"),
        (b"1.5,x,", "n is no INTEGER"),
        (b"1,x,soon", "t is no TIMESTAMP"),
    ],
)
def test_a_csv_record_that_does_not_fit_says_why(value: bytes, error: str) -> None:
    assert row(topic_of(CSV), value)["_error"] == error


@pytest.mark.parametrize("delimiter", [";", "|", "\t", "^", "]"])
def test_any_character_may_delimit(delimiter: str) -> None:
    topic = Topic(format="csv", schema={"a": "varchar", "b": "varchar"}, delimiter=delimiter)
    found = row(topic, f'"x{delimiter}y"{delimiter}z'.encode())
    assert (found["a"], found["b"]) == (f"x{delimiter}y", "z")


TABLE = "topics: {t: {schema: {id: int, name: varchar}, key: {field: id, from: key}, table: true}}"


def test_a_table_takes_its_key_from_the_record_and_deletes_by_null() -> None:
    found = rows(topic_of(TABLE), (b"7", b'{"name":"seven"}'), (b"7", None), (b"x", b"{}"), (None, b"{}"))
    assert [(each["id"], each["name"], each["_op"]) for each in found[:2]] == [(7, "seven", "u"), (7, None, "d")]
    assert [each["_error"] for each in found] == [None, None, "id is no INTEGER", "the key is null"]


def test_a_json_key_is_read_as_json() -> None:
    topic = topic_of("topics: {t: {schema: {id: varchar}, key: {field: id, from: key, format: json}}}")
    assert row(topic, b"{}", b'"a b"')["id"] == "a b"
    assert row(topic, b"{}", b"12")["id"] == "12"


def test_a_raw_topic_is_not_taken_apart() -> None:
    found = row(Topic(format="raw"), b"\xff\x00", b"k")
    assert (found["_value"], found["_key"], found["_error"]) == (b"\xff\x00", b"k", None)


@given(st.lists(st.one_of(st.binary(max_size=30), st.text(max_size=30).map(str.encode)), max_size=20))
def test_no_bytes_whatever_fail_a_batch(values: list[bytes]) -> None:
    for text in (EVERY_TYPE, CSV):
        assert len(rows(topic_of(text), *((None, value) for value in values))) == len(values)


def test_nothing_is_loaded_from_the_network() -> None:
    with connect() as connection, pytest.raises(duckdb.Error):
        connection.execute("SELECT * FROM read_xlsx('x.xlsx')")
