"""Topics out of the log, and out of snapshots what it does not hold any more."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb

from odradek.kappa.client import LogReader, Range, Topics, ahead
from odradek.kappa.definition.model import Definition, Snapshot
from odradek.kappa.querying.loading import Loading
from odradek.kappa.querying.ranges import needed, older
from odradek.kappa.querying.statement import Bound
from odradek.kappa.snapshots.history import read_history
from odradek.kappa.snapshots.lake import open_catalog
from odradek.kappa.snapshots.positions import Positions
from odradek.kappa.snapshots.table import SnapshotTable


@dataclass(slots=True)
class Report:
    """What the answer is made of, by topic.

    `offsets`: what was read of the log; `skipped`: records left out because they cannot be read; `gone`: records that
    the log let go of before they were in the snapshot; `late`: rows that did not count, by view.
    """

    offsets: dict[str, dict[int, Range]] = field(default_factory=dict)
    skipped: dict[str, int] = field(default_factory=dict)
    gone: dict[str, int] = field(default_factory=dict)
    late: dict[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class Query:
    """`settings` are librdkafka's; `on_read` hears how many records more were read, of how many offsets in all."""

    connection: duckdb.DuckDBPyConnection
    settings: Mapping[str, Any]
    definition: Definition
    directory: Path
    """Paths of the definition are relative to it."""
    on_read: Callable[[int, int], None] = lambda records, expected: None


class Reading:
    """One topic after the other, for one statement."""

    def __init__(self, query: Query, has_headers: bool) -> None:
        self.report = Report()
        self._query, self._has_headers = query, has_headers
        self._topics = Topics(query.settings)

    def read(self, relation: str, topic_name: str, bounds: tuple[Bound, ...]) -> Loading:
        """All of a topic that may fulfil the bounds. Raises KappaError."""
        query = self._query
        ranges = needed(self._topics, topic_name, bounds)
        loading = Loading(query.connection, relation, topic_name, query.definition.topics.get(topic_name))
        expected = sum(each.end - each.start for each in ranges.values())
        with LogReader(query.settings) as reader:
            for batch in ahead(reader.read(topic_name, ranges, headers=self._has_headers)):
                loading.add(batch)
                query.on_read(batch.num_rows, expected)
        loading.read_out()
        self.report.offsets[topic_name] = ranges
        if loading.topic.snapshot is not None:
            self._read_snapshot(topic_name, loading.topic.snapshot, bounds, loading)
        if skipped := loading.settle():
            self.report.skipped[topic_name] = skipped
        return loading

    def _read_snapshot(self, topic_name: str, snapshot: Snapshot, bounds: tuple[Bound, ...], loading: Loading) -> None:
        """What the log does not hold any more."""
        wanted = older(self._topics.bounds(topic_name), bounds)
        if not any(each.start < each.end for each in wanted.values()):
            return
        table = SnapshotTable(open_catalog(self._query.definition.lake, self._query.directory), snapshot.iceberg)
        identity = self._topics.identity(topic_name)
        reached = (table.positions() if table.load() else None) or Positions.of(identity)
        reached.check(identity, table.name, topic_name)
        if gone := sum(_missing(each, reached.next.get(partition, 0)) for partition, each in wanted.items()):
            self.report.gone[topic_name] = gone
        for batch in (read_history(table, wanted) if reached.next else None) or ():
            loading.add_history(batch)


def _missing(wanted: Range, reached: int) -> int:
    return max(0, wanted.end - max(wanted.start, reached))
