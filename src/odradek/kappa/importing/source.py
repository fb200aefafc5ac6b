"""Where rows come from, and in which order: by event time, rows of one time as the source has them."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

import duckdb

from odradek.kappa.decoding.session import name, text
from odradek.kappa.importing.errors import ImportingError

READERS = {
    ".parquet": "read_parquet",
    ".csv": "read_csv",
    ".tsv": "read_csv",
    ".json": "read_json",
    ".jsonl": "read_json",
    ".ndjson": "read_json",
}
_TIMES = ("TIMESTAMP", "TIMESTAMP WITH TIME ZONE", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS", "DATE")


@dataclass(frozen=True, slots=True)
class Source:
    """Files, or `sql` over anything that DuckDB reads. `nulls`: texts of CSV files that mean null."""

    files: tuple[Path, ...]
    sql: str | None
    event_time: str
    key: str | None = None
    nulls: Sequence[str] = ("",)

    def relation(self) -> str:
        """SQL of the rows. Raises ImportingError."""
        if self.sql is not None:
            return f"({self.sql.rstrip().rstrip(';')})"
        suffixes = {path.suffix.lower().removesuffix(".gz") or Path(path.stem).suffix.lower() for path in self.files}
        readers = {READERS.get(suffix, "") for suffix in suffixes}
        if readers == {""} or len(readers) != 1 or "" in readers:
            raise ImportingError(
                f"files must all be of one kind: {', '.join(READERS)}; found {', '.join(sorted(suffixes))}"
            )
        (reader,) = readers
        files = ", ".join(text(str(path)) for path in self.files)
        options = f", nullstr=[{', '.join(map(text, self.nulls))}]" if reader == "read_csv" else ""
        return f"(FROM {reader}([{files}]{options}))"

    def fingerprint(self) -> str:
        """Another one when what it reads has changed, as far as names, sizes and times of files tell."""
        parts = [self.sql or "", self.event_time, self.key or "", *self.nulls]
        for path in self.files:
            try:
                status = path.stat()
            except OSError as error:
                raise ImportingError(f"{path}: {error.strerror}") from error
            parts.append(f"{path.resolve()} {status.st_size} {status.st_mtime_ns}")
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()

    def check(self, connection: duckdb.DuckDBPyConnection) -> int:
        """How many rows there are. Raises ImportingError where columns are missing or no times."""
        try:
            described = connection.execute(f"DESCRIBE FROM {self.relation()}").fetchall()
        except duckdb.Error as error:
            raise ImportingError(" ".join(str(error).split("\n\n")[0].split())) from error
        kinds = {row[0]: row[1] for row in described}
        for column in filter(None, (self.event_time, self.key)):
            if column not in kinds:
                near = get_close_matches(column, kinds, 1)
                advice = f"did you mean {near[0]}?" if near else f"known are {', '.join(kinds)}"
                raise ImportingError(f"there is no column {column}; {advice}")
        if kinds[self.event_time] not in _TIMES:
            kind = kinds[self.event_time].lower()
            raise ImportingError(
                f"{self.event_time} is {kind}, no time: make one of it with --sql, as in epoch_ms(x) AS at"
            )
        counts = f"SELECT count(*), count({name(self.event_time)}) FROM {self.relation()}"
        ((rows, timed),) = connection.execute(counts).fetchall()
        if timed < rows:
            raise ImportingError(
                f"{rows - timed:,} of {rows:,} rows have no {self.event_time}: leave them out with --sql"
            )
        return int(rows)

    def ordered(self) -> str:
        """SELECT of time (ms), key and value (JSON), in the one order that there is.

        Rows of files are numbered as they are read. What SQL gives has no order of its own: there rows of one time are
        ordered by their content, so that two that could change places are the same.
        """
        numbered = "row_number() OVER ()" if self.sql is None else "0"
        key = "NULL" if self.key is None else f"rows.{name(self.key)}"
        time = f"rows.{name(self.event_time)}"
        selected = (
            f"SELECT epoch_ms({time}::TIMESTAMP) AS time, {time}::TIMESTAMP AS exact, ({key})::VARCHAR AS key, "
            f"to_json(rows)::VARCHAR AS value, {numbered} AS place FROM {self.relation()} AS rows"
        )
        return f"SELECT time, key, value FROM ({selected}) ORDER BY exact, place, value"
