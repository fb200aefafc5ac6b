"""Topics kept as Iceberg tables: an append-only change log, each record once, with the offsets it reaches to."""

from odradek.kappa.snapshots.lake import open_catalog
from odradek.kappa.snapshots.snapshotter import Snapshotter, Taken
from odradek.kappa.snapshots.table import SnapshotTable

__all__ = ["SnapshotTable", "Snapshotter", "Taken", "open_catalog"]
