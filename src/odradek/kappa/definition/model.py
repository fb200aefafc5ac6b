"""The definition as typed values, each with the defaults that kappa.schema.json documents."""

from typing import Literal

from msgspec import Struct

Format = Literal["json", "csv", "raw"]
OnError = Literal["fail", "skip"]


class Key(Struct, frozen=True, forbid_unknown_fields=True):
    """Which column is the record's key.

    `source` (`from` in the file): the record's key holds the column, as text or as JSON; or the value has it anyway.
    """

    field: str
    source: Literal["key", "value"] = "value"
    format: Literal["string", "json"] = "string"


class Snapshot(Struct, frozen=True, forbid_unknown_fields=True):
    """Where a topic is kept as an Iceberg table, and how often what is new goes there."""

    iceberg: str
    """`namespace.table` in the lake's catalog."""
    every: str = "60s|128MB"
    partition: str | None = None
    """`day(column)` and the like; None: not partitioned."""


class Lake(Struct, frozen=True, forbid_unknown_fields=True):
    """The Iceberg catalog: `sqlite:///PATH`, or the URL of a REST catalog; and where tables' files are."""

    catalog: str = "sqlite:///lake/catalog.db"
    warehouse: str = "lake/tables"


class Topic(Struct, frozen=True, forbid_unknown_fields=True):
    """How a topic's records are read. `schema`: column to DuckDB type, in the order of a CSV record's fields."""

    format: Format = "json"
    schema: dict[str, str] = {}
    delimiter: str = ","
    key: Key | None = None
    event_time: str | None = None
    """The column that says when it happened; None: the record's timestamp."""
    lateness: str = "0s"
    """A record is late when its event time is by more than this before the latest one earlier in its partition."""
    on_error: OnError = "fail"
    table: bool = False
    """A change log: the newest record of each key counts, one without value deletes."""
    snapshot: Snapshot | None = None


class View(Struct, frozen=True, forbid_unknown_fields=True):
    """What is kept up to date, as SQL."""

    sql: str


class Definition(Struct, frozen=True, forbid_unknown_fields=True):
    """All of `kappa.yaml`."""

    topics: dict[str, Topic] = {}
    views: dict[str, View] = {}
    lake: Lake = Lake()
