"""The tables of a view's state file, and its transactions."""

from collections.abc import Iterator
from contextlib import contextmanager

import duckdb

from odradek.kappa.quoting import quoted
from odradek.kappa.views.plan import Relation, ViewPlan, table_name

_OWN = (
    "CREATE TABLE meta (version VARCHAR)",
    "CREATE TABLE offsets (topic VARCHAR, partition INTEGER, next BIGINT)",
    "CREATE TABLE seen (partition INTEGER, latest TIMESTAMP)",
    "CREATE TABLE late (partition INTEGER, offset_ BIGINT, event_time TIMESTAMP, reason VARCHAR)",
)


def require(connection: duckdb.DuckDBPyConnection, plan: ViewPlan, version: str) -> None:
    """The tables as the version wants them: empty ones where there are none, or another version's."""
    if _version(connection) == version:
        return
    with transaction(connection):
        for (table,) in connection.execute("SELECT table_name FROM duckdb_tables() WHERE NOT temporary").fetchall():
            connection.execute(f"DROP TABLE {quoted(table)}")
        for statement in _OWN:
            connection.execute(statement)
        _create(connection, plan)
        connection.execute("INSERT INTO meta VALUES (?)", [version])


def _version(connection: duckdb.DuckDBPyConnection) -> str | None:
    try:
        found = connection.execute("SELECT version FROM meta").fetchone()
    except duckdb.CatalogException:
        return None
    return None if found is None else str(found[0])


@contextmanager
def transaction(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Committed at the end, taken back by any error."""
    connection.execute("BEGIN")
    try:
        yield
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def _create(connection: duckdb.DuckDBPyConnection, plan: ViewPlan) -> None:
    """State and result have the types that the plan's statements give."""
    for table in plan.tables:
        connection.execute(f"CREATE TABLE {quoted(table_name(table.name))} (_key BLOB, {_columns(table)})")
    connection.execute(f"CREATE TABLE empty_stream ({_columns(plan.stream)})")
    connection.execute(f"CREATE TABLE state AS {plan.partial_sql.format(stream='empty_stream')} LIMIT 0")
    joined = f"({plan.joined_sql.format(state='state')})"
    connection.execute(
        f"CREATE TABLE result AS {plan.final_sql.format(joined=joined)}"
    )  # Without groups a row of nothing.
    connection.execute("DROP TABLE empty_stream")


def _columns(relation: Relation) -> str:
    return ", ".join(f"{quoted(column)} {kind}" for column, kind in relation.columns.items())
