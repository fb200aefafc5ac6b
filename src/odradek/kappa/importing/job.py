"""One import: what is there already, then the rest in order, with notes of how far it is."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import msgspec
import pyarrow as pa

from odradek.kappa.client import Identity, LogReader, Range, Topics
from odradek.kappa.importing.errors import ImportingError
from odradek.kappa.importing.sending import SEQUENCE, VIEW, Sender
from odradek.kappa.importing.source import Source
from odradek.kappa.importing.state import ImportState, Reached, locked, read_state, write_state

ROWS_PER_BATCH = 10_000
ROWS_PER_NOTE = 500_000
"""Between two notes of how far it is: what a killed import reads back of the topic."""
PAUSE_S_MAX = 0.2
"""Of one sleep, when rows are sent at the pace of their times."""


class Progress(NamedTuple):
    """`row` of `rows`, and the event time (ms) it has reached."""

    row: int
    rows: int
    time_ms: int


class Import:
    """`speed`: times as fast as the event times pass; None: as fast as it can."""

    def __init__(
        self,
        settings: Mapping[str, Any],
        topic: str,
        source: Source,
        directory: Path,
        *,
        speed: float | None = None,
        on_progress: Callable[[Progress], None] = lambda progress: None,
    ) -> None:
        self._settings, self._topic, self._source = settings, topic, source
        self._speed, self._on_progress = speed, on_progress
        self._topics = Topics(settings)
        self._log = self._topics.identity(topic)
        self._fingerprint = source.fingerprint()
        kind = source.sql or "\0".join(str(path.resolve()) for path in source.files)
        self.identity = _short(f"{topic}\0{kind}\0{source.event_time}\0{source.key}")
        self._path = directory / f"{self.identity}.json"

    def forget(self) -> None:
        """Begin anew: all rows are sent, also those that the topic has."""
        self._path.unlink(missing_ok=True)

    def run(self, connection: duckdb.DuckDBPyConnection) -> tuple[int, Sender | None]:
        """How many rows the source has; None where all of them were there before. Raises KappaError."""
        with locked(self._path):
            state = self._state()
            if state.rows is not None:
                return state.rows, None
            rows = self._source.check(connection)
            sender = Sender(self._settings, self._topic, self.identity, self._found(state))
            self._send(connection, sender, rows, state)
            return rows, sender

    def _state(self) -> ImportState:
        """As noted, or of an import that begins now."""
        state = read_state(self._path)
        if state is None:
            ends = {partition: Reached(each.end) for partition, each in self._topics.bounds(self._topic).items()}
            state = ImportState(*self._log, self._fingerprint, ends)
            write_state(self._path, state)
            return state
        if Identity(state.cluster_id, state.topic_id) != self._log:
            raise ImportingError(f"{self._topic} was made again since this import began: --restart begins anew")
        if state.fingerprint != self._fingerprint:
            raise ImportingError("the source has changed since this import began: --restart begins anew")
        if set(state.reached) != set(self._topics.partitions(self._topic)):
            raise ImportingError(f"{self._topic} has other partitions since this import began: --restart begins anew")
        return state

    def _found(self, state: ImportState) -> dict[int, int]:
        """The highest sequence number of each partition: noted, or in the log after the note."""
        found = {partition: each.sequence for partition, each in state.reached.items()}
        bounds = self._topics.bounds(self._topic)
        ranges = {}
        for partition, each in state.reached.items():
            if each.offset < bounds[partition].start:
                raise ImportingError(
                    f"{self._topic}-{partition} begins at {bounds[partition].start:,} by now, after where this import "
                    f"began: what it has sent is not known any more; --restart begins anew"
                )
            ranges[partition] = Range(each.offset, bounds[partition].end)
        with LogReader(self._settings) as reader:
            for batch in reader.read(self._topic, ranges, headers=True):
                self._find(batch, found)
        return found

    def _find(self, batch: pa.RecordBatch, found: dict[int, int]) -> None:
        for partition, headers in zip(batch["_partition"].to_pylist(), batch["_headers"].to_pylist(), strict=True):
            marks = {header["key"]: header["value"] for header in headers or ()}
            if marks.get(VIEW) == self.identity.encode():
                found[partition] = max(found[partition], int(marks[SEQUENCE]))

    def _send(self, connection: duckdb.DuckDBPyConnection, sender: Sender, rows: int, state: ImportState) -> None:
        sequence, began_s, first_ms, noted = 0, time.monotonic(), None, 0
        for batch in connection.sql(self._source.ordered()).to_arrow_reader(ROWS_PER_BATCH):
            times, keys, values = (column.to_pylist() for column in batch.columns)
            for time_ms, key, value in zip(times, keys, values, strict=True):
                if self._speed is not None:
                    if first_ms is None:
                        first_ms = time_ms
                    _wait_until(due_s(began_s, time_ms - first_ms, self._speed), sender)
                sender.send(sequence, time_ms, key, value)
                sequence += 1
            sender.serve()
            self._on_progress(Progress(sequence, rows, times[-1] if times else 0))
            if sequence - noted >= ROWS_PER_NOTE:
                noted = sequence
                state = self._note(sender, state, None)
        if sequence != rows:
            raise ImportingError(f"the source had {rows:,} rows and then {sequence:,}: it changes while it is read")
        self._note(sender, state, rows)

    def _note(self, sender: Sender, state: ImportState, rows: int | None) -> ImportState:
        """All that was sent is stored, so that what comes later is at these ends or after them."""
        sender.flush()
        bounds = self._topics.bounds(self._topic)
        reached = {part: Reached(bounds[part].end, sequence) for part, sequence in sender.reached.items()}
        state = msgspec.structs.replace(state, reached=reached, rows=rows)
        write_state(self._path, state)
        return state


def due_s(began_s: float, after_ms: int, speed: float) -> float:
    """When a row is due that happened so long after the first."""
    return began_s + after_ms / 1000 / speed


def _wait_until(due_s: float, sender: Sender) -> None:
    while (left := due_s - time.monotonic()) > 0:
        sender.serve()
        time.sleep(min(left, PAUSE_S_MAX))


def _short(text: str) -> str:
    import hashlib

    return hashlib.sha256(text.encode()).hexdigest()[:16]
