"""A metadata store in memory for tests and simulation, with the ways a remote store can misbehave.

`MemoryServer` holds the data and outlives any broker, also the loop it ran on; each broker opens a `MemoryStore` on
it. Time is that of the loops, so it works in virtual time.
"""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from enum import Enum

from odradek.metastore.keyspace import Commit, Keyspace, Stage
from odradek.metastore.leases import Leases
from odradek.metastore.limits import Limits, check_limits
from odradek.metastore.store import (
    KV,
    Compare,
    Delete,
    KeepaliveAck,
    Lease,
    LeaseId,
    LeaseLost,
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
from odradek.metastore.watching import Changes, follow

SILENCE_S = 5.0
"""After so long without an answer an operation counts as failed."""
HELD_SHARE = 0.5
"""Of the transactions that were given up while the link was cut: they arrive when it is whole again."""


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


@dataclass(frozen=True, slots=True)
class _Late:
    """A transaction on its way: it arrives at `due`, whether or not whoever sent it still lives."""

    due: float
    when: tuple[Compare, ...]
    then: tuple[Operation, ...]
    otherwise: tuple[Operation, ...]


class _Connection(Changes):
    """A loop that is told of changes, and has one timer for what is due next."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self._timer: asyncio.TimerHandle | None = None

    def wake_at(self, due: float | None, on_due: Callable[[float], None]) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if due is not None and not self.loop.is_closed():
            self._timer = self.loop.call_at(due, lambda: on_due(self.loop.time()))

    def end(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self.announce()


class Link:
    """The way between one machine and the server; requests, answers or both may not get through.

    Like a network's, a cut shows by nothing but silence. What was sent into it arrives when it ends, if it still waits;
    a transaction that nobody waits for any more may arrive all the same (`_Late`).
    """

    def __init__(self) -> None:
        self.requests_pass = self.answers_pass = True
        self.connections: list[_Connection] = []
        self.held: list[Callable[[], None]] = []

    @property
    def is_whole(self) -> bool:
        return self.requests_pass and self.answers_pass

    def cut(self, *, requests: bool = True, answers: bool = True) -> None:
        self.requests_pass, self.answers_pass = not requests, not answers

    def heal(self) -> None:
        self.requests_pass = self.answers_pass = True
        held, self.held = self.held, []
        for arrive in held:
            arrive()
        self.connections = [each for each in self.connections if not each.loop.is_closed()]
        for connection in self.connections:
            connection.announce()


class MemoryServer:
    """The data. All loops that use it run in one thread and share one time; none is needed for it to live on.

    What is due (the end of a lease, a late transaction) happens at the first step of any connected loop after it.
    `uuid` names the store; `backup()` and `restore()` play an operator who goes back to an old copy.
    """

    def __init__(self, uuid: str = "memory", *, limits: Limits | None = None, faults: Faults | None = None) -> None:
        self.uuid = uuid
        self.limits = limits or Limits()
        self.faults = faults or Faults(random.Random(0))
        self.keyspace = Keyspace(history_events_max=self.limits.history_events_max)
        self._leases = Leases()
        self._last_lease = 0
        self._late: list[_Late] = []
        self._connections: list[_Connection] = []

    def connect(self, loop: asyncio.AbstractEventLoop) -> _Connection:
        """Tells the loop of changes from now on."""
        connection = _Connection(loop)
        self._connections.append(connection)
        self._arm()
        return connection

    def disconnect(self, connection: _Connection) -> None:
        if connection in self._connections:
            self._connections.remove(connection)
        connection.end()

    def transact(
        self, when: Sequence[Compare], then: Sequence[Operation], otherwise: Sequence[Operation] = ()
    ) -> TxnResult:
        """Applied at once. Raises LeaseLost."""
        stage = Stage(self.keyspace)
        result = stage.transact(when, then, otherwise, self._leases.exists)
        self._apply(stage)
        return result

    def _apply(self, stage: Stage) -> None:
        self._leases.follow(stage.commits)
        self.keyspace.apply(stage.commits)
        self._announce()

    def _announce(self) -> None:
        self._connections = [each for each in self._connections if not each.loop.is_closed()]
        for connection in self._connections:
            connection.announce()

    # --- time ---

    def catch_up(self, now: float) -> None:
        """Let happen what is due."""
        arrived = sorted((late for late in self._late if late.due <= now), key=lambda late: late.due)
        self._late = [late for late in self._late if late.due > now]
        for late in arrived:
            with contextlib.suppress(LeaseLost):
                self.transact(late.when, late.then, late.otherwise)
        for lease in self._leases.take_expired(now):
            self.revoke(lease)

    def send_late(
        self, due: float, when: Sequence[Compare], then: Sequence[Operation], otherwise: Sequence[Operation]
    ) -> None:
        self._late.append(_Late(due, tuple(when), tuple(then), tuple(otherwise)))
        self._arm()

    def _arm(self) -> None:
        """Have every connected loop look again when the next thing is due: any of them may die before."""
        deadline = self._leases.next_deadline()
        due = min([late.due for late in self._late] + ([] if deadline is None else [deadline]), default=None)
        for connection in self._connections:
            connection.wake_at(due, self._on_due)

    def _on_due(self, now: float) -> None:
        self.catch_up(now)
        self._arm()

    # --- leases ---

    def grant(self, ttl: float, now: float) -> Lease:
        self._last_lease += 1
        lease = Lease(self._last_lease, ttl)
        self._leases.add(lease, now)
        self._arm()
        return lease

    def renew(self, lease: LeaseId, now: float) -> float:
        """The TTL. Raises LeaseLost."""
        ttl = self._leases.renew(lease, now)
        self._arm()
        return ttl

    def revoke(self, lease: LeaseId) -> None:
        stage = Stage(self.keyspace)
        stage.run([Delete(key) for key in self._leases.keys(lease)])
        self._leases.remove(lease)
        self._apply(stage)

    # --- misbehaviour ---

    def expire_all_leases(self) -> None:
        """Every lease ends now, at once: what etcd does after it was paused for longer than their TTL."""
        now = asyncio.get_running_loop().time()
        self._leases.expire_all(now)
        self.catch_up(now)

    def compact_everything(self) -> None:
        """Forget the whole history: watches that are behind raise Compacted."""
        self.keyspace.compact(self.keyspace.revision + 1)

    def backup(self) -> tuple[list[KV], Revision]:
        return list(self.keyspace.all_items()), self.keyspace.revision

    def restore(self, backup: tuple[list[KV], Revision]) -> None:
        """Go back to a backup, whose leases have ended; the store keeps its uuid, as etcd does."""
        items, revision = backup
        kept = [item for item in items if not item.lease]
        self._leases = Leases()
        self.keyspace = Keyspace(kept, revision, history_events_max=self.limits.history_events_max)
        self._announce()


class MemoryStore:
    """One broker's connection to a MemoryServer. `seen` is the revision the broker knows from earlier."""

    def __init__(self, server: MemoryServer | None = None, *, seen: Revision = 0, link: Link | None = None) -> None:
        self.server = server or MemoryServer()
        self.seen = seen
        self._link = link or Link()
        self._connection: _Connection | None = None

    async def open(self) -> StoreInfo:
        """Raises NotApplied."""
        self._connection = self.server.connect(asyncio.get_running_loop())
        self._link.connections.append(self._connection)
        await self._pass()
        seen, self.seen = self.seen, 0
        server = self._reach()
        limits, revision = server.limits, server.keyspace.revision
        return StoreInfo(server.uuid, 1, revision, limits.max_operations, limits.max_bytes, seen=seen)

    def _reach(self) -> MemoryServer:
        """The server, with everything that is due. Raises NotApplied when not connected, StoreRegressed."""
        if self._connection is None:
            raise NotApplied("the metadata store is not open")
        self.server.catch_up(self._connection.loop.time())
        revision = self.server.keyspace.revision
        if revision < self.seen:
            raise StoreRegressed(f"revision {self.seen} was seen before, but the store is at {revision}")
        self.seen = revision
        return self.server

    async def _pass(self, timeout: float = SILENCE_S) -> None:
        """Returns once the link is whole. Raises NotApplied when it has not been for so long."""
        if self._link.is_whole or self._connection is None:
            return
        try:
            async with asyncio.timeout(timeout):
                while not self._link.is_whole and self._connection is not None:
                    await self._connection.next()
        except TimeoutError:
            raise NotApplied("the metadata store does not answer") from None

    async def get(self, key: bytes) -> tuple[KV | None, Revision]:
        await self._pass()
        keyspace = self._reach().keyspace
        return keyspace.get(key), keyspace.revision

    async def scan(self, prefix: bytes, *, at: Revision = 0) -> AsyncIterator[Page]:
        await self._pass()
        server = self._reach()
        revision = at or server.keyspace.revision
        items, size = server.keyspace.items_at(prefix, revision), server.limits.page_items
        for start in range(0, max(len(items), 1), size):
            yield Page(tuple(items[start : start + size]), revision)
            await asyncio.sleep(0)

    async def txn(
        self,
        when: Sequence[Compare],
        then: Sequence[Operation],
        otherwise: Sequence[Operation] = (),
        *,
        timeout: float,
    ) -> TxnResult:
        check_limits(when, then, otherwise, self.server.limits)
        if not self._link.is_whole:
            await self._send_into_silence(when, then, otherwise, timeout)
        self._reach()
        fault = self.server.faults.draw(then)
        if fault is Fault.REFUSED:
            raise NotApplied("refused by the fault plan")
        if fault is Fault.APPLIED_LATE:
            self._send_late(when, then, otherwise)
        else:
            await asyncio.sleep(0)
            result = self._reach().transact(when, then, otherwise)
            self.seen = self.server.keyspace.revision
            if fault is Fault.NONE and await self._reply_arrives(timeout):
                return result
        raise OutcomeUnknown("the reply was lost")

    async def _send_into_silence(
        self, when: Sequence[Compare], then: Sequence[Operation], otherwise: Sequence[Operation], timeout: float
    ) -> None:
        """Returns when the link is whole in time, the transaction not having arrived. Raises OutcomeUnknown."""
        link = self._link
        if link.requests_pass:
            with contextlib.suppress(LeaseLost):
                self._reach().transact(when, then, otherwise)
            with contextlib.suppress(NotApplied):
                await self._pass(timeout)
            raise OutcomeUnknown("the reply was lost")
        try:
            await self._pass(timeout)
        except NotApplied as error:
            if self.server.faults.random.random() < HELD_SHARE:
                link.held.append(lambda: self.server.send_late(0.0, when, then, otherwise))
            raise OutcomeUnknown(str(error)) from None

    def _send_late(self, when: Sequence[Compare], then: Sequence[Operation], otherwise: Sequence[Operation]) -> None:
        faults, loop = self.server.faults, asyncio.get_running_loop()
        due = loop.time() + faults.random.uniform(0, faults.late_delay_s_max)
        self.server.send_late(due, when, then, otherwise)

    async def _reply_arrives(self, timeout: float) -> bool:
        faults = self.server.faults
        delay = faults.random.uniform(0, faults.reply_delay_s_max) if faults.reply_delay_s_max else 0.0
        await asyncio.sleep(min(delay, timeout))
        return delay <= timeout

    def watch(self, prefix: bytes, *, after: Revision) -> AsyncIterator[RevisionBatch | Progress]:
        return follow(prefix, after, self._next_commit, self._next_change)

    def _next_commit(self, after: Revision) -> Commit | None:
        if not self._link.is_whole:
            return None
        return self._reach().keyspace.next_commit(after)

    def _next_change(self) -> "asyncio.Future[None]":
        assert self._connection is not None
        return self._connection.next()

    async def grant(self, ttl: float) -> Lease:
        await self._pass()
        return self._reach().grant(ttl, asyncio.get_running_loop().time())

    async def keepalive(self, lease: LeaseId) -> AsyncIterator[KeepaliveAck]:
        while True:
            await self._pass()
            ttl = self._reach().renew(lease, asyncio.get_running_loop().time())
            yield KeepaliveAck(lease, ttl)
            await asyncio.sleep(ttl / self.server.limits.keepalives_per_ttl)

    async def revoke(self, lease: LeaseId) -> None:
        await self._pass()
        self._reach().revoke(lease)

    async def compact(self, before: Revision) -> None:
        await self._pass()
        self._reach().keyspace.compact(before)

    async def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            self._link.connections = [each for each in self._link.connections if each is not connection]
            self.server.disconnect(connection)
