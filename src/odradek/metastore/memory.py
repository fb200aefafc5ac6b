"""A metadata store in memory for tests and simulation, with the ways a remote store can misbehave.

`MemoryServer` holds the data and outlives any broker; each broker opens a `MemoryStore` on it. It uses nothing but
the event loop it runs on, so it works in virtual time.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from enum import Enum

from odradek.metastore.engine import Engine, Group, Limits
from odradek.metastore.keyspace import Keyspace
from odradek.metastore.leases import Leases
from odradek.metastore.store import (
    KV,
    Compare,
    KeepaliveAck,
    Lease,
    LeaseId,
    NotApplied,
    Operation,
    OutcomeUnknown,
    Page,
    Progress,
    Revision,
    RevisionBatch,
    StoreInfo,
    StoreRegressed,
    TxnResult,
)


class Fault(Enum):
    """What may happen to one transaction."""

    NONE = "applied and answered"
    REFUSED = "not applied, and said so"
    REPLY_LOST = "applied, but the reply is lost"
    APPLIED_LATE = "reported as lost, applied some time later"


@dataclass(slots=True)
class Faults:
    """Decides the fault of each transaction. `script` (if given) is asked first; then the rates, by `random`.

    `reply_delay_s_max` and `late_delay_s_max` bound the drawn delays, in seconds of the loop.
    """

    random: random.Random
    refused_rate: float = 0.0
    reply_lost_rate: float = 0.0
    applied_late_rate: float = 0.0
    reply_delay_s_max: float = 0.0
    late_delay_s_max: float = 1.0
    script: Callable[[Sequence[Operation]], Fault] | None = None

    def draw(self, operations: Sequence[Operation]) -> Fault:
        if self.script is not None and (scripted := self.script(operations)) is not Fault.NONE:
            return scripted
        drawn = self.random.random() if self.refused_rate + self.reply_lost_rate + self.applied_late_rate else 1.0
        for fault, rate in (
            (Fault.REFUSED, self.refused_rate),
            (Fault.REPLY_LOST, self.reply_lost_rate),
            (Fault.APPLIED_LATE, self.applied_late_rate),
        ):
            if drawn < rate:
                return fault
            drawn -= rate
        return Fault.NONE


class _NoJournal:
    """Durable at once, but never within the same step of the loop."""

    def commit(self, group: Group) -> "asyncio.Future[None]":
        future = asyncio.get_running_loop().create_future()
        future.set_result(None)
        return future


class MemoryServer:
    """The data. `uuid` names it; `backup()` and `restore()` play an operator who goes back to an old copy."""

    def __init__(self, uuid: str = "memory", *, limits: Limits | None = None, faults: Faults | None = None) -> None:
        self.uuid = uuid
        self.limits = limits or Limits()
        self.faults = faults or Faults(random.Random(0))
        self._generation = 0
        self._leases = Leases()
        self._keyspace = Keyspace(history_events_max=self.limits.history_events_max)
        self._engine: Engine | None = None

    @property
    def engine(self) -> Engine:
        if self._engine is None:
            self._generation += 1
            clock = asyncio.get_running_loop().time
            self._engine = Engine(self._keyspace, self._leases, _NoJournal(), clock, self.limits)
            self._engine.number_leases_from(self._generation << 32)
        return self._engine

    def info(self) -> StoreInfo:
        revision, limits = self.engine.revision, self.limits
        return StoreInfo(self.uuid, self._generation, revision, limits.max_operations, limits.max_bytes)

    def expire_all_leases(self) -> None:
        """Every lease ends now, at once: what etcd does after it was paused for longer than their TTL."""
        self._leases.expire_all(asyncio.get_running_loop().time())
        self.engine.expire_leases()

    def compact_everything(self) -> None:
        """Forget the whole history: watches that are behind raise Compacted."""
        self._keyspace.compact(self._keyspace.revision + 1)

    def backup(self) -> tuple[list[KV], Revision]:
        return list(self._keyspace.all_items()), self._keyspace.revision

    async def restore(self, backup: tuple[list[KV], Revision]) -> None:
        """Go back to a backup; it keeps the uuid, as etcd does. Open stores are cut off."""
        await self.engine.close()
        self._engine = None
        self._leases = Leases()
        self._keyspace = Keyspace(*backup, history_events_max=self.limits.history_events_max)


class MemoryStore:
    """One broker's connection to a MemoryServer. `seen` is the revision the broker knows from earlier."""

    def __init__(self, server: MemoryServer | None = None, *, seen: Revision = 0) -> None:
        self.server = server or MemoryServer()
        self._seen = seen
        self._open = False

    async def open(self) -> StoreInfo:
        self._open = True
        self._engine()
        return self.server.info()

    async def get(self, key: bytes) -> tuple[KV | None, Revision]:
        return self._engine().get(key)

    async def scan(self, prefix: bytes, *, at: Revision = 0) -> AsyncIterator[Page]:
        async for page in self._engine().scan(prefix, at):
            yield page
            await asyncio.sleep(0)

    async def txn(
        self,
        when: Sequence[Compare],
        then: Sequence[Operation],
        otherwise: Sequence[Operation] = (),
        *,
        timeout: float,
    ) -> TxnResult:
        engine, faults = self._engine(), self.server.faults
        fault = faults.draw(then)
        if fault is Fault.REFUSED:
            raise NotApplied("refused by the fault plan")
        if fault is Fault.APPLIED_LATE:
            delay = faults.random.uniform(0, faults.late_delay_s_max)
            asyncio.get_running_loop().call_later(delay, engine.txn_soon, when, then, otherwise)
            raise OutcomeUnknown("the reply was lost")
        result = await engine.txn(when, then, otherwise, timeout)
        if faults.reply_delay_s_max:
            await asyncio.sleep(faults.random.uniform(0, faults.reply_delay_s_max))
        if fault is Fault.REPLY_LOST:
            raise OutcomeUnknown("the reply was lost")
        return result

    async def watch(self, prefix: bytes, *, after: Revision) -> AsyncIterator[RevisionBatch | Progress]:
        async for change in self._engine().watch(prefix, after):
            yield change

    async def grant(self, ttl: float) -> Lease:
        return await self._engine().grant(ttl)

    async def keepalive(self, lease: LeaseId) -> AsyncIterator[KeepaliveAck]:
        async for ack in self._engine().keepalive(lease):
            yield ack

    async def revoke(self, lease: LeaseId) -> None:
        await self._engine().revoke(lease)

    async def compact(self, before: Revision) -> None:
        self._engine().compact(before)

    async def close(self) -> None:
        self._open = False

    def _engine(self) -> Engine:
        if not self._open:
            raise NotApplied("the metadata store is not open")
        engine = self.server.engine
        if engine.revision < self._seen:
            raise StoreRegressed(f"revision {self._seen} was seen before, but the store is at {engine.revision}")
        self._seen = engine.revision
        return engine
