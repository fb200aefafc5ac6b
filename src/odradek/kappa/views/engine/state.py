"""What a view has made of its inputs so far, with the offsets it reaches to: a DuckDB file that one process owns.

Each step is one transaction: state, result, late rows and offsets move together or not at all. So after a crash the
next step begins where the last whole one ended.
"""

import hashlib
from collections.abc import Mapping
from typing import NamedTuple

import duckdb
import msgspec

from odradek.kappa.quoting import quoted
from odradek.kappa.views.engine import schema
from odradek.kappa.views.engine.errors import StateError
from odradek.kappa.views.engine.lateness import REASON, judged_sql, latest_sql
from odradek.kappa.views.plan import Join, ViewPlan, table_name

Place = tuple[str, int]
"""Topic and partition."""
Moves = Mapping[Place, tuple[int | None, int]]
"""From which next offset (None: it was never read) to which."""


class Step(NamedTuple):
    """What one step did: rows of the stream that counted, that were late, and groups of the result that changed."""

    rows: int
    late: int
    changed: int


def version_of(plan: ViewPlan, logs: Mapping[str, str]) -> str:
    """Of everything that makes a state worthless when it changes: the plan, the logs it reads, DuckDB itself."""
    content = msgspec.json.encode((plan.partial_sql, plan.joined_sql, plan.final_sql, dict(logs), duckdb.__version__))
    return hashlib.sha256(content).hexdigest()


class ViewState:
    """`version` as `version_of`; a state of another version is thrown away, because it can be made again."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, plan: ViewPlan, version: str, lateness_ms: int) -> None:
        self._connection = connection
        self._plan, self._lateness_ms = plan, lateness_ms
        schema.require(connection, plan, version)

    def offsets(self) -> dict[Place, int]:
        """The next offset of each partition that was read before."""
        rows = self._connection.execute("SELECT topic, partition, next FROM offsets").fetchall()
        return {(topic, partition): following for topic, partition, following in rows}

    def add_rows(self, rows: str, moves: Moves) -> Step:
        """Decoded rows of the stream, without those that cannot be read. Raises StateError, changing nothing."""
        with schema.transaction(self._connection):
            self._move(moves)
            return self._add_rows(rows)

    def add_changes(self, relation: str, rows: str, moves: Moves) -> Step:
        """Decoded rows of a table, deletes among them. Raises StateError, changing nothing."""
        with schema.transaction(self._connection):
            self._move(moves)
            return self._add_changes(relation, rows)

    def _move(self, moves: Moves) -> None:
        known = self.offsets()
        for (topic, partition), (before, after) in moves.items():
            if (at := known.get((topic, partition))) != before:
                raise StateError(f"{topic}-{partition} is at {at}, not at {before}: another process moved it")
            place = [topic, partition]
            self._connection.execute("DELETE FROM offsets WHERE topic = ? AND partition = ?", place)
            self._connection.execute("INSERT INTO offsets VALUES (?, ?, ?)", [*place, after])

    def _add_rows(self, rows: str) -> Step:
        plan, run = self._plan, self._connection.execute
        judged = judged_sql(rows, plan.stream.event_time, self._lateness_ms, "seen")
        run(f"CREATE OR REPLACE TEMP TABLE judged AS {judged}")
        run(f"CREATE OR REPLACE TEMP TABLE now_seen AS {latest_sql('judged', plan.stream.event_time, 'seen')}")
        run("DELETE FROM seen")
        run("INSERT INTO seen FROM now_seen")
        time = quoted(plan.stream.event_time)
        run(f"INSERT INTO late SELECT _partition, _offset, {time}, {REASON} FROM judged WHERE {REASON} IS NOT NULL")
        on_time = f"(SELECT * FROM judged WHERE {REASON} IS NULL)"
        run(f"CREATE OR REPLACE TEMP TABLE delta AS {plan.partial_sql.format(stream=on_time)}")
        run(f"CREATE OR REPLACE TEMP TABLE affected AS {self._groups('delta')}")
        self._merge()
        counted = run(f"SELECT count(*) FILTER (WHERE {REASON} IS NULL), count({REASON}) FROM judged").fetchone()
        assert counted is not None
        return Step(counted[0], counted[1], self._refresh())

    def _merge(self) -> None:
        """The delta's keys get what both hold of them."""
        plan, run = self._plan, self._connection.execute
        same = _same("state", "delta", plan.keys)
        old = f"SELECT state.* FROM state WHERE EXISTS (SELECT 1 FROM delta WHERE {same})"
        both = f"({old} UNION ALL SELECT * FROM delta)"
        run(f"CREATE OR REPLACE TEMP TABLE merged AS {plan.combine_sql.format(state=both)}")
        run(f"DELETE FROM state WHERE EXISTS (SELECT 1 FROM delta WHERE {same})")
        run("INSERT INTO state FROM merged")

    def _add_changes(self, relation: str, rows: str) -> Step:
        """Groups that the changed keys had before and have now are affected: their names may be the table's."""
        plan, run = self._plan, self._connection.execute
        table = quoted(table_name(relation))
        newest = f"SELECT * FROM {rows} QUALIFY row_number() OVER (PARTITION BY _key ORDER BY _offset DESC) = 1"
        run(f"CREATE OR REPLACE TEMP TABLE changes AS {newest}")
        joins = [join for join in plan.joins if join.relation == relation]
        key = quoted(joins[0].column)
        old = f"SELECT {key} AS key FROM {table} WHERE _key IN (SELECT _key FROM changes)"
        run(f"CREATE OR REPLACE TEMP TABLE touched AS {old} UNION ALL SELECT {key} FROM changes")
        touched = f"(SELECT state.* FROM state WHERE {' OR '.join(_touched(join) for join in joins)})"
        run(f"CREATE OR REPLACE TEMP TABLE affected AS {self._groups(touched)}")
        run(f"DELETE FROM {table} WHERE _key IN (SELECT _key FROM changes)")
        (columns,) = (each.columns for each in plan.tables if each.name == relation)
        run(f"INSERT INTO {table} SELECT _key, {', '.join(map(quoted, columns))} FROM changes WHERE _op = 'u'")
        run(f"INSERT INTO affected {self._groups(touched)}")
        return Step(0, 0, self._refresh())

    def _groups(self, state: str) -> str:
        if not self._plan.groups:
            return "SELECT 1 AS one"
        columns = ", ".join(self._plan.groups)
        return f"SELECT DISTINCT {columns} FROM ({self._plan.joined_sql.format(state=state)}) AS joined"

    def _refresh(self) -> int:
        """Make the result's affected groups again; how many of them are other than before."""
        plan, run = self._plan, self._connection.execute
        same = _same("joined", "affected", plan.groups)
        joined = f"({plan.joined_sql.format(state='state')})"
        chosen = f"(SELECT joined.* FROM {joined} AS joined WHERE EXISTS (SELECT 1 FROM affected WHERE {same}))"
        run(f"CREATE OR REPLACE TEMP TABLE fresh AS {plan.final_sql.format(joined=chosen)}")
        of_result = f"EXISTS (SELECT 1 FROM affected WHERE {_same('result', 'affected', plan.groups)})"
        before = f"SELECT * FROM result WHERE {of_result}"
        columns = ", ".join(plan.groups) or "1"
        differing = f"((FROM fresh) EXCEPT ALL ({before})) UNION ALL (({before}) EXCEPT ALL (FROM fresh))"
        changed = run(f"SELECT count(DISTINCT ({columns})) FROM ({differing})").fetchone()
        run(f"DELETE FROM result WHERE {of_result}")
        run("INSERT INTO result FROM fresh")
        return int(changed[0]) if changed else 0


def _same(one: str, other: str, columns: tuple[str, ...]) -> str:
    return " AND ".join(f"{one}.{each} IS NOT DISTINCT FROM {other}.{each}" for each in columns) or "true"


def _touched(join: Join) -> str:
    return f"state.{join.key} IN (SELECT key FROM touched)"
