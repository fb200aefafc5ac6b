"""SQL that turns a row's columns into a record's key and value. Takes columns as name -> DuckDB type, in order."""

from __future__ import annotations

from collections.abc import Mapping

from odradek.kappa.errors import KappaError
from odradek.kappa.importing.columns import require_column
from odradek.kappa.importing.options import ImportOptions, KeyFormat, ValueFormat
from odradek.kappa.quoting import literal, quoted

_ZONED = "TIMESTAMP WITH TIME ZONE"


def value_sql(options: ImportOptions, columns: Mapping[str, str]) -> str:
    """An expression of type BLOB; NULL, a tombstone, only for raw."""
    if options.form is ValueFormat.RAW:
        return _raw(options, columns)
    if options.value is not None:
        raise KappaError(f"--value goes with --format raw, not with {options.form}: it takes all columns")
    if options.form is ValueFormat.JSON:
        return _json_object(list(columns), columns)
    return f"encode(concat({', chr(44), '.join(_csv_cell(name, kind) for name, kind in columns.items())}))"


def key_sql(options: ImportOptions, columns: Mapping[str, str]) -> str:
    """An expression of type BLOB; NULL when the column is, or all of several are."""
    for name in options.key:
        require_column("--key", name, columns)
    if not options.key:
        return "NULL::BLOB"
    if len(options.key) == 1:
        return _single_key(options, options.key[0], columns)
    if options.key_format is not KeyFormat.JSON:
        raise KappaError("--key-format string: several --key columns make a JSON object; give --key-format json")
    empty = " AND ".join(f"{quoted(name)} IS NULL" for name in options.key)
    return f"CASE WHEN {empty} THEN NULL ELSE {_json_object(options.key, columns)} END"


def _single_key(options: ImportOptions, name: str, columns: Mapping[str, str]) -> str:
    if options.key_format is KeyFormat.JSON:
        encoded = f"encode(to_json({_json_value(name, columns[name])})::VARCHAR)"
        return f"CASE WHEN {quoted(name)} IS NULL THEN NULL ELSE {encoded} END"
    return _bytes(name, columns[name])


def _raw(options: ImportOptions, columns: Mapping[str, str]) -> str:
    name = options.value or (next(iter(columns)) if len(columns) == 1 else None)
    if name is None:
        raise KappaError(f"--format raw takes one column: name it with --value; there are {', '.join(columns)}")
    require_column("--value", name, columns)
    return _bytes(name, columns[name])


def _bytes(name: str, kind: str) -> str:
    return quoted(name) if kind == "BLOB" else f"encode({_text(name, kind)})"


def _json_object(names: list[str] | tuple[str, ...], columns: Mapping[str, str]) -> str:
    fields = ", ".join(f"{literal(name)}: {_json_value(name, columns[name])}" for name in names)
    return f"encode(to_json({{{fields}}})::VARCHAR)"


def _json_value(name: str, kind: str) -> str:
    column = quoted(name)
    if kind.startswith("TIMESTAMP"):
        return _text(name, kind)
    if kind in ("DOUBLE", "FLOAT"):
        # JSON has no NaN and no infinity: they are text, which DuckDB reads back as what they were.
        return f"CASE WHEN isfinite({column}) THEN to_json({column}) ELSE to_json({column}::VARCHAR) END"
    return column


def _text(name: str, kind: str) -> str:
    column = quoted(name)
    if kind == _ZONED:
        return f"replace(({column} AT TIME ZONE 'UTC')::VARCHAR, ' ', 'T') || 'Z'"
    if kind.startswith("TIMESTAMP"):
        return f"replace({column}::VARCHAR, ' ', 'T')"
    return f"{column}::VARCHAR"


def _csv_cell(name: str, kind: str) -> str:
    """RFC 4180; NULL is an empty cell and an empty text is two quotes."""
    text = _text(name, kind)
    doubled = f"concat(chr(34), replace({text}, chr(34), chr(34) || chr(34)), chr(34))"
    return f"CASE WHEN {text} = '' OR regexp_matches({text}, '[\",\\r\\n]') THEN {doubled} ELSE {text} END"
