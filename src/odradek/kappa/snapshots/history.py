"""What the log does not hold any more, from a snapshot."""

from collections.abc import Mapping

import pyarrow as pa

from odradek.kappa.client import Range
from odradek.kappa.snapshots.table import SnapshotTable


def read_history(table: SnapshotTable, ranges: Mapping[int, Range]) -> pa.RecordBatchReader | None:
    """Rows of these offsets, in any order; None when there are none to read."""
    parts = [
        f"(_partition = {partition} and _offset >= {each.start} and _offset < {each.end})"
        for partition, each in ranges.items()
        if each.start < each.end
    ]
    return table.table.scan(row_filter=" or ".join(parts)).to_arrow_batch_reader() if parts else None
