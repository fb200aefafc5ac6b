"""A view's rows are what its SQL says: the same as of a plain query over the rows that are not late."""

from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest

from odradek.kappa.decoding import connect
from odradek.kappa.views.engine import run_batch
from odradek.kappa.views.plan import compile_view
from tests.kappa.views.engine.test_equality import LATENESS_MS, RELATIONS, VIEWS, same

HOUR_OF = "time_bucket(INTERVAL '1 hour', \"at\", TIMESTAMP '1970-01-01')"
HOPS = "(SELECT TIMESTAMP '1969-12-31' + to_minutes(20 * h) AS w FROM range(200) t(h))"
PLAIN = {
    "windowed and joined": f"SELECT {HOUR_OF} AS w, name, count(*), avg(d), sum(m) FROM flights LEFT JOIN airlines "
    "USING (carrier) GROUP BY 1, 2",
    "inner join and a table's condition": "SELECT name, min(n), max(n) FROM flights JOIN airlines USING (carrier) "
    "WHERE name <> 'b' GROUP BY 1",
    "hopping": f"SELECT w, w + INTERVAL '50 minutes', count(n) FROM flights, {HOPS} "
    'WHERE "at" >= w AND "at" < w + INTERVAL \'50 minutes\' GROUP BY 1',
    "without groups": "SELECT count(*), sum(n), sum((n > 2)::INTEGER) FROM flights",
    "having": "SELECT carrier, count(*) FROM flights GROUP BY 1 HAVING count(*) > 1",
    "expressions": "SELECT upper(carrier) || '!', sum(n) / count(*), 1 + max(d) FROM flights GROUP BY 1",
    "rows": 'SELECT "at", n + 1, name FROM flights LEFT JOIN airlines USING (carrier) WHERE n > 1',
    "distinct, about": "SELECT carrier, count(DISTINCT n) FROM flights GROUP BY 1",
    "a condition of both": "SELECT carrier, count(*) FROM flights JOIN airlines USING (carrier) "
    "WHERE length(name) > n GROUP BY 1",
}


def flights() -> pa.Table:
    """Rows of two partitions: every seventh without a number, every eleventh late, every 13th without a carrier."""
    rows: dict[str, list[Any]] = {name: [] for name in RELATIONS["flights"].columns}
    for number in range(400):
        minutes = number - (90 if number % 11 == 10 else 0)
        at = None if number % 29 == 28 else datetime(1969, 12, 31, 22) + timedelta(minutes=minutes)
        n = None if number % 7 == 6 else number % 5
        carrier = None if number % 13 == 12 else "xyzu"[number % 4]
        values = (number % 2, number // 2, datetime(1970, 1, 1), at, carrier, n, number / 8, None if n is None else n)
        for column, value in zip(rows.values(), values, strict=True):
            column.append(value)
    kinds = [
        pa.int32(),
        pa.int64(),
        pa.timestamp("us"),
        pa.timestamp("us"),
        pa.string(),
        pa.int32(),
        pa.float64(),
        pa.int32(),
    ]
    arrays = [pa.array(values, kind) for values, kind in zip(rows.values(), kinds, strict=True)]
    return pa.table([*arrays[:-1], arrays[-1].cast(pa.decimal128(12, 2))], names=list(rows))


def on_time() -> pa.Table:
    """By the definition, a row after the other."""
    latest: dict[int, datetime] = {}
    kept = []
    for row in sorted(flights().to_pylist(), key=lambda row: (row["_partition"], row["_offset"])):
        part, at = row["_partition"], row["at"]
        is_late = at is None or (part in latest and at < latest[part] - timedelta(milliseconds=LATENESS_MS))
        if not is_late:
            kept.append(row)
        if at is not None:
            latest[part] = max(latest.get(part, at), at)
    return pa.Table.from_pylist(kept, flights().schema)


@pytest.mark.parametrize("view", VIEWS)
def test_a_view_has_the_rows_of_a_plain_query(view: str) -> None:
    airlines = pa.table({"carrier": ["x", "y", "z"], "name": ["a", "b", "a"]})
    with connect() as connection:
        connection.register("stream", flights())
        connection.register("airlines", airlines)
        late = run_batch(connection, compile_view("v", VIEWS[view], RELATIONS), "stream", LATENESS_MS)
        found = connection.execute("FROM v").fetchall()
    with connect() as connection:
        connection.register("flights", on_time())
        connection.register("airlines", airlines)
        expected = connection.execute(PLAIN[view]).fetchall()
    assert late == flights().num_rows - on_time().num_rows > 0
    assert len(expected) > 0
    assert same(found, expected)
