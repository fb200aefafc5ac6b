"""Answers of SQL on stdout."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from decimal import Decimal
from itertools import islice
from typing import TYPE_CHECKING, Any

from odradek.cli.errors import tell
from odradek.cli.output import write_table

if TYPE_CHECKING:
    import pyarrow as pa

TABLE_ROWS = 1000
"""Of a table, unless told otherwise: a terminal is no place for a million."""


def write_answer(answer: pa.RecordBatchReader, form: str, limit: int | None) -> None:
    """`limit`: rows at most; a table that is cut says so."""
    if form == "arrow":
        _write_arrow(answer, limit)
    elif form == "csv":
        _write_csv(answer, limit)
    elif form == "json":
        _write_json(islice(_rows(answer), limit))
    else:
        _write_table(answer, TABLE_ROWS if limit is None else limit)


def _batches(answer: pa.RecordBatchReader, limit: int | None) -> Iterator[pa.RecordBatch]:
    left = sys.maxsize if limit is None else limit
    for batch in answer:
        if left <= 0:
            return
        yield batch.slice(0, left)
        left -= batch.num_rows


def _rows(answer: pa.RecordBatchReader) -> Iterator[dict[str, Any]]:
    names = answer.schema.names
    for batch in answer:
        columns = [column.to_pylist() for column in batch.columns]
        for values in zip(*columns, strict=True):
            yield dict(zip(names, values, strict=True))


def _write_table(answer: pa.RecordBatchReader, limit: int) -> None:
    rows = list(islice(_rows(answer), limit + 1))
    cells = [[_cell(value) for value in row.values()] for row in rows[:limit]]
    write_table(answer.schema.names, cells, empty="no rows")
    if len(rows) > limit:
        tell(f"only the first {limit:,} rows are shown: --limit shows more, --format csv all")


def _write_json(rows: Iterable[dict[str, Any]]) -> None:
    """One array, a row a line, written while it is read."""
    separator = "["
    for row in rows:
        sys.stdout.write(f"{separator}\n{json.dumps(row, default=_plain, ensure_ascii=False)}")
        separator = ","
    sys.stdout.write("[]\n" if separator == "[" else "\n]\n")


def _write_csv(answer: pa.RecordBatchReader, limit: int | None) -> None:
    import csv

    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(answer.schema.names)
    for batch in _batches(answer, limit):
        columns = [[_text(value) for value in column.to_pylist()] for column in batch.columns]
        writer.writerows(zip(*columns, strict=True))


def _write_arrow(answer: pa.RecordBatchReader, limit: int | None) -> None:
    import pyarrow as pa

    with pa.ipc.new_stream(sys.stdout.buffer, answer.schema) as stream:
        for batch in _batches(answer, limit):
            stream.write_batch(batch)


def _cell(value: Any) -> object:
    return None if value is None else _text(value)


def _text(value: Any) -> object:
    """As people and CSV readers want it: bytes that are text as text, others as hexadecimal digits."""
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, list | dict):
        return json.dumps(value, default=_plain, ensure_ascii=False)
    return _plain(value)


def _plain(value: Any) -> object:
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return value.hex()
    if isinstance(value, Decimal):  # A sum of whole numbers is one: DuckDB makes it wider than JSON's reader expects.
        return int(value) if value == value.to_integral_value() and value.as_tuple().exponent == 0 else str(value)
    if hasattr(value, "nanoseconds"):
        return _interval(value)
    return value.isoformat(" ") if hasattr(value, "hour") and hasattr(value, "year") else str(value)


def _interval(value: Any) -> str:
    """As DuckDB writes it."""
    parts = [f"{number} {unit}s" for number, unit in ((value.months, "month"), (value.days, "day")) if number]
    seconds = value.nanoseconds / 1e9
    if seconds or not parts:
        parts.append(f"{seconds:g} seconds")
    return " ".join(parts)
