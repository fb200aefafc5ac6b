"""The metadata store of one machine: SQLite (WAL, synchronous=FULL) behind one thread of its own.

The keys live in memory as well; reads never touch the disk. One process owns the database: it is locked exclusively.
"""

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from odradek.host.posix import PosixFiles
from odradek.metastore.engine import Engine, Group, JournalFailed
from odradek.metastore.keyspace import Keyspace
from odradek.metastore.leases import Leases
from odradek.metastore.limits import Limits
from odradek.metastore.sqlite_file import Loaded, accept_restored, open_database, write_group
from odradek.metastore.store import (
    KV,
    Compare,
    KeepaliveAck,
    Lease,
    LeaseId,
    NotApplied,
    Operation,
    Page,
    Progress,
    Revision,
    RevisionBatch,
    StoreFull,
    StoreInfo,
    StoreRegressed,
    TxnResult,
)
from odradek.metastore.witness import Witness

NOTHING_WRITTEN = (sqlite3.SQLITE_TOOBIG, sqlite3.SQLITE_NOMEM)
"""Errors after which SQLite has certainly rolled back; whoever asked may try again."""


def boot_time_s() -> float:
    """Seconds since boot, going on while the machine sleeps (where the system has such a clock)."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


def read_mounts() -> str:
    """The mount table, empty where the system has none in this form (macOS)."""
    path = Path("/proc/mounts")
    return path.read_text() if path.exists() else ""


class _SqliteJournal:
    def __init__(self, thread: ThreadPoolExecutor, connection: sqlite3.Connection, witness: Witness) -> None:
        self._thread, self._connection, self._witness = thread, connection, witness

    def commit(self, group: Group) -> "asyncio.Future[None]":
        written = asyncio.get_running_loop().run_in_executor(self._thread, self._write, group)
        written.add_done_callback(partial(self._note, group.stage.revision))
        return written

    def _note(self, revision: Revision, written: "asyncio.Future[None]") -> None:
        if not written.cancelled() and written.exception() is None:
            self._witness.note(revision)

    def _write(self, group: Group) -> None:
        try:
            write_group(self._connection, group)
        except sqlite3.Error as error:
            if error.sqlite_errorcode == sqlite3.SQLITE_FULL:
                raise StoreFull(f"no space left for the metadata store: {error}") from error
            if error.sqlite_errorcode in NOTHING_WRITTEN:
                raise NotApplied(f"the metadata store cannot be written: {error}") from error
            raise JournalFailed(str(error)) from error


class StoreRestored(StoreRegressed):
    """The database was put back from an older backup; its user may accept it at this `revision`."""

    def __init__(self, path: str, revision: Revision, seen: Revision) -> None:
        super().__init__(f"{path} is an older backup: it ends at revision {revision}, the data has seen {seen}")
        self.revision = revision


class SqliteStore:
    """Implements MetadataStore. A store behind its `witness` is refused, except at the revision that is `accepted`."""

    def __init__(
        self,
        path: str,
        *,
        limits: Limits | None = None,
        witness: Witness | None = None,
        accepted: Revision | None = None,
        clock: Callable[[], float] = boot_time_s,
        mounts: Callable[[], str] = read_mounts,
    ) -> None:
        self.path = path
        self._limits = limits or Limits()
        self._witness, self._accepted = witness or Witness(PosixFiles(), ()), accepted
        self._clock, self._mounts = clock, mounts
        self._thread: ThreadPoolExecutor | None = None
        self._connection: sqlite3.Connection | None = None
        self._engine: Engine | None = None

    async def open(self) -> StoreInfo:
        """Raises StoreUnusable (network file system, newer format, damaged, in use), StoreRestored."""
        loop = asyncio.get_running_loop()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="metastore")
        try:
            opened = await loop.run_in_executor(self._thread, open_database, self.path, self._mounts())
            self._connection, loaded = opened
            loaded = await loop.run_in_executor(self._thread, self._compare, self._connection, loaded)
        except BaseException:
            await self._close_database()
            raise
        self._engine = self._start_engine(self._thread, self._connection, loaded)
        limits = self._limits
        self._witness.note(loaded.revision)
        return StoreInfo(
            loaded.uuid,
            loaded.generation,
            loaded.revision,
            limits.max_operations,
            limits.max_bytes,
            loaded.restored,
            loaded.lost,
        )

    def _compare(self, connection: sqlite3.Connection, loaded: Loaded) -> Loaded:
        """With the witness. An empty store is no backup: what to make of it is the user's to say."""
        seen = self._witness.read()
        if loaded.revision == 0 or loaded.revision >= seen:
            return loaded
        if loaded.revision != self._accepted:
            raise StoreRestored(self.path, loaded.revision, seen)
        return accept_restored(connection, loaded, seen)

    def _start_engine(self, thread: ThreadPoolExecutor, connection: sqlite3.Connection, loaded: Loaded) -> Engine:
        limits, leases = self._limits, Leases()
        leases.restore(loaded.leases, loaded.items, self._clock())
        keyspace = Keyspace(loaded.items, loaded.revision, history_events_max=limits.history_events_max)
        engine = Engine(keyspace, leases, _SqliteJournal(thread, connection, self._witness), self._clock, limits)
        engine.number_leases_from(loaded.generation << 32)
        return engine

    async def get(self, key: bytes) -> tuple[KV | None, Revision]:
        return self._opened().get(key)

    def scan(self, prefix: bytes, *, at: Revision = 0) -> AsyncIterator[Page]:
        return self._opened().scan(prefix, at)

    async def txn(
        self,
        when: Sequence[Compare],
        then: Sequence[Operation],
        otherwise: Sequence[Operation] = (),
        *,
        timeout: float,
    ) -> TxnResult:
        return await self._opened().txn(when, then, otherwise, timeout)

    def watch(self, prefix: bytes, *, after: Revision) -> AsyncIterator[RevisionBatch | Progress]:
        return self._opened().watch(prefix, after)

    async def grant(self, ttl: float) -> Lease:
        return await self._opened().grant(ttl)

    def keepalive(self, lease: LeaseId) -> AsyncIterator[KeepaliveAck]:
        return self._opened().keepalive(lease)

    async def revoke(self, lease: LeaseId) -> None:
        await self._opened().revoke(lease)

    async def compact(self, before: Revision) -> None:
        self._opened().compact(before)

    async def backup(self, path: str) -> None:
        """Copy the database through SQLite's own API: nothing else may open its files."""
        self._opened()
        assert self._thread is not None
        assert self._connection is not None
        await asyncio.get_running_loop().run_in_executor(self._thread, _backup, self._connection, path)

    async def close(self) -> None:
        """Finish what was asked for, then close the file; twice is allowed."""
        engine, self._engine = self._engine, None
        if engine is not None:
            await engine.close()
            await self._witness.settled()
        await self._close_database()

    async def _close_database(self) -> None:
        thread, self._thread = self._thread, None
        connection, self._connection = self._connection, None
        if thread is None:
            return
        if connection is not None:
            await asyncio.get_running_loop().run_in_executor(thread, connection.close)
        thread.shutdown(wait=False)

    def _opened(self) -> Engine:
        if self._engine is None:
            raise NotApplied("the metadata store is not open")
        return self._engine


def _backup(connection: sqlite3.Connection, path: str) -> None:
    target = sqlite3.connect(path)
    try:
        connection.backup(target)
    finally:
        target.close()
