"""Types that a column may have."""

import re
from typing import NamedTuple

TYPES = {
    "BOOLEAN": "BOOLEAN",
    "BOOL": "BOOLEAN",
    "TINYINT": "TINYINT",
    "SMALLINT": "SMALLINT",
    "INTEGER": "INTEGER",
    "INT": "INTEGER",
    "BIGINT": "BIGINT",
    "FLOAT": "FLOAT",
    "REAL": "FLOAT",
    "DOUBLE": "DOUBLE",
    "VARCHAR": "VARCHAR",
    "TEXT": "VARCHAR",
    "STRING": "VARCHAR",
    "TIMESTAMP": "TIMESTAMP",
    "EPOCH_MS": "TIMESTAMP",
    "DATE": "DATE",
    "TIME": "TIME",
    "UUID": "UUID",
    "JSON": "JSON",
}
DECIMAL = re.compile(r"DECIMAL\(\s*(\d{1,2})\s*,\s*(\d{1,2})\s*\)")
PRECISION_MAX = 38
ALLOWED = (
    "boolean, tinyint, smallint, int, bigint, float, double, decimal(p,s), varchar, timestamp, epoch_ms, "
    "date, time, uuid, json; or one of these with [] for a list"
)


class ColumnType(NamedTuple):
    """`sql` is the DuckDB type of the column; `is_epoch_ms`: it is written as milliseconds since 1970."""

    sql: str
    is_epoch_ms: bool = False

    @property
    def is_list(self) -> bool:
        return self.sql.endswith("[]")


def column_type(text: str) -> ColumnType | None:
    """None for a type that is not known."""
    name = " ".join(text.upper().split())
    if name.endswith("[]"):
        item = column_type(name[:-2])
        return None if item is None or item.is_list or item.is_epoch_ms else ColumnType(f"{item.sql}[]")
    if (found := DECIMAL.fullmatch(name)) is not None:
        precision, scale = int(found[1]), int(found[2])
        is_known = 0 < precision <= PRECISION_MAX and scale <= precision
        return ColumnType(f"DECIMAL({precision},{scale})") if is_known else None
    sql = TYPES.get(name)
    return None if sql is None else ColumnType(sql, name == "EPOCH_MS")
