"""How one column's value is taken out of a record: SQL for the value, and for whether it is wrong."""

import json
import re
from typing import NamedTuple

from odradek.kappa.definition.columns import ColumnType
from odradek.kappa.quoting import literal, quoted

_INTEGERS = {"TINYINT", "SMALLINT", "INTEGER", "BIGINT"}
_WHOLE = ("BIGINT", "UBIGINT")
_NUMBERS = (*_WHOLE, "DOUBLE")


_UNQUOTED = """CASE WHEN starts_with(each, '"') THEN replace(each[2:-2], '""', '"') ELSE each END"""


class Value(NamedTuple):
    """SQL of the value (of the column's type, or null), and a condition that is true when it cannot be read."""

    sql: str
    is_wrong: str


def json_path(column: str) -> str:
    """Of an object's member, whatever letters its name has."""
    return f"$.{json.dumps(column, ensure_ascii=False)}"


def json_value(column: str, position: int, kind: ColumnType) -> Value:
    """Of `_read` and `_types` at its position (from 1)."""
    found, of_type = f"_read.{quoted(column)}", f"_types[{position}]"
    allowed = _json_types(kind)
    is_null = f"coalesce({of_type}, 'NULL') = 'NULL'"
    if allowed is None:
        return Value(f"CASE WHEN {is_null} THEN NULL ELSE {found} END", "false")
    fits = f"{of_type} IN ({', '.join(map(repr, allowed))}) AND {found} IS NOT NULL"
    if kind.is_list:
        fits += f" AND {_items_fit(column, found, kind)}"
    return Value(_converted(found, kind), f"NOT ({is_null} OR ({fits}))")


def csv_value(position: int, kind: ColumnType) -> Value:
    """Of `_fields` at its position (from 1); an empty field is null."""
    field = f"nullif(_fields[{position}], '')"
    return _from_text(field, kind)


def csv_fields(delimiter: str) -> str:
    """SQL: the fields of `_text`, unquoted (RFC 4180); null where it is no CSV record.

    The record gets a delimiter in front, so that each field is a match of its own, also an empty one.
    """
    between = re.escape(delimiter)
    field = f'(?:"(?:[^"]|"")*"|[^"{between}]*)'
    line = f"{literal(delimiter)} || rtrim(_text, chr(13) || chr(10))"
    found = f"regexp_extract_all({line}, {literal(f'{between}({field})')}, 1)"
    unquoted = f"list_transform({found}, lambda each: {_UNQUOTED})"
    return f"CASE WHEN regexp_full_match({line}, {literal(f'(?:{between}{field})+')}) THEN {unquoted} END"


def key_value(kind: ColumnType, form: str) -> Value:
    """Of the record's key."""
    if form == "string":
        return _from_text("_key_text", kind)
    is_scalar = "coalesce(try(json_type(_key_text)), 'NULL') NOT IN ('OBJECT', 'ARRAY')"
    return _from_text(f"CASE WHEN {is_scalar} THEN try(json_extract_string(_key_text, '$')) END", kind)


def _from_text(field: str, kind: ColumnType) -> Value:
    if kind.is_epoch_ms:
        value, whole = f"epoch_ms(try_cast({field} AS BIGINT))", True
    elif kind.sql == "TIMESTAMP":
        value, whole = f"try_cast({field} AS TIMESTAMPTZ)::TIMESTAMP", False
    else:
        value, whole = f"try_cast({field} AS {kind.sql})", kind.sql in _INTEGERS
    is_wrong = f"{field} IS NOT NULL AND {value} IS NULL"
    if whole:  # A cast would round.
        is_wrong = f"{field} IS NOT NULL AND ({value} IS NULL OR NOT regexp_full_match({field}, '[+-]?[0-9]+'))"
    return Value(value, is_wrong)


def _converted(found: str, kind: ColumnType) -> str:
    if kind.is_epoch_ms:
        return f"epoch_ms({found})"
    return f"{found}::{kind.sql}" if kind.sql in ("TIMESTAMP", "TIMESTAMP[]") else found


def _items_fit(column: str, found: str, kind: ColumnType) -> str:
    """An item that cannot be read becomes null in what was read, without being null in the text."""
    types = f"json_type(_text, {literal(json_path(column) + '[*]')})"
    allowed = _json_types(ColumnType(kind.sql.removesuffix("[]")))
    lost = f"len({found}) - list_count({found}) > len(list_filter({types}, lambda each: each = 'NULL'))"
    if allowed is None:
        return f"NOT ({lost})"
    return f"list_has_all([{', '.join(map(repr, (*allowed, 'NULL')))}], {types}) AND NOT ({lost})"


def _json_types(kind: ColumnType) -> tuple[str, ...] | None:
    """What `json_type` may say of it; None: anything."""
    sql = kind.sql
    if kind.is_list:
        return ("ARRAY",)
    if kind.is_epoch_ms or sql in _INTEGERS:
        return _WHOLE
    if sql in ("FLOAT", "DOUBLE"):
        return _NUMBERS
    if sql.startswith("DECIMAL"):
        return (*_NUMBERS, "VARCHAR")
    if sql == "BOOLEAN":
        return ("BOOLEAN",)
    return None if sql == "JSON" else ("VARCHAR",)
