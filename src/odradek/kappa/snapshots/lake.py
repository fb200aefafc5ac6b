"""The Iceberg catalog of a definition."""

from pathlib import Path

from pyiceberg.catalog import Catalog, load_catalog
from pyiceberg.exceptions import RESTError
from sqlalchemy.exc import SQLAlchemyError

from odradek.kappa.definition.model import Lake
from odradek.kappa.snapshots.errors import SnapshotError

CATALOG = "odradek"
_SQLITE = "sqlite:///"


def open_catalog(lake: Lake, directory: Path) -> Catalog:
    """Paths are relative to the directory; what is missing of a SQLite catalog is made. Raises SnapshotError."""
    try:
        if not lake.catalog.startswith(_SQLITE):
            return load_catalog(CATALOG, type="rest", uri=lake.catalog, warehouse=lake.warehouse)
        path = directory / lake.catalog.removeprefix(_SQLITE)
        path.parent.mkdir(parents=True, exist_ok=True)
        return load_catalog(CATALOG, type="sql", uri=f"{_SQLITE}{path.resolve()}", warehouse=_url(lake, directory))
    except (OSError, SQLAlchemyError, RESTError, ValueError) as error:
        raise SnapshotError(f"the catalog {lake.catalog} cannot be opened: {' '.join(str(error).split())}") from error


def _url(lake: Lake, directory: Path) -> str:
    if "://" in lake.warehouse:
        return lake.warehouse
    warehouse = (directory / lake.warehouse).resolve()
    warehouse.mkdir(parents=True, exist_ok=True)
    return warehouse.as_uri()
