"""The part of an input that only its snapshot still has, step by step.

A step has all partitions' rows of a range of offsets: whether a row is late depends on those before it there.
"""

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pyarrow as pa

from odradek.kappa.client import Identity, Range
from odradek.kappa.decoding import ERROR, columns_of
from odradek.kappa.definition.model import Lake, Topic
from odradek.kappa.snapshots.history import read_history
from odradek.kappa.snapshots.lake import open_catalog
from odradek.kappa.snapshots.table import SnapshotTable
from odradek.kappa.views.engine.errors import StateError
from odradek.kappa.views.engine.state import Moves

OFFSETS_PER_STEP = 50_000
"""Of each partition."""


class History:
    """Of one topic with a snapshot."""

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, lake: Lake, home: Path, topic_name: str, topic: Topic
    ) -> None:
        assert topic.snapshot is not None
        self._connection, self._topic_name, self._topic = connection, topic_name, topic
        self._lake, self._home, self._name = lake, home, topic.snapshot.iceberg

    def steps(self, identity: Identity, bounds: dict[int, Range]) -> Iterator[Moves]:
        """Each step's rows are the relation `decoded` until the next one. Raises KappaError.

        Ends where the log begins; raises StateError where the snapshot ends before that.
        """
        gone = {partition: each.start for partition, each in bounds.items() if each.start > 0}
        if not gone:
            return
        table = SnapshotTable(open_catalog(self._lake, self._home), self._name)
        reached = table.positions() if table.load() else None
        if reached is None:
            return
        reached.check(identity, table.name, self._topic_name)
        for partition, start in gone.items():
            if (last := reached.next.get(partition, 0)) < start:
                raise StateError(
                    f"{self._topic_name}-{partition} begins at {start:,} by now, {table.name} ends before {last:,}: "
                    f"what is between them is nowhere any more"
                )
        at: dict[int, int | None] = dict.fromkeys(gone)
        for first in range(0, max(gone.values()), OFFSETS_PER_STEP):
            ranges = {
                part: Range(first, min(first + OFFSETS_PER_STEP, end)) for part, end in gone.items() if first < end
            }
            self._load(table, ranges)
            yield {(self._topic_name, part): (at[part], each.end) for part, each in ranges.items()}
            at.update({part: each.end for part, each in ranges.items()})

    def _load(self, table: SnapshotTable, ranges: dict[int, Range]) -> None:
        rows = read_history(table, ranges)
        assert rows is not None
        unreadable = "CASE WHEN _raw IS NOT NULL THEN 'it could not be read for the snapshot' END"
        error = unreadable if columns_of(self._topic) else "NULL::VARCHAR"
        self._connection.register("history", pa.Table.from_batches(rows, rows.schema))
        try:
            selected = f"SELECT * EXCLUDE (_raw), _raw AS _value, {error} AS {ERROR} FROM history"
            self._connection.execute(f"CREATE OR REPLACE TEMP TABLE decoded AS {selected}")
        finally:
            self._connection.unregister("history")
