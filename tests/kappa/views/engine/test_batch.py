"""A view's rows are what its SQL says: the same as of a plain query over the rows that are not late."""

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from odradek.kappa.decoding import connect
from odradek.kappa.views.engine import run_batch
from odradek.kappa.views.plan import compile_view, table_name
from tests.kappa.views.engine.test_equality import LATENESS_MS, RELATIONS, VIEWS, Row, same, stream_table

HOUR_OF = "time_bucket(INTERVAL '1 hour', \"at\", TIMESTAMP '1970-01-01')"
HOPS = "(SELECT TIMESTAMP '1969-12-31' + to_minutes(20 * h) AS w FROM range(200) t(h))"
PLAIN = {
    "windowed and joined": f"SELECT {HOUR_OF} AS w, name, count(*), avg(d), sum(m) FROM flights LEFT JOIN airlines "
    "USING (carrier) GROUP BY 1, 2",
    "inner join and a table's condition": "SELECT name, min(n), max(n) FROM flights JOIN airlines USING (carrier) "
    "WHERE name <> 'b' GROUP BY 1",
    "hopping": f"SELECT w, w + INTERVAL '50 minutes', count(n) FROM flights, {HOPS} "
    'WHERE "at" >= w AND "at" < w + INTERVAL \'50 minutes\' GROUP BY 1',
    "without groups": "SELECT count(*), sum(n), count(CASE WHEN n > 2 THEN 1 END) FROM flights",
    "having": "SELECT carrier, count(*) FROM flights GROUP BY 1 HAVING count(*) > 1",
    "expressions": "SELECT upper(carrier) || '!', sum(n) / count(*), 1 + max(d) FROM flights GROUP BY 1",
    "rows": 'SELECT "at", n + 1, name FROM flights LEFT JOIN airlines USING (carrier) WHERE n > 1',
    "distinct, about": "SELECT carrier, count(DISTINCT n) FROM flights GROUP BY 1",
    "a column's name for something else": "SELECT upper(f.carrier), sum(f.n) FROM flights f GROUP BY f.carrier",
    "a group's name for something else": "SELECT f.n % 2, count(*) FROM flights f GROUP BY f.n HAVING sum(f.n) > 1",
    "a condition of both": "SELECT carrier, count(*) FROM flights JOIN airlines USING (carrier) "
    "WHERE length(name) > n GROUP BY 1",
}


events = st.lists(
    st.builds(
        Row,
        st.integers(0, 2),
        st.one_of(st.none(), st.integers(0, 300)),
        st.one_of(st.none(), st.sampled_from(["x", "y", "z", "u"])),
        st.one_of(st.none(), st.integers(-3, 5)),
        st.one_of(st.none(), st.floats(-1e6, 1e6)),
    ),
    max_size=60,
)


def numbered(rows: list[Row]) -> list[tuple[int, Row]]:
    """Each with its offset."""
    following = dict.fromkeys(range(3), 0)
    found = []
    for row in rows:
        found.append((following[row.partition], row))
        following[row.partition] += 1
    return found


def on_time(rows: list[tuple[int, Row]]) -> list[tuple[int, Row]]:
    """By the definition, a row after the other."""
    latest: dict[int, int] = {}
    kept = []
    for offset, row in rows:
        if row.minutes is None:
            continue
        before = latest.get(row.partition, row.minutes)
        if row.minutes * 60_000 >= before * 60_000 - LATENESS_MS:
            kept.append((offset, row))
        latest[row.partition] = max(before, row.minutes)
    return kept


@pytest.mark.parametrize("view", VIEWS)
@given(rows=events)
@settings(max_examples=25, deadline=None)
def test_a_view_has_the_rows_of_a_plain_query(view: str, rows: list[Row]) -> None:
    airlines = pa.table({"carrier": ["x", "y", "z"], "name": ["a", "b", "a"]})
    placed = numbered(rows)
    kept = on_time(placed)
    with connect() as connection:
        connection.register("stream", stream_table(placed))
        connection.register(table_name("airlines"), airlines)
        late = run_batch(connection, compile_view("v", VIEWS[view], RELATIONS), "stream", LATENESS_MS)
        found = connection.execute("FROM v").fetchall()
        connection.register("flights", stream_table(kept))
        connection.register("airlines", airlines)
        expected = connection.execute(PLAIN[view]).fetchall()
    assert late == len(placed) - len(kept)
    assert same(found, expected)
