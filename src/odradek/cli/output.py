"""Tables for people, JSON for scripts.

Colours and boxes only on a terminal (and without NO_COLOR); into a pipe a table is plain aligned columns of full width.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any


def write_json(value: Any) -> None:
    """One JSON document, indented, to stdout."""
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def write_line(text: str = "") -> None:
    """One line to stdout."""
    sys.stdout.write(text + "\n")


def write_table(headers: Sequence[str], rows: Iterable[Sequence[object]], empty: str = "") -> None:
    """Rows under headers; columns whose values are all numbers are right-aligned. No rows: the `empty` line."""
    cells = [["-" if value is None else str(value) for value in row] for row in rows]
    if not cells:
        write_line(empty) if empty else None
    elif sys.stdout.isatty():
        _write_rich(headers, cells)
    else:
        _write_plain(headers, cells)


def count(value: int) -> str:
    """A number as people read it."""
    return f"{value:,}"


def plural(number: int, noun: str) -> str:
    """`1 partition`, `2 partitions`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def size(size_bytes: float) -> str:
    """Bytes in the largest unit that keeps at least one digit."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size_bytes < 1024:
            return f"{size_bytes:.0f} {unit}" if unit == "B" else f"{size_bytes:.1f} {unit}"
        size_bytes /= 1024
    return f"{size_bytes:.1f} TiB"


def _is_numeric(column: Iterable[str]) -> bool:
    return all(cell == "-" or cell.replace(",", "").lstrip("-").isdigit() for cell in column)


def _write_plain(headers: Sequence[str], cells: list[list[str]]) -> None:
    columns = list(zip(headers, *cells, strict=True))
    widths = [max(map(len, column)) for column in columns]
    right = [_is_numeric(column[1:]) for column in columns]
    for row in [list(headers), *cells]:
        padded = [
            cell.rjust(width) if numeric else cell.ljust(width)
            for cell, width, numeric in zip(row, widths, right, strict=True)
        ]
        write_line("  ".join(padded).rstrip())


def _write_rich(headers: Sequence[str], cells: list[list[str]]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, header_style="bold", pad_edge=False)
    for index, header in enumerate(headers):
        numeric = _is_numeric(row[index] for row in cells)
        table.add_column(header, justify="right" if numeric else "left", overflow="fold")
    for row in cells:
        table.add_row(*(Text(cell) for cell in row))
    Console(highlight=False).print(table)
