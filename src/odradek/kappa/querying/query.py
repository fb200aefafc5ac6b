"""Topics into DuckDB, as far as a statement needs them, and its answer."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import duckdb
import pyarrow as pa

from odradek.kappa.client import LogReader, Range, Topics
from odradek.kappa.decoding import ERROR, OPERATION, columns_of, decoded
from odradek.kappa.decoding.session import name
from odradek.kappa.definition.model import Definition, Topic
from odradek.kappa.errors import KappaError
from odradek.kappa.querying.inference import inferred
from odradek.kappa.querying.ranges import needed
from odradek.kappa.querying.statement import CHANGES, Bound, Statement, StatementError

ROWS_PER_BATCH = 20_000
"""Of an answer."""


@dataclass(slots=True)
class Report:
    """What was read for the answer. `skipped`: records left out of each topic because they cannot be read."""

    records: int = 0
    skipped: dict[str, int] = field(default_factory=dict)
    offsets: dict[str, dict[int, Range]] = field(default_factory=dict)


@dataclass(slots=True)
class Query:
    """`settings` are librdkafka's; `on_read` hears how many records more were read, of how many offsets in all."""

    connection: duckdb.DuckDBPyConnection
    settings: Mapping[str, Any]
    definition: Definition
    on_read: Callable[[int, int], None] = lambda records, expected: None


def ask(query: Query, statement: Statement) -> tuple[pa.RecordBatchReader, Report]:
    """The answer, in batches that are made while they are read. Raises KappaError."""
    report = Report()
    topics = Topics(query.settings)
    ranges = {
        relation: needed(topics, _topic(relation, query), bounds) for relation, bounds in statement.topics.items()
    }
    expected = sum(each.end - each.start for parts in ranges.values() for each in parts.values())
    for relation, parts in ranges.items():
        _load(query, statement, relation, parts, report, expected)
    try:
        return query.connection.sql(statement.sql).to_arrow_reader(ROWS_PER_BATCH), report
    except duckdb.Error as error:
        raise StatementError(_told(error)) from error


def _topic(relation: str, query: Query) -> str:
    """`flights__changes` is the topic flights, where that is a table."""
    base = relation.removesuffix(CHANGES)
    found = query.definition.topics.get(base)
    return base if base != relation and found is not None and found.table else relation


def _load(
    query: Query, statement: Statement, relation: str, ranges: dict[int, Range], report: Report, expected: int
) -> None:
    topic_name = _topic(relation, query)
    topic = query.definition.topics.get(topic_name)
    records = name(f"{relation} records")
    query.connection.execute(f"CREATE TEMP TABLE {records} ({_RECORD_COLUMNS})")
    stored = name(f"{relation} rows")
    with LogReader(query.settings) as reader:
        for batch in reader.read(topic_name, ranges, headers=statement.has_headers):
            _insert(query.connection, batch, records)
            if topic is not None:
                _decode(query.connection, topic, records, stored)
            report.records += batch.num_rows
            query.on_read(batch.num_rows, expected)
    if topic is None:
        topic = inferred(query.connection, records)
    _decode(query.connection, topic, records, stored)
    report.offsets[topic_name] = ranges
    _settle_errors(query.connection, topic_name, topic, stored, report)
    _show(query.connection, relation, topic_name, topic, stored)


_RECORD_COLUMNS = (
    "_partition INTEGER, _offset BIGINT, _timestamp TIMESTAMP, _key BLOB, _value BLOB, "
    "_headers STRUCT(key VARCHAR, value BLOB)[]"
)


def _insert(connection: duckdb.DuckDBPyConnection, batch: pa.RecordBatch, records: str) -> None:
    connection.register("odradek batch", pa.Table.from_batches([batch]))
    connection.execute(f'INSERT INTO {records} SELECT * FROM "odradek batch"')
    connection.unregister("odradek batch")


def _decode(connection: duckdb.DuckDBPyConnection, topic: Topic, records: str, stored: str) -> None:
    """What was read moves on to the rows."""
    rows = decoded(topic, records)
    connection.execute(f"CREATE TEMP TABLE IF NOT EXISTS {stored} AS FROM ({rows}) LIMIT 0")
    connection.execute(f"INSERT INTO {stored} {rows}")
    connection.execute(f"DELETE FROM {records}")


def _settle_errors(
    connection: duckdb.DuckDBPyConnection, topic_name: str, topic: Topic, stored: str, report: Report
) -> None:
    wrong = f"FROM {stored} WHERE {ERROR} IS NOT NULL"
    found = connection.execute(f"SELECT count(*) {wrong}").fetchone()
    if not found or not found[0]:
        return
    if topic.on_error == "skip":
        report.skipped[topic_name] = found[0]
        connection.execute(f"DELETE {wrong}")
        return
    first = connection.execute(f"SELECT _partition, _offset, {ERROR} {wrong} ORDER BY ALL LIMIT 1").fetchone()
    assert first is not None
    raise KappaError(
        f"{topic_name}-{first[0]} offset {first[1]}: {first[2]} ({found[0]:,} such records; "
        f"`on_error: skip` leaves them out)"
    )


def _show(connection: duckdb.DuckDBPyConnection, relation: str, topic_name: str, topic: Topic, stored: str) -> None:
    """The relation that the statement names."""
    own = [name(column) for column in columns_of(topic)]
    if not topic.table:
        columns = ", ".join((*_POSITION, *own)) if own else "* EXCLUDE (_op, _error)"
        connection.execute(f"CREATE TEMP VIEW {name(relation)} AS SELECT {columns} FROM {stored}")
        return
    columns = ", ".join((*_POSITION, *own))
    if relation != topic_name:
        connection.execute(f"CREATE TEMP VIEW {name(relation)} AS SELECT {OPERATION}, {columns} FROM {stored}")
        return
    newest = "row_number() OVER (PARTITION BY _key ORDER BY _offset DESC) = 1"
    current = f"SELECT * FROM {stored} QUALIFY {newest}"
    connection.execute(
        f"CREATE TEMP VIEW {name(relation)} AS SELECT {columns} FROM ({current}) WHERE {OPERATION} = 'u'"
    )


_POSITION = ("_partition", "_offset", "_timestamp", "_key", "_headers")


def _told(error: duckdb.Error) -> str:
    """DuckDB's first line and, where it has one, its suggestion."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    kept = [line for line in lines if not line.startswith(("LINE ", "^"))]
    return " ".join(kept).removeprefix("Error: ")


__all__ = ["Bound", "Query", "Report", "ask"]
