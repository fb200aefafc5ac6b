"""What is imported, as a DuckDB relation with a fingerprint that shows when it has changed."""

from __future__ import annotations

import glob
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from odradek.kappa.errors import KappaError
from odradek.kappa.importing.options import ImportOptions
from odradek.kappa.quoting import literal

ICEBERG = "iceberg:"
_ICEBERG_VIEW = "iceberg_source"
FILES_MAX = 10_000
_READERS = {
    ".parquet": "read_parquet({files}, union_by_name=true)",
    ".csv": "read_csv({files}, union_by_name=true, sample_size=-1, nullstr={nulls})",
    ".json": "read_json({files}, union_by_name=true)",
    ".jsonl": "read_json({files}, union_by_name=true, format='newline_delimited')",
    ".ndjson": "read_json({files}, union_by_name=true, format='newline_delimited')",
}
_READERS |= {".csv.gz": _READERS[".csv"], ".tsv": _READERS[".csv"], ".jsonl.gz": _READERS[".jsonl"]}


@dataclass(frozen=True, slots=True)
class Source:
    """Something to select from.

    Attributes:
        relation: SQL that stands after FROM.
        fingerprint: What must be the same when the import is resumed.
        is_ordered: Whether its rows come in the same order each time: files do, queries and tables do not.
        refresh: To be called before each query.
    """

    relation: str
    fingerprint: dict[str, Any]
    is_ordered: bool
    refresh: Callable[[], None] = lambda: None


def open_source(connection: duckdb.DuckDBPyConnection, options: ImportOptions) -> Source:
    """The source that the options name; raises KappaError."""
    if options.sql is not None:
        if options.sources:
            raise KappaError("--sql: give SOURCE or --sql, not both")
        return Source(f"({options.sql.strip().rstrip(';')})", {"sql": options.sql}, is_ordered=False)
    if not options.sources:
        raise KappaError("SOURCE: give files, iceberg:CATALOG_URI:NAMESPACE.TABLE, or --sql")
    if options.sources[0].startswith(ICEBERG):
        if len(options.sources) > 1:
            raise KappaError("SOURCE: an Iceberg table comes alone")
        return _open_iceberg(connection, options.sources[0])
    return _open_files(find_files(options.sources), options)


def find_files(patterns: tuple[str, ...]) -> list[Path]:
    """The files, absolute, as they are ordered: patterns as given, what one matches by name."""
    found: list[Path] = []
    for pattern in patterns:
        matches = sorted(glob.glob(pattern, recursive=True)) if glob.has_magic(pattern) else [pattern]
        files = [Path(match).absolute() for match in matches if Path(match).is_file()]
        if not files:
            raise KappaError(f"SOURCE {pattern}: no such file")
        found += files
    if len(found) > FILES_MAX:
        raise KappaError(f"SOURCE: {len(found):,} files; at most {FILES_MAX:,} at once")
    return found


def _open_files(files: list[Path], options: ImportOptions) -> Source:
    endings = {_ending(path) for path in files}
    if len(endings) > 1:
        raise KappaError(f"SOURCE: files of one kind at once, not {', '.join(sorted(endings))}")
    nulls = ", ".join(literal(text) for text in options.null_texts)
    names = ", ".join(literal(glob.escape(str(path))) for path in files)
    relation = _READERS[endings.pop()].format(files=f"[{names}]", nulls=f"[{nulls}]")
    facts = [[str(path), path.stat().st_size, path.stat().st_mtime_ns] for path in files]
    return Source(relation, {"files": facts}, is_ordered=True)


def _ending(path: Path) -> str:
    for ending in sorted(_READERS, key=len, reverse=True):
        if path.name.lower().endswith(ending):
            return ending
    raise KappaError(f"SOURCE {path}: its name must end with {', '.join(_READERS)}")


def _open_iceberg(connection: duckdb.DuckDBPyConnection, source: str) -> Source:
    from pyiceberg.catalog import load_catalog
    from pyiceberg.exceptions import NoSuchTableError

    uri, _, name = source.removeprefix(ICEBERG).rpartition(":")
    if not uri or "." not in name:
        raise KappaError(f"SOURCE {source}: must be iceberg:CATALOG_URI:NAMESPACE.TABLE")
    try:
        table = load_catalog("import", uri=uri).load_table(name)
    except NoSuchTableError:
        raise KappaError(f"SOURCE {source}: the catalog has no table {name}") from None
    snapshot = table.current_snapshot()
    snapshot_id = snapshot.snapshot_id if snapshot else None

    def register() -> None:
        # A reader is used up when it has been read once.
        connection.register(_ICEBERG_VIEW, table.scan(snapshot_id=snapshot_id).to_arrow_batch_reader())

    fingerprint = {"table": str(table.metadata.table_uuid), "snapshot": snapshot_id}
    return Source(_ICEBERG_VIEW, fingerprint, is_ordered=False, refresh=register)
