"""Topics into DuckDB, as far as a statement needs them, and its answer."""

import duckdb
import pyarrow as pa

from odradek.kappa.querying.reading import Query, Reading, Report
from odradek.kappa.querying.statement import CHANGES, Statement, StatementError
from odradek.kappa.views.engine import run_batch
from odradek.kappa.views.plan import table_name
from odradek.kappa.views.relations import compile_defined, lateness_ms

ROWS_PER_BATCH = 20_000
"""Of an answer."""


def ask(query: Query, statement: Statement) -> tuple[pa.RecordBatchReader, Report]:
    """The answer, in batches that are made while they are read. Raises KappaError."""
    reading = Reading(query, statement.has_headers)
    plans = {
        name: compile_defined(query.definition, name) for name in statement.topics if name in query.definition.views
    }
    for relation, bounds in statement.topics.items():
        if relation not in plans:
            topic_name = _topic(relation, query)
            reading.read(relation, topic_name, bounds).show(as_changes=relation != topic_name)
    for table in sorted({table.name for plan in plans.values() for table in plan.tables}):
        reading.read(table_name(table), table, ()).show()
    for plan in plans.values():
        rows = reading.read(f"{plan.name} stream", plan.stream.name, ())
        late = run_batch(query.connection, plan, rows.stored, lateness_ms(rows.topic))
        if late:
            reading.report.late[plan.name] = late
    try:
        return query.connection.sql(statement.sql).to_arrow_reader(ROWS_PER_BATCH), reading.report
    except duckdb.Error as error:
        raise StatementError(_told(error)) from error


def _topic(relation: str, query: Query) -> str:
    """`flights__changes` is the topic flights, where that is a table."""
    base = relation.removesuffix(CHANGES)
    found = query.definition.topics.get(base)
    return base if base != relation and found is not None and found.table else relation


def _told(error: duckdb.Error) -> str:
    """DuckDB's first line and, where it has one, its suggestion."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    kept = [line for line in lines if not line.startswith(("LINE ", "^"))]
    return " ".join(kept).removeprefix("Error: ")
