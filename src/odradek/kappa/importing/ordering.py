"""One DuckDB query whose rows are the records in their total order: (event time, file ordinal, row ordinal).

A query's or a table's rows have no ordinals that are the same each time; there the record itself breaks ties, and rows
that are the same in everything are the same record.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from odradek.kappa.decoding import connect
from odradek.kappa.errors import KappaError
from odradek.kappa.importing.columns import require_column
from odradek.kappa.importing.encoding import key_sql, value_sql
from odradek.kappa.importing.options import EventTimeUnit, ImportOptions, Limits, NullEventTime
from odradek.kappa.importing.source import Source, open_source
from odradek.kappa.quoting import quoted

BATCH_ROWS = 8192
_WHOLE = ("BIGINT", "INTEGER", "UINTEGER", "UBIGINT")
_PER_MS = {EventTimeUnit.SECONDS: "* 1000", EventTimeUnit.MILLISECONDS: "", EventTimeUnit.MICROSECONDS: "// 1000"}


@dataclass(frozen=True, slots=True)
class Measured:
    """What the source holds. Times are milliseconds since 1970; None without event time.

    Attributes:
        fingerprint: The source's, with its number of rows.
        rows: Records that come out.
        skipped: Rows without event time that do not.
    """

    fingerprint: dict[str, Any]
    rows: int
    skipped: int
    first_ms: int | None
    last_ms: int | None


class OrderedRows:
    """The source of an import, opened and checked."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, options: ImportOptions) -> None:
        self._connection = connection
        self._options = options
        self._source: Source = open_source(connection, options)
        self._columns = self._describe()
        self._value = value_sql(options, self._columns)
        self._key = key_sql(options, self._columns)
        self._time = self._time_sql()
        self._first_ms: int | None = None

    def measure(self) -> Measured:
        """Count the rows and find the range of their event times, in one pass; raises KappaError."""
        content = "0" if self._source.is_ordered else f"hash({self._key}, {self._value})"
        self._source.refresh()
        found = self._connection.sql(
            f"SELECT count(*), count(*) FILTER (t IS NULL), min(t), max(t), bit_xor(c) FROM "
            f"(SELECT {self._time or '0'} AS t, {content} AS c FROM {self._source.relation})"
        ).fetchall()
        rows, nulls, first, last, xor = found[0]
        if self._time is None:
            first = last = None
        if nulls and self._options.null_event_time is NullEventTime.REFUSE:
            raise KappaError(
                f"--event-time {self._options.event_time}: {nulls:,} of {rows:,} rows have none; "
                "allow it with --null-event-time first or skip"
            )
        if first is not None and first <= 0:
            # To a Kafka client 0 means now.
            raise KappaError(f"--event-time {self._options.event_time}: the first is not after 1970-01-01T00:00:00")
        self._first_ms = first
        fingerprint = (
            self._source.fingerprint | {"rows": rows} | ({} if self._source.is_ordered else {"hash": str(xor)})
        )
        skipped = nulls if self._options.null_event_time is NullEventTime.SKIP else 0
        return Measured(fingerprint, rows - skipped, skipped, first, last)

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Batches of `v` binary, `k` binary, `t` int64 (milliseconds; 0 without event time), after `measure`."""
        self._source.refresh()
        ordinal = "row_number() OVER ()" if self._source.is_ordered else "0"
        inner = (
            f"SELECT {self._value} AS v, {self._key} AS k, {self._time or '0'} AS t, {ordinal} AS n "
            f"FROM {self._source.relation}"
        )
        keeps = "WHERE t IS NOT NULL" if self._options.null_event_time is NullEventTime.SKIP else ""
        ties = "n" if self._source.is_ordered else "k NULLS FIRST, v"
        # In the order of files without event time nothing is to be sorted.
        order = f"ORDER BY t NULLS FIRST, {ties}" if self._time or not self._source.is_ordered else ""
        time = f"coalesce(t, {self._first_ms or 0})::BIGINT"
        query = f"SELECT v, k, {time} AS t FROM ({inner}) {keeps} {order}"
        yield from self._connection.sql(query).to_arrow_reader(BATCH_ROWS)

    def _describe(self) -> dict[str, str]:
        self._source.refresh()
        found = self._connection.sql(f"DESCRIBE SELECT * FROM {self._source.relation}").fetchall()
        return {row[0]: str(row[1]) for row in found}

    def _time_sql(self) -> str | None:
        name, unit = self._options.event_time, self._options.event_time_unit
        if name is None:
            return None
        kind = require_column("--event-time", name, self._columns)
        if kind in _WHOLE and unit is not None:
            return f"({quoted(name)} {_PER_MS[unit]})"
        if kind in _WHOLE:
            raise KappaError(f"--event-time {name} is {kind}: say what it counts with --event-time-unit s, ms or us")
        if unit is not None:
            raise KappaError(f"--event-time-unit is for whole numbers; {name} is {kind}")
        if not kind.startswith("TIMESTAMP") and kind != "DATE":
            raise KappaError(f"--event-time {name} is {kind}: must be a timestamp or a date; --sql can cast it")
        return f"epoch_ms({quoted(name)})"


@contextmanager
def opened(options: ImportOptions, limits: Limits) -> Iterator[OrderedRows]:
    """The source in a DuckDB of its own, whose temporary directory is removed; DuckDB's errors become KappaError."""
    with tempfile.TemporaryDirectory(prefix="odradek-import-", dir=limits.scratch) as scratch:
        try:
            with connect(memory_mb=limits.memory_mb, spill_to=Path(scratch)) as connection:
                connection.execute(f"SET threads={limits.threads}")
                connection.execute("SET preserve_insertion_order=true")  # Of rows of one time in a file.
                yield OrderedRows(connection, options)
        except duckdb.Error as error:
            raise KappaError(f"SOURCE: {_first_line(error)}") from error


def _first_line(error: Exception) -> str:
    return next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
