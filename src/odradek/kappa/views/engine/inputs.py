"""A view's inputs from the log, and from snapshots what the log does not hold any more, into its state."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from odradek.kappa.client import LogReader, Range, Topics, ahead
from odradek.kappa.decoding import ERROR, decoded
from odradek.kappa.definition.model import Definition, Topic
from odradek.kappa.records import RECORDS
from odradek.kappa.views.engine.errors import StateError
from odradek.kappa.views.engine.history import History
from odradek.kappa.views.engine.state import Moves, Step, ViewState, version_of
from odradek.kappa.views.plan import ViewPlan
from odradek.kappa.views.relations import lateness_ms


class Inputs:
    """`on_step` hears of each step, and how many offsets are left of those that there were when it began."""

    def __init__(
        self,
        settings: Mapping[str, Any],
        definition: Definition,
        home: Path,
        plan: ViewPlan,
        connection: duckdb.DuckDBPyConnection,
        on_step: Callable[[Step, int], None] = lambda step, left: None,
    ) -> None:
        self._settings, self._definition, self._home = settings, definition, home
        self._plan, self._connection, self._on_step = plan, connection, on_step
        self._topics = Topics(settings)
        names = [*(table.name for table in plan.tables), plan.stream.name]
        self._inputs = {name: definition.topics[name] for name in names}
        self._identities = {name: self._topics.identity(name) for name in names}
        logs = {name: "/".join(each) for name, each in self._identities.items()}
        self.state = ViewState(connection, plan, version_of(plan, logs), lateness_ms(self._inputs[plan.stream.name]))
        self.skipped = 0
        """Records that cannot be read, since it was made."""

    def catch_up(self) -> int:
        """All that the inputs hold now; tables before the stream. Returns how many records that were."""
        for name in self._inputs:
            self._read_history(name)
        left = {name: self._left(name) for name in self._inputs}
        waiting = sum(each.end - each.start for parts in left.values() for each in parts.values())
        records = 0
        for name, parts in left.items():
            for batch, moves in self._batches(name, parts):
                step = self._take(name, batch, moves)
                records += batch.num_rows
                waiting -= sum(after - parts[partition].start for (_, partition), (_, after) in moves.items())
                parts.update({part: Range(after, parts[part].end) for (_, part), (_, after) in moves.items()})
                self._on_step(step, waiting)
        return records

    def _read_history(self, topic: str) -> None:
        """Before the first record: what a snapshot has and the log not any more, in the order of offsets."""
        if self._inputs[topic].snapshot is None or any(known == topic for known, _ in self.state.offsets()):
            return
        history = History(self._connection, self._definition.lake, self._home, topic, self._inputs[topic])
        for moves in history.steps(self._topics.identity(topic), self._topics.bounds(topic)):
            self._settle(topic, self._inputs[topic])
            self._add(topic, moves)

    def _left(self, topic: str) -> dict[int, Range]:
        known = self.state.offsets()
        found = {}
        for partition, each in self._topics.bounds(topic).items():
            start = known.get((topic, partition))
            if start is not None and start < each.start:
                raise StateError(
                    f"{topic}-{partition} begins at {each.start:,} by now and the view is at {start:,}: "
                    f"records were deleted before it read them"
                )
            found[partition] = Range(each.start if start is None else start, each.end)
        if any(each.start != each.end for each in found.values()):
            self._check_identity(topic)
        for partition, each in found.items():
            if each.end < each.start:
                raise StateError(
                    f"{topic}-{partition} ends at {each.end:,} and the view is at {each.start:,}: it lost records"
                )
        return found

    def _check_identity(self, topic: str) -> None:
        """Before anything else is read: offsets of another log mean nothing to the state."""
        if self._topics.identity(topic) != self._identities[topic]:
            raise StateError(f"{topic} was made again since the view began to read it: start anew")

    def _batches(self, topic: str, parts: Mapping[int, Range]) -> Iterator[tuple[pa.RecordBatch, Moves]]:
        """Each with what it moves; in the end what compaction left empty at the end of a partition."""
        at: dict[int, int | None] = {part: self.state.offsets().get((topic, part)) for part in parts}
        with LogReader(self._settings) as reader:
            for batch in ahead(reader.read(topic, parts)):
                reached = _reached(batch)
                yield batch, {(topic, part): (at[part], after) for part, after in reached.items()}
                at.update(reached)
        rest = {(topic, part): (at[part], each.end) for part, each in parts.items() if at[part] != each.end}
        if rest:
            yield pa.RecordBatch.from_pylist([], schema=RECORDS), rest

    def _take(self, topic: str, batch: pa.RecordBatch, moves: Moves) -> Step:
        self._connection.register("records", pa.Table.from_batches([batch]))
        try:
            self._connection.execute(
                f"CREATE OR REPLACE TEMP TABLE decoded AS {decoded(self._inputs[topic], 'records')}"
            )
        finally:
            self._connection.unregister("records")
        self._settle(topic, self._inputs[topic])
        return self._add(topic, moves)

    def _add(self, topic: str, moves: Moves) -> Step:
        if topic == self._plan.stream.name:
            return self.state.add_rows("decoded", moves)
        return self.state.add_changes(topic, "decoded", moves)

    def _settle(self, name: str, topic: Topic) -> None:
        """What cannot be read stops the view or is left out, as the topic has it."""
        wrong = f"FROM decoded WHERE {ERROR} IS NOT NULL"
        first = self._connection.execute(f"SELECT _partition, _offset, {ERROR} {wrong} ORDER BY ALL LIMIT 1").fetchone()
        if first is None:
            return
        if topic.on_error == "fail":
            raise StateError(f"{name}-{first[0]} offset {first[1]}: {first[2]} (`on_error: skip` leaves it out)")
        count = self._connection.execute(f"SELECT count(*) {wrong}").fetchone()
        self.skipped += count[0] if count else 0
        self._connection.execute(f"DELETE {wrong}")


def _reached(batch: pa.RecordBatch) -> dict[int, int]:
    last = pa.Table.from_batches([batch]).group_by("_partition").aggregate([("_offset", "max")])
    return {row["_partition"]: row["_offset_max"] + 1 for row in last.to_pylist()}


def state_path(directory: Path, view: str) -> Path:
    """Where a view's state is kept."""
    return directory / f"{view}.duckdb"
