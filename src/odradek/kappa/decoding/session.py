"""DuckDB as the Kappa layer uses it."""

from pathlib import Path

import duckdb

from odradek.kappa.quoting import literal

MEMORY_MB = 1024
"""Unless told otherwise; what is more goes to the temporary directory."""


def connect(
    database: str = ":memory:", *, memory_mb: int = MEMORY_MB, spill_to: Path | None = None
) -> duckdb.DuckDBPyConnection:
    """A connection in UTC that loads nothing from the network.

    `spill_to`: the directory for what memory does not hold; without one too much is an error.
    """
    connection = duckdb.connect(database)
    for setting in (
        "autoinstall_known_extensions=false",
        "autoload_known_extensions=false",
        "TimeZone='UTC'",
        f"memory_limit='{memory_mb}MB'",
        f"temp_directory={literal(str(spill_to or ''))}",
        "preserve_insertion_order=false",
    ):
        connection.execute(f"SET {setting}")
    return connection
