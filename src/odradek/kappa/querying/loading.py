"""One topic into DuckDB: its records, decoded, as the relation that a statement names."""

import duckdb
import pyarrow as pa

from odradek.kappa.decoding import ERROR, OPERATION, columns_of, decoded
from odradek.kappa.definition.model import Topic
from odradek.kappa.errors import KappaError
from odradek.kappa.querying.inference import inferred
from odradek.kappa.quoting import quoted


class Loading:
    """`add` batches, `read_out`, `settle`, `show`. Without a definition records are kept until they are read out."""

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, relation: str, topic_name: str, topic: Topic | None
    ) -> None:
        self._connection = connection
        self._relation, self._topic_name, self._topic = relation, topic_name, topic
        self._records, self.stored = quoted(f"{relation} records"), quoted(f"{relation} rows")
        connection.execute(f"CREATE TEMP TABLE {self._records} ({_RECORD_COLUMNS})")

    def add(self, batch: pa.RecordBatch) -> None:
        """Records of the log."""
        self._insert(f"INSERT INTO {self._records} FROM added", pa.Table.from_batches([batch]))
        if self._topic is not None:
            self._decode(self._topic)

    def add_history(self, rows: pa.RecordBatch) -> None:
        """Rows of a snapshot; those that could not be read when it was taken say so."""
        error = f"CASE WHEN _raw IS NOT NULL THEN 'it could not be read for the snapshot' END AS {ERROR}"
        if not columns_of(self.topic):
            error = f"NULL AS {ERROR}"
        selected = f"SELECT * EXCLUDE (_raw), _raw AS _value, {error} FROM added"
        self._insert(f"INSERT INTO {self.stored} BY NAME {selected}", pa.Table.from_batches([rows]))

    @property
    def topic(self) -> Topic:
        assert self._topic is not None
        return self._topic

    def read_out(self) -> None:
        """All that was added is rows now, also where the columns had to be found out first."""
        if self._topic is None:
            self._topic = inferred(self._connection, self._records)
        self._decode(self._topic)

    def settle(self) -> int:
        """How many records cannot be read and are left out. Raises KappaError where the topic has it so."""
        wrong = f"FROM {self.stored} WHERE {ERROR} IS NOT NULL"
        found = self._connection.execute(f"SELECT count(*) {wrong}").fetchone()
        count: int = found[0] if found else 0
        if count and self.topic.on_error == "fail":
            first = self._connection.execute(
                f"SELECT _partition, _offset, {ERROR} {wrong} ORDER BY ALL LIMIT 1"
            ).fetchone()
            assert first is not None
            raise KappaError(
                f"{self._topic_name}-{first[0]} offset {first[1]}: {first[2]} "
                f"({count:,} such records; `on_error: skip` leaves them out)"
            )
        self._connection.execute(f"DELETE {wrong}")
        return count

    def show(self, *, as_changes: bool = False) -> None:
        """The relation that the statement names: rows, a table's current rows, or all of its changes."""
        own = [quoted(column) for column in columns_of(self.topic)]
        columns = ", ".join((*_POSITION, *own)) if own else f"* EXCLUDE ({OPERATION}, {ERROR})"
        selected = f"SELECT {columns} FROM {self.stored}"
        if self.topic.table and as_changes:
            selected = f"SELECT {OPERATION}, {columns} FROM {self.stored}"
        elif self.topic.table:
            newest = (
                f"SELECT * FROM {self.stored} QUALIFY row_number() OVER (PARTITION BY _key ORDER BY _offset DESC) = 1"
            )
            selected = f"SELECT {columns} FROM ({newest}) WHERE {OPERATION} = 'u'"
        self._connection.execute(f"CREATE TEMP VIEW {quoted(self._relation)} AS {selected}")

    def _decode(self, topic: Topic) -> None:
        """What was read moves on to the rows."""
        rows = decoded(topic, self._records)
        self._connection.execute(f"CREATE TEMP TABLE IF NOT EXISTS {self.stored} AS FROM ({rows}) LIMIT 0")
        self._connection.execute(f"INSERT INTO {self.stored} {rows}")
        self._connection.execute(f"DELETE FROM {self._records}")

    def _insert(self, statement: str, added: pa.Table) -> None:
        self._connection.register("added", added)
        self._connection.execute(statement)
        self._connection.unregister("added")


_RECORD_COLUMNS = (
    "_partition INTEGER, _offset BIGINT, _timestamp TIMESTAMP, _key BLOB, _value BLOB, "
    "_headers STRUCT(key VARCHAR, value BLOB)[]"
)
_POSITION = ("_partition", "_offset", "_timestamp", "_key", "_headers")
