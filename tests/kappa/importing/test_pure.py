"""Partitions, pace, keys and values, and what a state allows, without a broker."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from odradek.kappa.errors import KappaError
from odradek.kappa.importing.options import EventTimeUnit, ImportOptions, KeyFormat, Limits, NullEventTime, ValueFormat
from odradek.kappa.importing.ordering import opened
from odradek.kappa.importing.pace import Pace
from odradek.kappa.importing.partitioner import murmur2, partitioner
from odradek.kappa.importing.state import ImportState, Position, StateFile
from odradek.kappa.importing.topic import seq_of

Row = tuple[Any, Any, int]


def rows_of(options: ImportOptions, limits: Limits | None = None) -> list[Row]:
    with opened(options, limits or Limits()) as rows:
        rows.measure()
        return [
            (row["v"].decode(), row["k"] and row["k"].decode(), row["t"])
            for batch in rows.batches()
            for row in batch.to_pylist()
        ]


def query(sql: str, **options: Any) -> list[Row]:
    return rows_of(ImportOptions((), "t", sql=sql, **options))


@pytest.mark.parametrize(
    ("data", "signed"),
    [
        (b"21", -973932308),
        (b"foobar", -790332482),
        (b"a-little-bit-long-string", -985981536),
        (b"a-little-bit-longer-string", -1486304829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        (b"abc", 479470107),
    ],
)
def test_keys_hash_as_in_kafkas_own_tests(data: bytes, signed: int) -> None:
    assert murmur2(data) == signed % 2**32


@given(st.binary(max_size=40), st.integers(1, 100))
def test_a_partition_agrees_with_another_clients(key: bytes, partitions: int) -> None:
    from kafka.partitioner.default import murmur2 as theirs

    assert partitioner(partitions)(key) == (theirs(key) & 0x7FFFFFFF) % partitions


def test_rows_are_due_when_their_event_time_has_passed_at_the_speed() -> None:
    pace = Pace(10.0, 1000, now_s=5.0)
    times = [1000, 2000, 11_000, 11_001]
    assert pace.due(times, 0, 5.0) == 1
    assert pace.due(times, 1, 6.0) == 3
    assert pace.wait_s(21_000, 6.0) == pytest.approx(1.0)


def test_json_has_iso_times_and_no_bare_nan() -> None:
    rows = query(
        "select timestamp '2013-01-01 05:00:00' as t, timestamptz '2013-01-01 06:00:00+01' as z, null as n, "
        "'nan'::double as d, 1.5::double as e, {'a': [1]} as s"
    )
    assert json.loads(rows[0][0]) == {
        "t": "2013-01-01T05:00:00",
        "z": "2013-01-01T05:00:00Z",
        "n": None,
        "d": "nan",
        "e": 1.5,
        "s": {"a": [1]},
    }


def test_csv_tells_null_from_empty_text() -> None:
    rows = query("select 'a\"b' as a, null as b, '' as c, 'x,y' as d, 1 as e", form=ValueFormat.CSV)
    assert rows[0][0] == '"a""b",,"","x,y",1'


def test_keys_are_text_or_json_and_null_stays_null() -> None:
    sql = "select * from (values ('x', 1), (null, 2), (null, null)) v(a, b) order by 1"
    assert sorted(str(row[1]) for row in query(sql, key=("a",))) == ["None", "None", "x"]
    both = query(sql, key=("a", "b"), key_format=KeyFormat.JSON)
    assert sorted(str(row[1]) for row in both) == ["None", '{"a":"x","b":1}', '{"a":null,"b":2}']
    assert query("select 'x' as a", key=("a",), key_format=KeyFormat.JSON)[0][1] == '"x"'


def test_files_are_ordered_by_event_time_then_file_then_row(tmp_path: Path) -> None:
    (tmp_path / "b.csv").write_text("t,n\n2020-01-02 00:00:00,b1\n2020-01-01 00:00:00,b2\n")
    (tmp_path / "a.csv").write_text("t,n\n2020-01-02 00:00:00,a1\n2020-01-02 00:00:00,a2\n,a3\n")
    options = ImportOptions(
        (str(tmp_path / "*.csv"),), "t", event_time="t", null_event_time=NullEventTime.FIRST, key=("n",)
    )
    rows = rows_of(options)
    assert [row[1] for row in rows] == ["a3", "b2", "a1", "a2", "b1"]
    assert [row[2] for row in rows] == [1577836800000, 1577836800000, *[1577923200000] * 3]
    skipping = replace(options, null_event_time=NullEventTime.SKIP)
    assert [row[1] for row in rows_of(skipping)] == ["b2", "a1", "a2", "b1"]


def test_json_lines_keep_their_order_without_event_time(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text("".join(f'{{"n": {n}}}\n' for n in range(20_000)))
    rows = rows_of(ImportOptions((str(tmp_path / "a.jsonl"),), "t", form=ValueFormat.RAW))
    assert [int(row[0]) for row in rows] == list(range(20_000))


def test_sorting_spills_to_a_directory_that_goes_away(tmp_path: Path) -> None:
    options = ImportOptions(
        (),
        "t",
        sql="select hash(i) % 1000000 + 1 as t, i, repeat('x', 50) as p from range(600000) r(i)",
        event_time="t",
        event_time_unit=EventTimeUnit.MILLISECONDS,
    )
    with opened(options, Limits(memory_mb=60, threads=1, scratch=str(tmp_path))) as rows:
        rows.measure()
        last, number = 0, 0
        for batch in rows.batches():
            times = batch.column("t").to_pylist()
            assert last <= times[0]
            assert times == sorted(times)
            last, number = times[-1], number + len(times)
    assert number == 600_000
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"event_time": "tme"}, "did you mean time?"),
        ({"key": ("kee",)}, "did you mean key?"),
        ({"event_time": "key"}, "must be a timestamp"),
        ({"event_time": "whole"}, "--event-time-unit s, ms or us"),
        ({"event_time": "time", "event_time_unit": EventTimeUnit.SECONDS}, "is for whole numbers"),
        ({"event_time": "time"}, "1 of 2 rows have none"),
        ({"key": ("key", "whole")}, "--key-format json"),
        ({"form": ValueFormat.RAW}, "name it with --value"),
        ({"value": "key"}, "goes with --format raw"),
        ({"sources": ("x.csv",)}, "not both"),
    ],
)
def test_what_does_not_fit_is_refused(options: dict[str, Any], words: str) -> None:
    sql = "select * from (values (timestamp '2020-01-01', 'a', 1), (null, 'b', 2)) v(time, key, whole)"
    with pytest.raises(KappaError, match=words):
        rows_of(replace(ImportOptions((), "t", sql=sql), **options))


@pytest.mark.parametrize(
    ("sources", "words"),
    [(("none.csv",), "no such file"), ((), "give files"), ((__file__,), "must end with"), (("iceberg:x",), "must be")],
)
def test_a_source_that_cannot_be_read_is_refused(sources: tuple[str, ...], words: str) -> None:
    with pytest.raises(KappaError, match=words):
        rows_of(ImportOptions(sources, "t"))


def test_a_query_that_does_not_parse_is_refused_in_one_line() -> None:
    with pytest.raises(KappaError, match=r"SOURCE: .*syntax error") as failed:
        query("selec 1")
    assert "\n" not in str(failed.value)


@pytest.fixture
def iceberg(tmp_path: Path) -> str:
    from pyiceberg.catalog.sql import SqlCatalog

    uri = f"sqlite:///{tmp_path}/catalog.db"
    catalog = SqlCatalog("import", uri=uri, warehouse=f"file://{tmp_path}")
    catalog.create_namespace("lake")
    found = duckdb.sql("select timestamp '2020-01-01' + to_days((5 - i)::int) as t, i from range(5) r(i)")
    assert found is not None
    rows = found.to_arrow_table()
    table = catalog.create_table("lake.rows", schema=rows.schema)
    table.append(rows)
    catalog.close()
    return f"iceberg:{uri}:lake.rows"


def test_an_iceberg_table_is_read_in_the_order_of_event_time(iceberg: str) -> None:
    rows = rows_of(ImportOptions((iceberg,), "t", event_time="t"))
    assert [json.loads(row[0])["i"] for row in rows] == [4, 3, 2, 1, 0]


STATE = ImportState("id", "digest", {"rows": 1}, "cluster", "t", "topic", 0, (Position(5, 2),))


def test_a_state_comes_back_as_it_was_stored(tmp_path: Path) -> None:
    file = StateFile(tmp_path, "any/id", "t")
    assert file.load() is None
    file.store(STATE)
    assert file.load() == STATE
    file.path.write_text("{")
    with pytest.raises(KappaError, match="not the state of an import"):
        file.load()


def test_one_process_runs_an_import(tmp_path: Path) -> None:
    with StateFile(tmp_path, "id", "t").locked():
        with pytest.raises(KappaError, match="running already"):
            StateFile(tmp_path, "id", "t").locked().__enter__()
    with StateFile(tmp_path, "id", "t").locked():
        pass


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"cluster_id": "other"}, "this is other"),
        ({"topic_id": "other"}, "deleted and made again"),
        ({"digest": "other"}, "other options"),
        ({"fingerprint": {"rows": 2}}, r"source has changed .*\(rows\)"),
        ({"partitions": 2}, "had 1 partitions .* has 2"),
    ],
)
def test_an_import_does_not_go_on_with_something_else(changed: dict[str, Any], words: str) -> None:
    same: dict[str, Any] = {
        "digest": "digest",
        "fingerprint": {"rows": 1},
        "cluster_id": "cluster",
        "topic_id": "topic",
        "partitions": 1,
    }
    STATE.check(**same)
    with pytest.raises(KappaError, match=words + ".*--restart"):
        STATE.check(**(same | changed))


def test_only_an_imports_own_records_count() -> None:
    own, seq = {"key": "odr-view", "value": b"a"}, {"key": "odr-seq", "value": b"7"}
    assert seq_of([own, {"key": "odr-epoch", "value": b"0"}, seq], b"a") == 7
    assert seq_of([{"key": "odr-view", "value": b"b"}, seq], b"a") == -1
    assert seq_of([own], b"a") == seq_of(None, b"a") == -1
