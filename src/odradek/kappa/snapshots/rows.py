"""The rows of a snapshot: a topic's changes with what they are read from."""

import duckdb
import pyarrow as pa

from odradek.kappa.decoding import ERROR, OPERATION, columns_of, decoded
from odradek.kappa.definition.model import Topic
from odradek.kappa.quoting import quoted
from odradek.kappa.snapshots.errors import SnapshotError

RAW = "_raw"
"""The value of a record that cannot be read, or that is not taken apart; else null."""
_WIDER = {"TINYINT": "INTEGER", "SMALLINT": "INTEGER", "JSON": "VARCHAR", "UUID": "VARCHAR"}
"""Types that Iceberg does not have."""


def snapshot_sql(topic: Topic, records: str) -> str:
    """SELECT over a relation of RECORDS."""
    kept = f"CASE WHEN {ERROR} IS NOT NULL THEN _value END" if columns_of(topic) else "_value"
    position = f"_partition, _offset, _timestamp::TIMESTAMP AS _timestamp, _key, _headers, {OPERATION}, {kept} AS {RAW}"
    own = "".join(
        f", {quoted(column)}::{_stored(kind)} AS {quoted(column)}" for column, kind in columns_of(topic).items()
    )
    return f"SELECT {position}{own}, {ERROR} FROM ({decoded(topic, records)}) ORDER BY _partition, _offset"


def snapshot_rows(connection: duckdb.DuckDBPyConnection, topic_name: str, topic: Topic, records: pa.Table) -> pa.Table:
    """`on_error: fail` raises SnapshotError for a record that cannot be read; otherwise it is kept in `_raw`."""
    connection.register("records", records)
    try:
        rows = connection.sql(snapshot_sql(topic, "records")).to_arrow_table()
    finally:
        connection.unregister("records")
    errors = rows[ERROR]
    if topic.on_error == "fail" and errors.null_count < len(errors):
        (first,) = rows.filter(errors.is_valid()).slice(0, 1).to_pylist()
        raise SnapshotError(f"{topic_name}-{first['_partition']} offset {first['_offset']}: {first[ERROR]}")
    return rows.drop_columns([ERROR])


def _stored(kind: str) -> str:
    plain = kind.removesuffix("[]")
    return kind.replace(plain, _WIDER.get(plain, plain))
