"""Rows of files and queries in the one order that they have."""

import json
from pathlib import Path
from typing import Any

import pytest

from odradek.kappa.decoding import connect
from odradek.kappa.importing import Source
from odradek.kappa.importing.errors import ImportingError


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def rows(source: Source) -> list[tuple[int, str | None, Any]]:
    with connect() as connection:
        connection.execute("SET preserve_insertion_order=true")
        source.check(connection)
        found = connection.execute(source.ordered()).fetchall()
    return [(time, key, json.loads(value)) for time, key, value in found]


def test_rows_come_by_time_and_else_as_the_files_have_them(tmp_path: Path) -> None:
    first = write(tmp_path / "b.csv", "at,n\n1970-01-01 00:00:02,1\n1970-01-01 00:00:01,2\n1970-01-01 00:00:02,3\n")
    second = write(tmp_path / "a.csv", "at,n\n1970-01-01 00:00:01,4\n1970-01-01 00:00:00,5\n")
    found = rows(Source((first, second), None, "at"))
    assert [(time, row["n"]) for time, _, row in found] == [(0, 5), (1000, 2), (1000, 4), (2000, 1), (2000, 3)]


def test_many_rows_of_one_time_stay_in_their_order(tmp_path: Path) -> None:
    lines = "".join(f'{{"at": "2013-01-01", "n": {n}}}\n' for n in range(50_000))
    found = rows(Source((write(tmp_path / "x.jsonl", lines),), None, "at"))
    assert [row["n"] for _, _, row in found] == list(range(50_000))


def test_what_a_query_gives_is_ordered_by_its_content() -> None:
    sql = "SELECT DATE '1970-01-02' AS at, n FROM (VALUES (3), (1), (2)) t(n);"
    assert [row["n"] for _, _, row in rows(Source((), sql, "at"))] == [1, 2, 3]


def test_keys_are_text_and_may_be_null(tmp_path: Path) -> None:
    path = write(tmp_path / "x.csv", "at,k\n1970-01-01,7\n1970-01-01,NA\n")
    found = rows(Source((path,), None, "at", "k", ("NA",)))
    assert [(key, row["k"]) for _, key, row in found] == [("7", 7), (None, None)]


def test_times_finer_than_a_millisecond_order_rows_too() -> None:
    sql = "SELECT make_timestamp(micros) AS moment, n FROM (VALUES (2, 'a'), (1, 'b')) t(micros, n)"
    assert [row["n"] for _, _, row in rows(Source((), sql, "moment"))] == ["b", "a"]


REFUSED = [
    ("SELECT 1 AS n", "at", None, "there is no column at; known are n"),
    ("SELECT now() AS time", "tme", None, "there is no column tme; did you mean time?"),
    ("SELECT 1 AS at", "at", None, "at is integer, no time: make one of it with --sql"),
    ("SELECT NULL::TIMESTAMP AS at UNION ALL SELECT now()::TIMESTAMP", "at", None, "1 of 2 rows have no at"),
    ("SELECT DATE '2013-01-01' AS at", "at", "key", "there is no column key"),
    ("SELEC 1", "at", None, "syntax error"),
    ("SELECT * FROM read_csv('/nowhere.csv')", "at", None, "No files found"),
]


@pytest.mark.parametrize(("sql", "event_time", "key", "message"), REFUSED)
def test_a_source_that_does_not_fit_says_why(sql: str, event_time: str, key: str | None, message: str) -> None:
    with connect() as connection, pytest.raises(ImportingError) as refused:
        Source((), sql, event_time, key).check(connection)
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


def test_files_are_of_one_kind_and_there(tmp_path: Path) -> None:
    with pytest.raises(ImportingError, match="must all be of one kind"):
        Source((tmp_path / "a.csv", tmp_path / "b.parquet"), None, "at").relation()
    with pytest.raises(ImportingError, match=r"gone\.csv: No such file"):
        Source((tmp_path / "gone.csv",), None, "at").fingerprint()


def test_a_file_that_changes_is_another_source(tmp_path: Path) -> None:
    path = write(tmp_path / "x.csv", "at\n2013-01-01\n")
    before = Source((path,), None, "at").fingerprint()
    assert Source((path,), None, "at").fingerprint() == before
    write(path, "at\n2013-01-01\n2013-01-02\n")
    assert Source((path,), None, "at").fingerprint() != before
