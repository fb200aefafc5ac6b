"""Live equals batch: whatever the data, its order, its late records, and where one step ends and the next begins."""

import math
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from odradek.kappa.decoding import connect
from odradek.kappa.views.engine import ViewState, run_batch
from odradek.kappa.views.plan import Relation, ViewPlan, compile_view, table_name

POSITION = {"_partition": "INTEGER", "_offset": "BIGINT", "_timestamp": "TIMESTAMP"}
RELATIONS = {
    "flights": Relation(
        "flights",
        {**POSITION, "at": "TIMESTAMP", "carrier": "VARCHAR", "n": "INTEGER", "d": "DOUBLE", "m": "DECIMAL(10,2)"},
        "at",
    ),
    "airlines": Relation("airlines", {"carrier": "VARCHAR", "name": "VARCHAR"}, is_table=True, key="carrier"),
}
VIEWS = {
    "windowed and joined": "SELECT TUMBLE(f.at, INTERVAL '1 hour') AS w, a.name, count(*) AS n, avg(f.d) AS mean, "
    "sum(m) AS money FROM flights f LEFT JOIN airlines a ON f.carrier = a.carrier GROUP BY ALL",
    "inner join and a table's condition": "SELECT name, min(n) AS low, max(n) AS high FROM flights JOIN airlines "
    "USING (carrier) WHERE name <> 'b' GROUP BY name",
    "hopping": "SELECT HOP(at, INTERVAL '20 minutes', INTERVAL '50 minutes') AS w, window_end(w) AS e, "
    "count(n) AS n FROM flights GROUP BY w",
    "without groups": "SELECT count(*) AS all_rows, sum(n) AS total, "
    "count(*) FILTER (WHERE n > 2) AS large FROM flights",
    "having": "SELECT carrier, count(*) AS n FROM flights GROUP BY carrier HAVING count(*) > 1",
    "expressions": "SELECT upper(carrier) || '!' AS c, sum(n) / count(*) AS r, 1 + max(d) AS x FROM flights GROUP BY 1",
    "rows": "SELECT at, n + 1 AS next, name FROM flights LEFT JOIN airlines USING (carrier) WHERE n > 1",
    "distinct, about": "SELECT carrier, approx_count_distinct(n) AS about FROM flights GROUP BY carrier",
    "a column's name for something else": "SELECT upper(carrier) AS carrier, sum(n) AS n FROM flights GROUP BY carrier",
    "a group's name for something else": "SELECT n % 2 AS n, count(*) AS c FROM flights GROUP BY n HAVING sum(n) > 1",
    "a condition of both": "SELECT carrier, count(*) AS n FROM flights f JOIN airlines a USING (carrier) "
    "WHERE length(a.name) > f.n GROUP BY carrier",
}
LATENESS_MS = 30 * 60_000
START = datetime(1969, 12, 31, 22)


class Row(NamedTuple):
    """Of the stream; its offset is its place among those of its partition."""

    partition: int
    minutes: int | None
    carrier: str | None
    n: int | None
    d: float | None


class Change(NamedTuple):
    """Of the table; a name of None deletes."""

    carrier: str
    name: str | None


carriers = st.sampled_from(["x", "y", "z"])
events = st.one_of(
    st.builds(
        Row,
        st.integers(0, 2),
        st.one_of(st.none(), st.integers(0, 300)),
        st.one_of(st.none(), carriers),
        st.one_of(st.none(), st.integers(-3, 5)),
        st.one_of(st.none(), st.floats(-1e6, 1e6)),
    ),
    st.builds(Change, carriers, st.one_of(st.none(), st.sampled_from(["a", "b", "c"]))),
)
steps = st.lists(st.lists(events, max_size=12), max_size=6)


def stream_table(rows: Iterable[tuple[int, Row]]) -> pa.Table:
    """Of offsets and rows."""
    columns: dict[str, list[Any]] = {name: [] for name in RELATIONS["flights"].columns}
    for offset, row in rows:
        at = None if row.minutes is None else START + timedelta(minutes=row.minutes)
        values = (
            row.partition,
            offset,
            START,
            at,
            row.carrier,
            row.n,
            row.d,
            None if row.n is None else Decimal(row.n),
        )
        for column, value in zip(columns.values(), values, strict=True):
            column.append(value)
    kinds = [
        pa.int32(), pa.int64(), pa.timestamp("us"), pa.timestamp("us"), pa.string(), pa.int32(), pa.float64(),
        pa.decimal128(10, 2),
    ]  # fmt: skip
    return pa.table(
        [pa.array(values, kind) for values, kind in zip(columns.values(), kinds, strict=True)], names=list(columns)
    )


def change_table(changes: Sequence[tuple[int, Change]]) -> pa.Table:
    return pa.table(
        {
            "_key": pa.array([change.carrier.encode() for _, change in changes], pa.binary()),
            "_offset": pa.array([offset for offset, _ in changes], pa.int64()),
            "_op": pa.array(["d" if change.name is None else "u" for _, change in changes], pa.string()),
            "carrier": pa.array([change.carrier for _, change in changes], pa.string()),
            "name": pa.array([change.name for _, change in changes], pa.string()),
        }
    )


class Live:
    """A view that gets its input in steps."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, plan: ViewPlan) -> None:
        self.connection = connection
        self.state = ViewState(connection, plan, "version", LATENESS_MS)
        self.plan = plan
        self.rows: list[tuple[int, Row]] = []
        self.changes: list[tuple[int, Change]] = []
        self.at: dict[tuple[str, int], int] = {}

    def step(self, batch: list[Row | Change]) -> None:
        """Rows and changes are two steps, as they are of two topics."""
        rows = self._numbered([each for each in batch if isinstance(each, Row)])
        if rows:
            self.connection.register("rows", stream_table(rows))
            self.state.add_rows("rows", self._moves({("flights", row.partition): offset + 1 for offset, row in rows}))
            self.rows += rows
        changes = [
            (len(self.changes) + place, each) for place, each in enumerate(c for c in batch if isinstance(c, Change))
        ]
        if changes and self.plan.tables:
            self.connection.register("changed", change_table(changes))
            self.state.add_changes("airlines", "changed", self._moves({("airlines", 0): changes[-1][0] + 1}))
        self.changes += changes

    def _numbered(self, rows: list[Row]) -> list[tuple[int, Row]]:
        following = {part: self.at.get(("flights", part), 0) for part in range(3)}
        numbered = []
        for row in rows:
            numbered.append((following[row.partition], row))
            following[row.partition] += 1
        return numbered

    def _moves(self, to: dict[tuple[str, int], int]) -> dict[tuple[str, int], tuple[int | None, int]]:
        moves = {place: (self.at.get(place), after) for place, after in to.items()}
        self.at.update(to)
        return moves

    def result(self) -> list[tuple[Any, ...]]:
        columns = ", ".join(f'"{column}"' for column in self.plan.output)
        return self.connection.execute(f"SELECT {columns} FROM result").fetchall()


def batch_of(live: Live) -> list[tuple[Any, ...]]:
    """The same input at once, in any order."""
    newest = {change.carrier: change for _, change in live.changes}
    current = [(0, change) for change in newest.values() if change.name is not None]
    with connect() as connection:
        connection.register("stream", stream_table(live.rows[::-1]))
        connection.register(table_name("airlines"), change_table(current))
        run_batch(connection, live.plan, "stream", LATENESS_MS)
        return connection.execute(f'FROM "{live.plan.name}"').fetchall()


def same(one: list[tuple[Any, ...]], other: list[tuple[Any, ...]]) -> bool:
    """As bags of rows; sums of DOUBLE may differ by 1e-9 of their size."""
    return len(one) == len(other) and all(map(_near, _sorted(one), _sorted(other)))


def _sorted(rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    return sorted(rows, key=lambda row: [f"{value:.3f}" if isinstance(value, float) else str(value) for value in row])


def _near(left: tuple[Any, ...], right: tuple[Any, ...]) -> bool:
    pairs = zip(left, right, strict=True)
    return all(
        math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-6) if isinstance(a, float) and isinstance(b, float) else a == b
        for a, b in pairs
    )


@pytest.mark.parametrize("view", VIEWS)
@given(batches=steps)
@settings(max_examples=25, deadline=None)
def test_live_equals_batch(view: str, batches: list[list[Row | Change]]) -> None:
    plan = compile_view("v", VIEWS[view], RELATIONS)
    with connect() as connection:
        live = Live(connection, plan)
        for batch in batches:
            live.step(batch)
        assert same(live.result(), batch_of(live))
