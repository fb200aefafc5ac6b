"""A step is whole or it was not."""

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from odradek.kappa.decoding import connect
from odradek.kappa.views.engine import ViewState
from odradek.kappa.views.engine.errors import StateError
from odradek.kappa.views.plan import Relation, compile_view

CLICKS = Relation(
    "clicks", {"_partition": "INTEGER", "_offset": "BIGINT", "_timestamp": "TIMESTAMP", "page": "VARCHAR"}
)
PLAN = compile_view("v", "SELECT page, count(*) AS n FROM clicks GROUP BY page", {"clicks": CLICKS})


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with connect(str(tmp_path / "v.duckdb")) as found:
        yield found


def clicks(connection: duckdb.DuckDBPyConnection, first: int, minutes: list[int | None]) -> str:
    """Rows of one page, each so many minutes after 1970."""
    table = pa.table(
        {
            "_partition": pa.array([0] * len(minutes), pa.int32()),
            "_offset": pa.array(range(first, first + len(minutes)), pa.int64()),
            "_timestamp": pa.array([None if m is None else m * 60_000 for m in minutes], pa.timestamp("ms")),
            "page": pa.array(["home"] * len(minutes), pa.string()),
        }
    )
    connection.register("rows", table)
    return "rows"


def count(connection: duckdb.DuckDBPyConnection) -> int:
    found = connection.execute("SELECT coalesce(sum(n), 0) FROM result").fetchone()
    assert found is not None
    return int(found[0])


def test_offsets_move_with_the_rows(connection: duckdb.DuckDBPyConnection) -> None:
    state = ViewState(connection, PLAN, "1", 0)
    step = state.add_rows(clicks(connection, 0, [1, 2]), {("clicks", 0): (None, 2)})
    assert (step.rows, step.late, step.changed) == (2, 0, 1)
    assert state.offsets() == {("clicks", 0): 2}
    assert count(connection) == 2


@pytest.mark.parametrize("before", [None, 1, 3])
def test_a_step_that_does_not_begin_where_the_last_ended_changes_nothing(
    connection: duckdb.DuckDBPyConnection, before: int | None
) -> None:
    state = ViewState(connection, PLAN, "1", 0)
    state.add_rows(clicks(connection, 0, [1, 2]), {("clicks", 0): (None, 2)})
    with pytest.raises(StateError, match=r"clicks-0 is at 2, not at"):
        state.add_rows(clicks(connection, 2, [3]), {("clicks", 0): (before, 3)})
    assert (state.offsets(), count(connection)) == ({("clicks", 0): 2}, 2)


def test_a_step_of_which_one_partition_was_moved_by_another_changes_no_partition(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    state = ViewState(connection, PLAN, "1", 0)
    state.add_rows(clicks(connection, 0, [1]), {("clicks", 0): (None, 1), ("clicks", 1): (None, 5)})
    with pytest.raises(StateError, match=r"clicks-1 is at 5, not at 4"):
        state.add_rows(clicks(connection, 1, [2]), {("clicks", 0): (1, 2), ("clicks", 1): (4, 6)})
    assert (state.offsets(), count(connection)) == ({("clicks", 0): 1, ("clicks", 1): 5}, 1)


def test_a_step_that_fails_changes_nothing(connection: duckdb.DuckDBPyConnection) -> None:
    state = ViewState(connection, PLAN, "1", 0)
    with pytest.raises(duckdb.Error):
        state.add_rows("no_such_rows", {("clicks", 0): (None, 3)})
    assert (state.offsets(), count(connection)) == ({}, 0)


def test_late_is_what_comes_too_long_after_the_latest_of_its_partition(connection: duckdb.DuckDBPyConnection) -> None:
    state = ViewState(connection, PLAN, "1", 10 * 60_000)
    assert state.add_rows(clicks(connection, 0, [100, 90, 89, None]), {("clicks", 0): (None, 4)}).late == 2
    assert state.add_rows(clicks(connection, 4, [89, 90]), {("clicks", 0): (4, 6)}).late == 1
    reasons = connection.execute("SELECT offset_, reason FROM late ORDER BY 1").fetchall()
    assert reasons == [(2, "late"), (3, "no event time"), (4, "late")]
    assert count(connection) == 3


def test_a_state_is_there_again_after_it_was_closed(tmp_path: Path) -> None:
    path = str(tmp_path / "v.duckdb")
    with connect(path) as first:
        ViewState(first, PLAN, "1", 0).add_rows(clicks(first, 0, [1]), {("clicks", 0): (None, 1)})
    with connect(path) as second:
        assert ViewState(second, PLAN, "1", 0).offsets() == {("clicks", 0): 1}
        assert count(second) == 1
    with connect(path) as third:
        assert ViewState(third, PLAN, "2", 0).offsets() == {}
        assert count(third) == 0
