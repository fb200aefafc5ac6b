"""The database file of the SQLite store: schema, opening with its refusals, loading, writing a group.

Every function here blocks and runs on the store's own thread. Statements write many rows at once: the interpreter
lock is given up and fought for once per statement, and a busy event loop would make each fight slow.
"""

import os
import sqlite3
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice
from pathlib import Path
from typing import TypeVar

from odradek.metastore.engine import Group
from odradek.metastore.store import KV, Lease, Revision, StoreError

T = TypeVar("T")

FORMAT = 1
"""Version of the schema and of what the keys mean; `odradek.format` in the table `meta`."""

ROWS_PER_STATEMENT = 400
CACHE_KIB = 256
"""Of SQLite: everything is read once, at the opening, and what a write needs of the tree is in the system's cache."""
UNSEEN_REVISIONS_MAX = 1_000
"""So many revisions the witness may be behind when the process dies, generously."""
NETWORK_FILE_SYSTEMS = ("nfs", "cifs", "smb", "9p", "afs", "ceph", "glusterfs", "lustre", "gfs2", "ocfs2", "fuse")

SCHEMA = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE kv (
    key BLOB PRIMARY KEY, value BLOB NOT NULL, create_revision INTEGER NOT NULL, mod_revision INTEGER NOT NULL,
    version INTEGER NOT NULL, lease INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE lease (id INTEGER PRIMARY KEY, ttl REAL NOT NULL);
"""


class StoreUnusable(StoreError):
    """The database cannot be opened; the message is one line for the operator."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """Everything the database holds."""

    uuid: str
    generation: int
    revision: Revision
    items: list[KV]
    leases: list[Lease]
    restored: Revision
    lost: int


def open_database(path: str, mounts: str) -> tuple[sqlite3.Connection, Loaded]:
    """Open or create, check, count one more generation, load. `mounts` is the content of /proc/mounts.

    Raises StoreUnusable.
    """
    refuse_network_file_system(str(Path(path).parent.resolve()), mounts)
    try:
        connection = sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)
        try:
            _configure(connection)
            return connection, _prepare(connection, path)
        except BaseException:
            connection.close()
            raise
    except sqlite3.Error as error:
        raise StoreUnusable(_explain(path, error)) from error


def _configure(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA locking_mode=EXCLUSIVE")
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute(f"PRAGMA cache_size=-{CACHE_KIB}")


def _prepare(connection: sqlite3.Connection, path: str) -> Loaded:
    connection.execute("BEGIN EXCLUSIVE")
    if not connection.execute("SELECT 1 FROM sqlite_master").fetchone():
        _create(connection)
    check_format(connection, path)
    check_integrity(connection, path)
    connection.execute("UPDATE meta SET value = value + 1 WHERE name = 'generation'")
    connection.execute("COMMIT")
    _sync_directory(path)
    return _load(connection)


def _create(connection: sqlite3.Connection) -> None:
    for statement in SCHEMA.split(";"):
        connection.execute(statement)
    first = {"odradek.format": FORMAT, "uuid": str(uuid.uuid4()), "generation": 0, "revision": 0}
    connection.executemany("INSERT INTO meta VALUES (?, ?)", first.items())


def _sync_directory(path: str) -> None:
    """A new database must not vanish with the power: SQLite syncs the file, this its name."""
    descriptor = os.open(Path(path).parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def check_format(connection: sqlite3.Connection, path: str) -> None:
    row = connection.execute("SELECT value FROM meta WHERE name = 'odradek.format'").fetchone()
    if row is None or not isinstance(row[0], int):
        raise StoreUnusable(f"{path} is not a metadata store of Odradek")
    if row[0] > FORMAT:
        raise StoreUnusable(
            f"{path} has odradek.format={row[0]}, this version reads up to {FORMAT}: use the newer Odradek"
        )


def check_integrity(connection: sqlite3.Connection, path: str) -> None:
    row = connection.execute("PRAGMA quick_check(1)").fetchone()
    if row[0] != "ok":
        raise StoreUnusable(f"{path} is damaged ({' '.join(str(row[0]).split())}): restore it from a backup")


def _load(connection: sqlite3.Connection) -> Loaded:
    meta = dict(connection.execute("SELECT name, value FROM meta").fetchall())
    rows = connection.execute("SELECT key, value, create_revision, mod_revision, version, lease FROM kv").fetchall()
    leases = [Lease(*row) for row in connection.execute("SELECT id, ttl FROM lease").fetchall()]
    items = [KV(*row) for row in rows]
    restored, lost = meta.get("restored", 0), meta.get("lost", 0)
    return Loaded(meta["uuid"], meta["generation"], meta["revision"], items, leases, restored, lost)


def accept_restored(connection: sqlite3.Connection, loaded: Loaded, seen: Revision) -> Loaded:
    """Put a restored store ahead of every revision that was given before, durable on return.

    Counters whose values went back follow it by `lost`: none of them rises by more than one step in a revision.
    """
    revision = seen + UNSEEN_REVISIONS_MAX
    lost = revision - loaded.revision
    rows = {"revision": revision, "restored": revision, "lost": lost}
    connection.execute("BEGIN IMMEDIATE")
    connection.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", rows.items())
    connection.execute("COMMIT")
    return replace(loaded, revision=revision, restored=revision, lost=lost)


def write_group(connection: sqlite3.Connection, group: Group) -> None:
    """One SQLite transaction, durable on return. Raises sqlite3.Error after rolling back."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        _write_rows(connection, group)
        connection.execute("COMMIT")
    except sqlite3.Error:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _write_rows(connection: sqlite3.Connection, group: Group) -> None:
    changes = group.stage.final_changes()
    items = [item for item in changes.values() if item is not None]
    _upsert(connection, "kv", 6, [_row(item) for item in items])
    _delete(connection, "kv", "key", [key for key, item in changes.items() if item is None])
    _upsert(connection, "lease", 2, [(lease.id, lease.ttl) for lease in group.granted])
    _delete(connection, "lease", "id", group.removed)
    connection.execute("UPDATE meta SET value = ? WHERE name = 'revision'", (group.stage.revision,))


def _row(item: KV) -> tuple[object, ...]:
    return item.key, item.value, item.create_revision, item.mod_revision, item.version, item.lease


def _chunks(rows: Iterable[T]) -> Iterable[list[T]]:
    iterator = iter(rows)
    while chunk := list(islice(iterator, ROWS_PER_STATEMENT)):
        yield chunk


def _upsert(connection: sqlite3.Connection, table: str, columns: int, rows: Sequence[tuple[object, ...]]) -> None:
    row = f"({','.join('?' * columns)})"
    for chunk in _chunks(rows):
        values = tuple(chain.from_iterable(chunk))
        connection.execute(f"INSERT OR REPLACE INTO {table} VALUES {','.join([row] * len(chunk))}", values)


def _delete(connection: sqlite3.Connection, table: str, column: str, keys: Sequence[object]) -> None:
    for chunk in _chunks(keys):
        connection.execute(f"DELETE FROM {table} WHERE {column} IN ({','.join('?' * len(chunk))})", chunk)


def refuse_network_file_system(directory: str, mounts: str) -> None:
    """SQLite's locks and syncs cannot be relied on there. Raises StoreUnusable."""
    point, kind = "", ""
    for line in mounts.splitlines():
        _, mounted_on, file_system, *_ = line.split(" ")
        mounted_on = mounted_on.encode().decode("unicode_escape")
        inside = directory == mounted_on or directory.startswith(mounted_on.rstrip("/") + "/")
        if inside and len(mounted_on) >= len(point):
            point, kind = mounted_on, file_system
    if kind.startswith(NETWORK_FILE_SYSTEMS):
        raise StoreUnusable(f"{directory} is on a network file system ({kind}): the metadata store needs a local disk")


def _explain(path: str, error: sqlite3.Error) -> str:
    if error.sqlite_errorcode in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return f"{path} is in use by another process"
    if error.sqlite_errorcode in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
        return f"{path} is damaged ({error}): restore it from a backup"
    return f"cannot open the metadata store {path}: {error}"
