"""What a view is compiled from, and to."""

from dataclasses import dataclass
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class Relation:
    """What a view may read. `columns`: name to DuckDB type; `key`: a table's one."""

    name: str
    columns: dict[str, str]
    event_time: str = "_timestamp"
    is_table: bool = False
    key: str | None = None


class Window(NamedTuple):
    """Rows of [start, start + size) belong to the window; one begins each `slide`. Milliseconds."""

    size_ms: int
    slide_ms: int


class Join(NamedTuple):
    """A table beside the stream: `key` is the state's column that must equal the table's `column`."""

    relation: str
    alias: str
    column: str
    key: str
    is_left: bool


class Partial(NamedTuple):
    """What is kept of one aggregate for each key: how it begins, and how two of them become one."""

    name: str
    begin: str
    combine: str


@dataclass(frozen=True, slots=True)
class ViewPlan:
    """The state is one row for each `keys`, columns k0.. and the partials p0..; groups are columns g0...

    `partial_sql` reads the stream's rows from `{stream}` and gives state rows; several rows of one key are combined by
    `combine_sql` over `{state}`. `joined_sql` reads `{state}` and each table (its current rows) by `table_name`,
    and gives groups and partials; `final_sql` reads that from `{joined}` and gives groups and output columns.
    So neither an order of rows nor where one batch ends has a part in what comes out.
    """

    name: str
    stream: Relation
    tables: tuple[Relation, ...]
    joins: tuple[Join, ...]
    window: Window | None
    keys: tuple[str, ...]
    partials: tuple[str, ...]
    groups: tuple[str, ...]
    partial_sql: str
    combine_sql: str
    joined_sql: str
    final_sql: str
    output: dict[str, str]
    """Output column to DuckDB type, in order."""


STATE = '"odradek state"'
"""What statements call the state beside tables: these have aliases that a user chose."""


def table_name(relation: str) -> str:
    """What a view's statements call the current rows of a table: no name of their own can be the same."""
    return f"table {relation}"
