"""One topic's Iceberg table: made, extended, appended to together with the offsets it then reaches to."""

import contextlib
from collections.abc import Callable, Mapping
from typing import Any

import pyarrow as pa
from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import NoSuchTableError, TableAlreadyExistsError, ValidationError
from pyiceberg.table import Table
from pyiceberg.transforms import (
    DayTransform,
    HourTransform,
    IdentityTransform,
    MonthTransform,
    YearTransform,
)

from odradek.kappa.snapshots.errors import SnapshotError
from odradek.kappa.snapshots.positions import PROPERTY, Positions, decode

SNAPSHOTS_MAX = 100
SNAPSHOTS_KEPT = 50
"""What is left when there are more than the most: a commit takes longer with each."""
PROPERTIES = {
    # A retry by itself would write rows again that an earlier try, or another writer, has written.
    "commit.retry.num-retries": "0",
    "commit.manifest-merge.enabled": "true",
    "write.parquet.compression-codec": "zstd",
    "write.metadata.delete-after-commit.enabled": "true",
    "write.metadata.previous-versions-max": "20",
}
_TRANSFORMS: Mapping[str, Callable[[], Any]] = {
    "hour": HourTransform,
    "day": DayTransform,
    "month": MonthTransform,
    "year": YearTransform,
    "identity": IdentityTransform,
}


class SnapshotTable:
    """`name` is `namespace.table`."""

    def __init__(self, catalog: Catalog, name: str) -> None:
        self._catalog = catalog
        self.name = name
        self._table: Table | None = None

    def load(self) -> bool:
        """Whether the table is there; then as it is now."""
        try:
            self._table = self._catalog.load_table(self.name)
        except NoSuchTableError:
            self._table = None
        return self._table is not None

    @property
    def table(self) -> Table:
        if self._table is None and not self.load():
            raise SnapshotError(f"there is no table {self.name} in the catalog")
        assert self._table is not None
        return self._table

    def positions(self) -> Positions | None:
        """Of what is committed, as of the last load."""
        return decode(self.table.properties.get(PROPERTY))

    def require(self, schema: pa.Schema, partition: str | None) -> None:
        """Make the table, or extend it by columns it lacks. Raises SnapshotError for any other difference."""
        if not self.load():
            self._catalog.create_namespace_if_not_exists(self.name.split(".")[0])
            with contextlib.suppress(TableAlreadyExistsError):  # Another writer has been faster.
                self._create(schema, partition)
            self.load()
        self._extend(schema)

    def append(self, rows: pa.Table, reached: Positions) -> None:
        """Rows and positions in one transaction. Whatever it raises, it may have been committed: `load` tells."""
        with self.table.transaction() as transaction:
            transaction.append(rows)
            transaction.set_properties({PROPERTY: reached.encode()})

    def expire(self) -> None:
        """Forget old versions of the table when there are many; no row is lost by that."""
        snapshots = sorted(self.table.snapshots(), key=lambda each: each.timestamp_ms)
        if len(snapshots) > SNAPSHOTS_MAX:
            old = [each.snapshot_id for each in snapshots[:-SNAPSHOTS_KEPT]]
            self.table.maintenance.expire_snapshots().by_ids(old).commit()
            self.load()

    def _create(self, schema: pa.Schema, partition: str | None) -> None:
        with self._catalog.create_table_transaction(self.name, schema, properties=PROPERTIES) as transaction:
            if partition is not None:
                transform, column = partition.removesuffix(")").split("(")
                with transaction.update_spec() as update:
                    update.add_field(column, _TRANSFORMS[transform](), f"{column}_{transform}")

    def _extend(self, schema: pa.Schema) -> None:
        known = {field.name for field in self.table.schema().fields}
        if gone := sorted(known - set(schema.names)):
            raise SnapshotError(
                f"{self.name} has a column {gone[0]} that the topic's schema lacks by now: add it again"
            )
        try:
            with self.table.update_schema() as update:
                update.union_by_name(schema)
        except (ValidationError, ValueError) as error:
            raise SnapshotError(f"{self.name} cannot take the topic's columns: {_one_line(error)}") from error


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
