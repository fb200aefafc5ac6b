"""The SQL that turns a topic's records into rows.

What a record's value may be is decided by its JSON types, never by what a cast would make of it: 2.7 is no INTEGER
although a cast makes 3 of it. A record that does not fit is kept, with null columns and what is wrong in `_error`.
"""

import json
from typing import NamedTuple

from odradek.kappa.decoding.values import Value, csv_fields, csv_value, json_path, json_value, key_value
from odradek.kappa.definition.columns import ColumnType, column_type
from odradek.kappa.definition.model import Topic
from odradek.kappa.quoting import literal, quoted

ERROR = "_error"
"""Null, or why the record cannot be read."""
OPERATION = "_op"
"""u: a row; d: the key's row is deleted."""
POSITION = ("_partition", "_offset", "_timestamp", "_key", "_value", "_headers")


class _Column(NamedTuple):
    name: str
    kind: ColumnType
    value: Value


def columns_of(topic: Topic) -> dict[str, str]:
    """The topic's own columns and their DuckDB types."""
    return {column: kind.sql for column, kind in _kinds(topic).items()}


def decoded(topic: Topic, records: str) -> str:
    """SELECT over a relation of RECORDS: POSITION, `_op`, the columns of the topic, `_error`."""
    columns = _columns(topic)
    values = "".join(f", {each.value.sql} AS {quoted(each.name)}" for each in columns)
    position = ", ".join(POSITION)
    deletes = f"CASE WHEN _value IS NULL THEN 'd' ELSE 'u' END AS {OPERATION}"
    read = f"SELECT {position}, {deletes}{values}, {_error(topic, columns)} AS {ERROR} FROM ({_parsed(topic, records)})"
    if not columns:
        return read
    kept = ", ".join(
        f"CASE WHEN {ERROR} IS NULL THEN {quoted(each.name)} END AS {quoted(each.name)}" for each in columns
    )
    return f"SELECT {position}, {OPERATION}, {kept}, {ERROR} FROM ({read})"


def _kinds(topic: Topic) -> dict[str, ColumnType]:
    return {column: _known(kind) for column, kind in topic.schema.items()}


def _known(kind: str) -> ColumnType:
    found = column_type(kind)
    if found is None:
        raise ValueError(f"{kind} is no column type")
    return found


def _columns(topic: Topic) -> list[_Column]:
    found, position = [], 0
    for column, kind in _kinds(topic).items():
        if _is_in_key(topic, column):
            assert topic.key is not None
            value = key_value(kind, topic.key.format)
        else:
            position += 1
            value = json_value(column, position, kind) if topic.format == "json" else csv_value(position, kind)
        found.append(_Column(column, kind, value))
    return found


def _is_in_key(topic: Topic, column: str) -> bool:
    return topic.key is not None and topic.key.source == "key" and topic.key.field == column


def _parsed(topic: Topic, records: str) -> str:
    """The records with `_text`, and `_types` and `_read` (JSON) or `_fields` (CSV)."""
    texts = f"SELECT *, try(decode(_value)) AS _text, try(decode(_key)) AS _key_text FROM {records}"
    in_value = [each for each in _kinds(topic).items() if not _is_in_key(topic, each[0])]
    if topic.format == "raw" or not in_value:
        return texts
    if topic.format == "csv":
        return f"SELECT *, {csv_fields(topic.delimiter)} AS _fields FROM ({texts})"
    spec = json.dumps({column: _wire_type(kind) for column, kind in in_value}, ensure_ascii=False)
    paths = ", ".join(literal(json_path(column)) for column, _ in in_value)
    return (
        f"SELECT *, try(from_json(_text, {literal(spec)})) AS _read, "
        f"try(json_type(_text, [{paths}])) AS _types FROM ({texts})"
    )


def _wire_type(kind: ColumnType) -> str:
    """What JSON is read as: a time with a zone is brought to UTC only where the type has one."""
    if kind.is_epoch_ms:
        return "BIGINT"
    return kind.sql.replace("TIMESTAMP", "TIMESTAMPTZ")


def _error(topic: Topic, columns: list[_Column]) -> str:
    cases = []
    if topic.format != "raw":
        cases = ["WHEN _value IS NULL THEN " + ("NULL" if topic.table else "'the value is null'")]
        cases.append("WHEN _text IS NULL THEN 'the value is no UTF-8 text'")
    if topic.table:
        cases.insert(0, "WHEN _key IS NULL THEN 'the key is null'")
    if topic.format == "json":
        cases.append("WHEN coalesce(try(json_type(_text)), '') <> 'OBJECT' THEN 'the value is no JSON object'")
    count = sum(not _is_in_key(topic, each.name) for each in columns)
    if topic.format == "csv" and count:
        cases.append("WHEN _fields IS NULL THEN 'the value is no CSV record'")
        cases.append(f"WHEN len(_fields) <> {count} THEN 'it has ' || len(_fields) || ' fields, not {count}'")
    for each in columns:
        cases.append(f"WHEN {each.value.is_wrong} THEN {literal(f'{each.name} is no {each.kind.sql}')}")
    return f"CASE {' '.join(cases)} END" if cases else "NULL::VARCHAR"
