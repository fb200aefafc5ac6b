"""The metadata store of a simulated machine: the engine of the SQLite store over a journal on the simulated disk.

SQLite cannot run on a disk that exists in memory. What it promises (WAL, synchronous=FULL) is kept here by a file of
checked entries, one a group of transactions: a group is there as a whole or not at all, it is there once its commit
has returned, and after a crash before that it may be either. Every create, write and sync is a step of I/O in the
executor, at which a process may die; all above the journal (group commit, leases, watches) is the broker's own code.
"""

import asyncio
import errno
import os
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from zlib import crc32

import msgspec

from odradek.host import FileSystem
from odradek.host.files import read_file, write_all
from odradek.metastore.engine import Engine, Group, JournalFailed
from odradek.metastore.keyspace import Keyspace
from odradek.metastore.leases import Leases
from odradek.metastore.limits import Limits
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
    TxnResult,
)

FRAME_BYTES = 8
"""Length and CRC-32 before each entry."""


@dataclass
class Entry:
    """What one commit changes; an opening changes the generation alone."""

    items: list[KV] = field(default_factory=list)
    deleted: list[bytes] = field(default_factory=list)
    granted: list[Lease] = field(default_factory=list)
    removed: list[LeaseId] = field(default_factory=list)
    revision: Revision = 0
    generation: int = 0


@dataclass
class Content:
    """Everything the journal holds."""

    items: dict[bytes, KV] = field(default_factory=dict)
    leases: dict[LeaseId, Lease] = field(default_factory=dict)
    revision: Revision = 0
    generation: int = 0

    def apply(self, entry: Entry) -> None:
        self.items.update((item.key, item) for item in entry.items)
        for key in entry.deleted:
            self.items.pop(key, None)
        self.leases.update((lease.id, lease) for lease in entry.granted)
        for lease_id in entry.removed:
            self.leases.pop(lease_id, None)
        self.revision = max(self.revision, entry.revision)
        self.generation = max(self.generation, entry.generation)


class Journal:
    """One open file; its methods block."""

    def __init__(self, files: FileSystem, path: str) -> None:
        self._files, self._path = files, path
        self._fd, self._end = -1, 0

    def open(self) -> Content:
        """Read what is whole, cut the rest, count one more opening; durable on return."""
        content = Content()
        self._fd = self._files.open(self._path, os.O_RDWR | os.O_CREAT)
        self._files.drop_cached(self._fd)  # What a sync has failed to store is not there, whatever the cache says.
        data = read_file(self._files, self._path)
        for entry, end in entries(data):
            content.apply(entry)
            self._end = end
        if self._end < len(data):
            self._files.truncate(self._fd, self._end)
        content.generation += 1
        self.append(Entry(revision=content.revision, generation=content.generation))
        self._files.sync_directory(self._path.rpartition("/")[0])
        return content

    def append(self, entry: Entry) -> None:
        """Durable on return. Raises OSError; then nothing was added, unless it came from the sync."""
        data = msgspec.msgpack.encode(entry)
        frame = len(data).to_bytes(4, "big") + crc32(data).to_bytes(4, "big") + data
        try:
            write_all(self._files, self._fd, frame, self._end)
        except OSError:
            self._files.truncate(self._fd, self._end)
            raise
        self._files.datasync(self._fd)
        self._end += len(frame)

    def commit(self, group: Group) -> "asyncio.Future[None]":
        """As the engine's journal."""
        changes = group.stage.final_changes()
        entry = Entry(
            [item for item in changes.values() if item is not None],
            [key for key, item in changes.items() if item is None],
            list(group.granted),
            list(group.removed),
            group.stage.revision,
        )
        return asyncio.get_running_loop().run_in_executor(None, self._write, entry)

    def _write(self, entry: Entry) -> None:
        try:
            self.append(entry)
        except OSError as error:
            if error.errno == errno.ENOSPC:
                raise StoreFull(f"no space left for the metadata store: {error}") from error
            raise JournalFailed(str(error)) from error

    def close(self) -> None:
        self._files.close(self._fd)


def entries(data: bytes) -> list[tuple[Entry, int]]:
    """The whole ones from the start on, each with the position of its end."""
    found, position = [], 0
    while position + FRAME_BYTES <= len(data):
        size, crc = (int.from_bytes(data[at : at + 4], "big") for at in (position, position + 4))
        content = data[position + FRAME_BYTES : position + FRAME_BYTES + size]
        if not size or len(content) < size or crc32(content) != crc:
            break
        position += FRAME_BYTES + size
        found.append((msgspec.msgpack.decode(content, type=Entry), position))
    return found


class JournalStore:
    """Implements MetadataStore for one life of a process; its directory has to be there."""

    def __init__(self, files: FileSystem, path: str) -> None:
        self._journal = Journal(files, path)
        self._limits = Limits()
        self._engine: Engine | None = None

    async def open(self) -> StoreInfo:
        """Raises OSError."""
        loop, limits = asyncio.get_running_loop(), self._limits
        content = await loop.run_in_executor(None, self._journal.open)
        leases, items = Leases(), list(content.items.values())
        leases.restore(content.leases.values(), items, loop.time())
        keyspace = Keyspace(items, content.revision, history_events_max=limits.history_events_max)
        self._engine = Engine(keyspace, leases, self._journal, loop.time, limits)
        self._engine.number_leases_from(content.generation << 32)
        return StoreInfo("journal", content.generation, content.revision, limits.max_operations, limits.max_bytes)

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

    async def close(self) -> None:
        engine, self._engine = self._engine, None
        if engine is not None:
            await engine.close()
            await asyncio.get_running_loop().run_in_executor(None, self._journal.close)

    def _opened(self) -> Engine:
        if self._engine is None:
            raise NotApplied("the metadata store is not open")
        return self._engine
