"""Rows of a view over HTTP."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest
from starlette.testclient import TestClient

from odradek.kappa.decoding import connect
from odradek.kappa.serving import application
from odradek.kappa.serving.lookup import ROWS_MAX
from odradek.kappa.views.engine import ViewState
from odradek.kappa.views.plan import Relation, compile_view

FLIGHTS = Relation(
    "flights",
    {"_partition": "INTEGER", "_offset": "BIGINT", "_timestamp": "TIMESTAMP", "carrier": "VARCHAR", "n": "INTEGER"},
)
SQL = "SELECT carrier, TUMBLE(_timestamp, INTERVAL '1 hour') AS w, sum(n) AS total FROM flights GROUP BY ALL"


class Running:
    """A view with a state, and no log behind it."""

    def __init__(self, path: Path) -> None:
        self.plan = compile_view("totals", SQL, {"flights": FLIGHTS})
        self.connection = connect(str(path))
        self.state = ViewState(self.connection, self.plan, "version", 0)

    def add(self, first: int, *rows: tuple[str | None, int]) -> None:
        table = pa.table(
            {
                "_partition": pa.array([0] * len(rows), pa.int32()),
                "_offset": pa.array(range(first, first + len(rows)), pa.int64()),
                "_timestamp": pa.array([3_600_000] * len(rows), pa.timestamp("ms")),
                "carrier": pa.array([carrier for carrier, _ in rows], pa.string()),
                "n": pa.array([number for _, number in rows], pa.int32()),
            }
        )
        self.connection.register("rows", table)
        self.state.add_rows("rows", {("flights", 0): (first or None, first + len(rows))})


class Served:
    """As `Views`, of one."""

    def __init__(self, view: Any) -> None:
        self.running = {"totals": view}


@pytest.fixture
def view(tmp_path: Path) -> Iterator[Running]:
    found = Running(tmp_path / "totals.duckdb")
    found.add(0, ("UA", 1), ("UA", 2), ("AA", 5), (None, 7))
    yield found
    found.connection.close()


@pytest.fixture
def client(view: Running) -> Iterator[TestClient]:
    with TestClient(application(Served(view))) as found:  # type: ignore[arg-type]
        yield found


def totals(answer: Any) -> list[Any]:
    assert answer.status_code == 200, answer.text
    return [(row["carrier"], row["total"]) for row in answer.json()["rows"]]


def test_views_are_listed_with_their_columns(client: TestClient) -> None:
    columns = {"carrier": "VARCHAR", "w": "TIMESTAMP", "total": "HUGEINT"}
    assert client.get("/views").json() == [{"name": "totals", "columns": columns}]


def test_rows_are_found_by_their_columns(client: TestClient) -> None:
    assert totals(client.get("/views/totals?carrier=UA")) == [("UA", 3)]
    assert totals(client.get("/views/totals?carrier=")) == [(None, 7)]
    assert totals(client.get("/views/totals?total.ge=5&total.lt=7")) == [("AA", 5)]
    assert totals(client.get("/views/totals?w=1970-01-01T01:00:00&carrier=AA")) == [("AA", 5)]
    assert totals(client.get("/views/totals?carrier=ZZ")) == []


def test_an_answer_says_which_offsets_it_reflects_and_whether_there_is_more(client: TestClient) -> None:
    answer = client.get("/views/totals?limit=2").json()
    assert answer["offsets"] == {"flights": {"0": 4}}
    assert (len(answer["rows"]), answer["has_more"]) == (2, True)
    assert not client.get("/views/totals?limit=3").json()["has_more"]


class Interrupted:
    """A connection whose readers are overtaken: a step is made between the first two things that they ask."""

    def __init__(self, view: Running) -> None:
        self._view, self._asked = view, 0
        self._cursor = view.connection.cursor()

    def cursor(self) -> "Interrupted":
        return self

    def __enter__(self) -> "Interrupted":
        return self

    def __exit__(self, *_: object) -> None:
        self._cursor.close()

    def execute(self, sql: str, values: object = None) -> Any:
        if sql.startswith("SELECT"):
            self._asked += 1
            if self._asked == 2:
                self._view.add(4, ("UA", 10))
        return self._cursor.execute(sql, values)


def test_rows_and_offsets_of_an_answer_are_of_one_moment(view: Running) -> None:
    overtaken = SimpleNamespace(plan=view.plan, connection=Interrupted(view))
    with TestClient(application(Served(overtaken))) as client:  # type: ignore[arg-type]
        answer = client.get("/views/totals?carrier=UA")
    assert (answer.json()["offsets"], totals(answer)) == ({"flights": {"0": 4}}, [("UA", 3)])


def test_a_caller_can_wait_for_an_offset(client: TestClient, view: Running) -> None:
    late = client.get("/views/totals?wait=flights:0:4&timeout=0.05")
    assert (late.status_code, late.json()["error"]) == (504, "totals did not reach flights:0:4 in time")
    view.add(4, ("UA", 10))
    assert totals(client.get("/views/totals?carrier=UA&wait=flights:0:4")) == [("UA", 13)]


@pytest.mark.parametrize(
    ("query", "error"),
    [
        ("carier=UA", "totals has the columns carrier, w, total; after one may be .ge, .gt, .le or .lt"),
        ("carrier.like=U", "after one may be .ge"),
        ("total=many", "Could not convert string"),
        ("limit=0", f"must be a number from 1 to {ROWS_MAX:,}"),
        ("limit=x", "must be a number"),
        ("wait=flights", "must be TOPIC:PARTITION:OFFSET"),
        ("timeout=-1", "must be seconds from 0 to 60"),
        ("timeout=nan", "must be seconds from 0 to 60"),
    ],
)
def test_a_request_that_makes_no_sense_says_why(client: TestClient, query: str, error: str) -> None:
    answer = client.get(f"/views/totals?{query}")
    assert answer.status_code == 400
    assert error in answer.json()["error"]


@pytest.mark.parametrize("value", ["' OR 1=1 --", 'x"; DROP TABLE result; --', "%27", "\x00"])
def test_a_value_is_never_a_part_of_the_statement(client: TestClient, value: str) -> None:
    assert totals(client.get("/views/totals", params={"carrier": value})) == []
    assert client.get("/views/totals", params={value: "x"}).status_code == 400
    assert len(totals(client.get("/views/totals"))) == 3


def test_a_view_that_is_not_there_is_not_found(client: TestClient) -> None:
    answer = client.get("/views/nope")
    assert (answer.status_code, answer.json()["error"]) == (404, "there is no view nope; known are totals")


def test_with_a_token_nothing_is_told_without_it(view: Running) -> None:
    with TestClient(application(Served(view), "secret")) as client:  # type: ignore[arg-type]
        for path in ("/views", "/views/totals"):
            assert client.get(path).status_code == 401
            assert client.get(path, headers={"Authorization": "Bearer wrong"}).status_code == 401
            assert client.get(path, headers={"Authorization": "Bearer secret"}).status_code == 200
