"""Topics into DuckDB, as far as a statement needs them, and its answer."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from odradek.kappa.client import LogReader, Range, Topics
from odradek.kappa.definition.model import Definition
from odradek.kappa.querying.loading import Loading
from odradek.kappa.querying.ranges import needed, older
from odradek.kappa.querying.statement import CHANGES, Statement, StatementError

ROWS_PER_BATCH = 20_000
"""Of an answer."""


@dataclass(slots=True)
class Report:
    """What the answer is made of, by topic.

    `offsets`: what was read of the log; `skipped`: records left out because they cannot be read; `gone`: records that
    the log let go of before they were in the snapshot.
    """

    offsets: dict[str, dict[int, Range]] = field(default_factory=dict)
    skipped: dict[str, int] = field(default_factory=dict)
    gone: dict[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class Query:
    """`settings` are librdkafka's; `on_read` hears how many records more were read, of how many offsets in all."""

    connection: duckdb.DuckDBPyConnection
    settings: Mapping[str, Any]
    definition: Definition
    directory: Path
    """Paths of the definition are relative to it."""
    on_read: Callable[[int, int], None] = lambda records, expected: None


def ask(query: Query, statement: Statement) -> tuple[pa.RecordBatchReader, Report]:
    """The answer, in batches that are made while they are read. Raises KappaError."""
    report = Report()
    topics = Topics(query.settings)
    names = {relation: _topic(relation, query) for relation in statement.topics}
    ranges = {relation: needed(topics, names[relation], bounds) for relation, bounds in statement.topics.items()}
    expected = sum(each.end - each.start for parts in ranges.values() for each in parts.values())
    for relation, parts in ranges.items():
        loading = Loading(query.connection, relation, names[relation], query.definition.topics.get(names[relation]))
        _read_log(query, statement, names[relation], parts, loading, expected)
        report.offsets[names[relation]] = parts
        _read_snapshot(query, topics, statement, relation, names[relation], loading, report)
        if skipped := loading.settle():
            report.skipped[names[relation]] = skipped
        loading.show()
    try:
        return query.connection.sql(statement.sql).to_arrow_reader(ROWS_PER_BATCH), report
    except duckdb.Error as error:
        raise StatementError(_told(error)) from error


def _topic(relation: str, query: Query) -> str:
    """`flights__changes` is the topic flights, where that is a table."""
    base = relation.removesuffix(CHANGES)
    found = query.definition.topics.get(base)
    return base if base != relation and found is not None and found.table else relation


def _read_log(
    query: Query, statement: Statement, topic_name: str, ranges: dict[int, Range], loading: Loading, expected: int
) -> None:
    with LogReader(query.settings) as reader:
        for batch in reader.read(topic_name, ranges, headers=statement.has_headers):
            loading.add(batch)
            query.on_read(batch.num_rows, expected)
    loading.read_out()


def _read_snapshot(
    query: Query, topics: Topics, statement: Statement, relation: str, topic_name: str, loading: Loading, report: Report
) -> None:
    """What the log does not hold any more."""
    snapshot = loading.topic.snapshot
    if snapshot is None:
        return
    wanted = older(topics.bounds(topic_name), statement.topics[relation])
    if not any(each.start < each.end for each in wanted.values()):
        return
    from odradek.kappa.snapshots import SnapshotTable, open_catalog
    from odradek.kappa.snapshots.history import read_history
    from odradek.kappa.snapshots.positions import Positions

    table = SnapshotTable(open_catalog(query.definition.lake, query.directory), snapshot.iceberg)
    identity = topics.identity(topic_name)
    reached = (table.positions() if table.load() else None) or Positions.of(identity)
    reached.check(identity, table.name, topic_name)
    if gone := sum(max(0, each.end - max(each.start, reached.next.get(p, 0))) for p, each in wanted.items()):
        report.gone[topic_name] = gone
    rows = read_history(table, wanted) if reached.next else None
    for batch in rows or ():
        loading.add_history(batch)


def _told(error: duckdb.Error) -> str:
    """DuckDB's first line and, where it has one, its suggestion."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    kept = [line for line in lines if not line.startswith(("LINE ", "^"))]
    return " ".join(kept).removeprefix("Error: ")
