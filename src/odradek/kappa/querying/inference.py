"""What columns a topic has that no definition describes: read from all of its records."""

import json

import duckdb

from odradek.kappa.definition.model import Topic
from odradek.kappa.querying.structure import columns_of_all
from odradek.kappa.quoting import quoted

COLUMNS_MAX = 500
"""More different members than this in a topic's objects are no columns."""


def inferred(connection: duckdb.DuckDBPyConnection, records: str) -> Topic:
    """JSON where most values are JSON objects, else raw. A text that is always a time is a TIMESTAMP."""
    texts = f"SELECT try(decode(_value)) AS value FROM {records} WHERE _value IS NOT NULL"
    objects = f"SELECT value FROM ({texts}) WHERE coalesce(try(json_type(value)), '') = 'OBJECT'"
    structures = f"SELECT json_structure(value::JSON)::VARCHAR AS structure, count(*) FROM ({objects}) GROUP BY 1"
    found = connection.execute(f"{structures} ORDER BY 2 DESC, 1").fetchall()
    total = connection.execute(f"SELECT count(*) FROM {records} WHERE _value IS NOT NULL").fetchone()
    assert total is not None
    schema = columns_of_all(json.loads(structure) for structure, _ in found)
    schema = {column: kind for column, kind in schema.items() if not column.startswith("_")}
    are_few = sum(count for _, count in found) * 2 < total[0]
    are_alike = len({column.lower() for column in schema}) < len(schema)
    if are_few or are_alike or not 0 < len(schema) <= COLUMNS_MAX:
        return Topic(format="raw")
    return Topic(schema=schema | _times(connection, objects, schema), on_error="skip")


def _times(connection: duckdb.DuckDBPyConnection, objects: str, schema: dict[str, str]) -> dict[str, str]:
    texts = [column for column, kind in schema.items() if kind == "VARCHAR"]
    if not texts:
        return {}
    spec = json.dumps(dict.fromkeys(texts, "VARCHAR"), ensure_ascii=False).replace("'", "''")
    always = ", ".join(
        f"bool_and(read.{quoted(each)} IS NULL OR (length(read.{quoted(each)}) >= 10 "
        f"AND try_cast(read.{quoted(each)} AS TIMESTAMPTZ) IS NOT NULL))"
        for each in texts
    )
    row = connection.execute(
        f"SELECT {always} FROM (SELECT from_json(value, '{spec}') AS read FROM ({objects}))"
    ).fetchone()
    assert row is not None
    return {column: "TIMESTAMP" for column, is_time in zip(texts, row, strict=True) if is_time}
