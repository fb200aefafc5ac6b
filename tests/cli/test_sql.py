"""`odradek sql`: topics asked as tables, against a real broker."""

import io
import json
from pathlib import Path

import pyarrow as pa
import pytest

from tests.cli.conftest import Cli

pytestmark = pytest.mark.real_broker

FLIGHTS = [
    {"sched_dep": "2013-01-01T05:15:00Z", "carrier": "UA", "flight": 1, "delay": 2},
    {"sched_dep": "2013-01-01T06:15:00Z", "carrier": "AA", "flight": 2, "delay": None},
    {"sched_dep": "2013-01-02T05:15:00Z", "carrier": "UA", "flight": 3, "delay": 3.5},
]
DEFINITION = """
topics:
  sql_flights: {schema: {sched_dep: timestamp, carrier: varchar, flight: int, delay: double}, event_time: sched_dep}
  sql_airlines: {schema: {carrier: varchar, name: varchar}, key: {field: carrier, from: key}, table: true}
  sql_bad: {schema: {flight: int}}
  sql_skipped: {schema: {flight: int}, on_error: skip}
"""


@pytest.fixture(scope="module")
def defined(cli: Cli, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The definition's path; its topics have records."""
    cli.ok("produce", "sql_flights", stdin="\n".join(json.dumps(flight) for flight in FLIGHTS))
    airlines = [
        "UA\t" + '{"name":"United"}',
        "AA\t" + '{"name":"American"}',
        "UA\t" + '{"name":"United Air Lines"}',
        "AA\t",
    ]
    cli.ok("produce", "sql_airlines", "--key-separator", r"\t", "--null", "", stdin="\n".join(airlines))
    for topic in ("sql_bad", "sql_skipped"):
        cli.ok("produce", topic, stdin='{"flight":1}\n{"flight":"two"}\n')
    path = tmp_path_factory.mktemp("sql") / "kappa.yaml"
    path.write_text(DEFINITION)
    return str(path)


def test_a_topic_that_nobody_defined_has_the_columns_of_its_records(cli: Cli, defined: str) -> None:
    answer = cli.ok(
        "sql", "select carrier, count(*) as n, sum(delay) as s from sql_flights group by 1 order by 1", "--json"
    )
    assert answer.json == [{"carrier": "AA", "n": 1, "s": None}, {"carrier": "UA", "n": 2, "s": 5.5}]
    times = cli.ok("sql", "select max(sched_dep) - min(sched_dep) as d from sql_flights", "--format", "csv")
    assert times.out == "d\n1 days\n"


def test_a_table_topic_is_its_newest_rows_and_its_changes(cli: Cli, defined: str) -> None:
    joined = "select f.flight, a.name from sql_flights f left join sql_airlines a using (carrier) order by 1"
    answer = cli.ok("sql", joined, "--definition", defined, "--format", "csv")
    assert answer.out == "flight,name\n1,United Air Lines\n2,\n3,United Air Lines\n"
    changes = "select _op, carrier, name from sql_airlines__changes order by _offset"
    assert cli.ok("sql", changes, "-d", defined, "-F", "csv").out.splitlines()[1:] == [
        "u,UA,United",
        "u,AA,American",
        "u,UA,United Air Lines",
        "d,AA,",
    ]


def test_conditions_on_offsets_leave_the_rest_unread(cli: Cli, defined: str) -> None:
    sql = "select flight from sql_flights where _offset >= 1 and _offset < 2"
    assert cli.ok("sql", sql, "--json").json == [{"flight": 2}]


def test_arrow_goes_to_a_pipe_as_a_stream(cli: Cli, defined: str) -> None:
    process = cli.start("sql", "select flight from sql_flights order by 1", "-F", "arrow", "-d", defined)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, b"")
    assert pa.ipc.open_stream(io.BytesIO(out)).read_all().to_pydict() == {"flight": [1, 2, 3]}


def test_a_bad_record_stops_or_is_told(cli: Cli, defined: str) -> None:
    failed = cli("sql", "from sql_bad", "-d", defined)
    assert failed.code == 1
    assert "sql_bad-0 offset 1: flight is no INTEGER (1 such records; `on_error: skip` leaves them out)" in failed.err
    skipped = cli("sql", "select flight from sql_skipped", "-d", defined, "--json")
    assert (skipped.code, skipped.json) == (0, [{"flight": 1}])
    assert skipped.err == "odradek: 1 record of sql_skipped could not be read and is left out\n"


@pytest.mark.parametrize(
    ("sql", "told"),
    [
        ("select * from sql_fligths", "there is no topic sql_fligths; did you mean sql_flights?"),
        ("drop table sql_flights", "only SELECT can be asked, not DROP"),
        ("select nope from sql_flights", 'Referenced column "nope" not found'),
        ("select 'a'::int from sql_flights", "Could not convert string 'a' to INT32"),
    ],
)
def test_what_cannot_be_answered_is_told_in_one_line(cli: Cli, defined: str, sql: str, told: str) -> None:
    failed = cli("sql", sql)
    assert failed.code == 1
    assert told in failed.err
    assert failed.err.count("\n") == 1


def test_a_mistake_in_the_definition_is_told_with_its_line(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "kappa.yaml").write_text("topics:\n  a: {format: avro}\n")
    failed = cli("sql", "select 1", "-d", str(tmp_path / "kappa.yaml"))
    assert failed.err.endswith("kappa.yaml:2: topics.a.format: must be one of json, csv, raw, not 'avro'\n")


def test_a_table_that_is_cut_says_so(cli: Cli, defined: str) -> None:
    answer = cli("sql", "select * from range(5)", "--limit", "2")
    assert answer.out.splitlines() == ["range", "    0", "    1"]
    assert "only the first 2 rows are shown" in answer.err
