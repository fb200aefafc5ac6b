"""From the log into the table, each record once, whatever happens in between."""

import logging
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import pyarrow as pa
from pyiceberg.catalog import Catalog

from odradek.kappa.client import LogReader, Range, Topics
from odradek.kappa.decoding import connect
from odradek.kappa.definition.model import Topic
from odradek.kappa.records import RECORDS
from odradek.kappa.snapshots.errors import SnapshotError
from odradek.kappa.snapshots.positions import Positions
from odradek.kappa.snapshots.rows import snapshot_rows
from odradek.kappa.snapshots.table import SnapshotTable

logger = logging.getLogger(__name__)

COMMITS_MAX = 8
"""Tries of one commit, each on top of what the table says then."""


class Taken(NamedTuple):
    """One commit, or none where another writer was faster: `rows` are 0 then."""

    rows: int
    size: int
    """Bytes of the records."""
    positions: Positions


class Snapshotter:
    """One topic's. Two at a time do no harm: only one of them commits, the other goes on behind it."""

    def __init__(self, settings: Mapping[str, Any], catalog: Catalog, topic_name: str, topic: Topic) -> None:
        if topic.snapshot is None:
            raise SnapshotError(f"{topic_name} has no snapshot in the definition")
        self.every = topic.snapshot.every
        self._settings = settings
        self._topic_name, self._topic = topic_name, topic
        self._topics = Topics(settings)
        self._connection = connect()
        self.table = SnapshotTable(catalog, topic.snapshot.iceberg)
        self.identity = self._topics.identity(topic_name)
        self.table.require(self._schema(), topic.snapshot.partition)
        self.positions = self._stored()

    def close(self) -> None:
        self._connection.close()

    def take(self, size: int) -> Iterator[Taken]:
        """All that the log holds now and the table does not, in commits of about so many bytes of records."""
        ends = self._topics.bounds(self._topic_name)
        self.positions.check(self._topics.identity(self._topic_name), self.table.name, self._topic_name)
        while any(each.start < each.end for each in self._left(ends).values()):
            yield self._commit(self._left(ends), size)
            self.table.expire()

    def waiting(self) -> int:
        """Records (offsets) that the log holds now and the table does not."""
        return sum(each.end - each.start for each in self._left(self._topics.bounds(self._topic_name)).values())

    def _left(self, bounds: dict[int, Range]) -> dict[int, Range]:
        return self.positions.left(bounds, self.table.name, self._topic_name)

    def _commit(self, left: dict[int, Range], size: int) -> Taken:
        """Read once; written until it is known whether it was."""
        records, reached = self._read(left, size)
        rows = snapshot_rows(self._connection, self._topic_name, self._topic, records)
        before, wanted = self.positions, self.positions.moved(reached)
        for attempt in range(COMMITS_MAX):
            try:
                self.table.append(rows, wanted)
            except Exception as error:  # Whatever it is: what the table says decides.
                logger.warning("commit %d of %s is not certain: %s", attempt + 1, self.table.name, error)
            self.table.load()
            self.positions = self._stored()
            if self.positions == wanted:
                return Taken(rows.num_rows, records.nbytes, wanted)
            if self.positions != before:
                return Taken(0, 0, self.positions)
        raise SnapshotError(f"{self.table.name} could not be committed in {COMMITS_MAX} tries: see the log")

    def _read(self, left: dict[int, Range], size: int) -> tuple[pa.Table, dict[int, int]]:
        """Records of about so many bytes, and the next offset of each partition after them."""
        batches, read = [], 0
        with LogReader(self._settings) as reader:
            for batch in reader.read(self._topic_name, left, headers=True):
                batches.append(batch)
                read += batch.nbytes
                if read >= size:
                    return self._reached(batches, left, is_all=False)
        return self._reached(batches, left, is_all=True)

    @staticmethod
    def _reached(
        batches: list[pa.RecordBatch], left: dict[int, Range], *, is_all: bool
    ) -> tuple[pa.Table, dict[int, int]]:
        """What was read to its end reaches there, also where compaction left nothing at the end."""
        records = pa.Table.from_batches(batches, RECORDS)
        if is_all:
            return records, {partition: each.end for partition, each in left.items()}
        last = records.group_by("_partition").aggregate([("_offset", "max")])
        reached = {partition: each.start for partition, each in left.items()}
        for row in last.to_pylist():
            reached[row["_partition"]] = row["_offset_max"] + 1
        return records, reached

    def _stored(self) -> Positions:
        found = self.table.positions()
        if found is None:
            return Positions.of(self.identity)
        found.check(self.identity, self.table.name, self._topic_name)
        return found

    def _schema(self) -> pa.Schema:
        return snapshot_rows(self._connection, self._topic_name, self._topic, RECORDS.empty_table()).schema
