"""A store's life on the event loop: a queue of requests, group commit to a journal, watches and leases.

A request is decided against a `Stage`; a whole group of them goes to the `Journal` in one write; when that is durable
the group is applied and every request gets its own outcome. Everything here runs on the loop, nothing blocks it.
"""

import asyncio
import contextvars
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Generic, Protocol, TypeVar

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
    NotApplied,
    Operation,
    OutcomeUnknown,
    Page,
    Progress,
    Revision,
    RevisionBatch,
    StoreFailed,
    TxnResult,
)
from odradek.metastore.watching import Changes, follow

T = TypeVar("T")


@dataclass(slots=True)
class Group:
    """What one group of requests changes, as the journal writes it."""

    stage: Stage
    granted: list[Lease] = field(default_factory=list)
    removed: list[LeaseId] = field(default_factory=list)

    @property
    def is_empty(self) -> bool:
        return not (self.stage.commits or self.granted or self.removed)


class Journal(Protocol):
    def commit(self, group: Group) -> "asyncio.Future[None]":
        """Make the group durable. Fails with NotApplied (nothing written) or JournalFailed."""
        ...


class JournalFailed(Exception):
    """Nobody knows what is on disk: the store takes no more writes."""


@dataclass(slots=True, eq=False)
class _Request(Generic[T]):
    decide: Callable[[Group], T]
    future: "asyncio.Future[T]"
    begun: bool = False
    outcome: T | None = None


class Engine:
    """`clock` gives seconds that never jump; lease ids carry the generation, so that none is ever used twice."""

    def __init__(
        self, keyspace: Keyspace, leases: Leases, journal: Journal, clock: Callable[[], float], limits: Limits
    ) -> None:
        self._keyspace, self._leases, self._journal = keyspace, leases, journal
        self._clock, self._limits = clock, limits
        self._context = contextvars.copy_context()
        self._loop = asyncio.get_running_loop()
        self._queue: deque[_Request[object]] = deque()
        self._committing = False
        self._changes = Changes(self._loop)
        self._timer: asyncio.TimerHandle | None = None
        self._idle: asyncio.Future[None] | None = None
        self._closed: str | None = None
        self._failed: str | None = None
        self._last_lease = 0
        self._arm_lease_timer()

    # --- reads ---

    @property
    def revision(self) -> Revision:
        return self._keyspace.revision

    def get(self, key: bytes) -> tuple[KV | None, Revision]:
        self._check_open()
        return self._keyspace.get(key), self._keyspace.revision

    async def scan(self, prefix: bytes, at: Revision) -> AsyncIterator[Page]:
        self._check_open()
        revision = at or self._keyspace.revision
        items = self._keyspace.items_at(prefix, revision)
        size = self._limits.page_items
        for start in range(0, max(len(items), 1), size):
            yield Page(tuple(items[start : start + size]), revision)

    def watch(self, prefix: bytes, after: Revision) -> AsyncIterator[RevisionBatch | Progress]:
        return follow(prefix, after, self._next_commit, self._changes.next)

    def _next_commit(self, after: Revision) -> Commit | None:
        self._check_open()
        return self._keyspace.next_commit(after)

    # --- requests ---

    async def txn(
        self, when: Sequence[Compare], then: Sequence[Operation], otherwise: Sequence[Operation], timeout: float
    ) -> TxnResult:
        check_limits(when, then, otherwise, self._limits)
        return await self._settle(self._submit_txn(when, then, otherwise), timeout)

    def txn_soon(self, when: Sequence[Compare], then: Sequence[Operation], otherwise: Sequence[Operation]) -> None:
        """A transaction nobody waits for any more; dropped when the store is closed."""
        if self._closed is None:
            self._submit_txn(when, then, otherwise)

    def _submit_txn(
        self, when: Sequence[Compare], then: Sequence[Operation], otherwise: Sequence[Operation]
    ) -> "_Request[TxnResult]":
        def decide(group: Group) -> TxnResult:
            return group.stage.transact(
                when, then, otherwise, lambda lease: self._leases.exists(lease) and lease not in group.removed
            )

        return self._submit(decide)

    def _submit(self, decide: Callable[[Group], T]) -> _Request[T]:
        self._check_open()
        if len(self._queue) >= self._limits.pending_requests_max:
            raise NotApplied(f"more than {self._limits.pending_requests_max} requests are waiting")
        future: asyncio.Future[T] = self._loop.create_future()
        future.add_done_callback(_retrieve)
        request = _Request(decide, future)
        if not self._queue and not self._committing:
            self._loop.call_soon(self._begin_group, context=self._context)
        self._queue.append(request)  # type: ignore[arg-type]
        return request

    async def _settle(self, request: _Request[T], timeout: float) -> T:
        await asyncio.wait([request.future], timeout=timeout)
        if request.future.done():
            return request.future.result()
        if request.begun:
            raise OutcomeUnknown(f"no answer within {timeout} s")
        request.future.cancel()
        raise NotApplied(f"not begun within {timeout} s")

    # --- group commit ---

    def _begin_group(self) -> None:
        group, requests = Group(Stage(self._keyspace)), list[_Request[object]]()
        while self._queue and len(requests) < self._limits.group_requests_max:
            request = self._queue.popleft()
            if not request.future.done() and self._decide(request, group):
                requests.append(request)
        if group.is_empty:
            _answer(requests)
            self._go_on()
            return
        self._committing = True
        written = self._journal.commit(group)
        written.add_done_callback(lambda done: self._finish_group(done, group, requests), context=self._context)

    def _decide(self, request: _Request[object], group: Group) -> bool:
        request.begun = True
        try:
            request.outcome = request.decide(group)
        except Exception as error:  # one bad request must not take the others of its group with it
            request.future.set_exception(error)
            return False
        return True

    def _finish_group(self, written: "asyncio.Future[None]", group: Group, requests: list[_Request[object]]) -> None:
        self._committing = False
        error = written.exception()
        if error is None:
            self._apply(group)
            _answer(requests)
        elif isinstance(error, NotApplied):
            _refuse(requests, error)
        else:
            self._closed = self._failed = f"the metadata store failed: {error}"
            _refuse(requests, OutcomeUnknown(self._failed))
            self._refuse_queue()
            self._changes.announce()
        self._go_on()

    def _apply(self, group: Group) -> None:
        now = self._clock()
        for lease in group.granted:
            self._leases.add(lease, now)
        self._leases.follow(group.stage.commits)
        for lease_id in group.removed:
            self._leases.remove(lease_id)
        self._keyspace.apply(group.stage.commits)
        self._arm_lease_timer()
        self._changes.announce()

    def _go_on(self) -> None:
        if self._queue:
            self._loop.call_soon(self._begin_group, context=self._context)
        elif self._idle is not None and not self._idle.done():
            self._idle.set_result(None)

    # --- leases ---

    async def grant(self, ttl: float) -> Lease:
        def decide(group: Group) -> Lease:
            self._last_lease += 1
            lease = Lease(self._last_lease, ttl)
            group.granted.append(lease)
            return lease

        return await self._submit(decide).future

    def number_leases_from(self, first: LeaseId) -> None:
        self._last_lease = first

    async def keepalive(self, lease: LeaseId) -> AsyncIterator[KeepaliveAck]:
        while True:
            ttl = self.renew(lease)
            yield KeepaliveAck(lease, ttl)
            await asyncio.sleep(ttl / self._limits.keepalives_per_ttl)

    def renew(self, lease: LeaseId) -> float:
        self._check_open()
        return self._leases.renew(lease, self._clock())

    async def revoke(self, lease: LeaseId) -> None:
        await self._submit(partial(self._revoke, lease)).future

    def _revoke(self, lease: LeaseId, group: Group) -> None:
        if not self._leases.exists(lease) or lease in group.removed:
            return
        keys = group.stage.keys_of_lease(lease, self._leases.keys(lease))
        group.stage.run([Delete(key) for key in keys])
        group.removed.append(lease)

    def _arm_lease_timer(self) -> None:
        if self._timer is not None or self._closed is not None:
            return
        deadline = self._leases.next_deadline()
        if deadline is not None:
            delay = max(deadline - self._clock(), 0.0)
            self._timer = self._loop.call_later(delay, self.expire_leases, context=self._context)

    def expire_leases(self) -> None:
        """Remove what is due now; the timer goes on with what is due next."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._closed is None:
            for lease in self._leases.take_expired(self._clock()):
                self._submit(partial(self._revoke, lease))
        self._arm_lease_timer()

    # --- compaction, end ---

    def compact(self, before: Revision) -> None:
        self._check_open()
        self._keyspace.compact(before)

    async def close(self) -> None:
        """Everything asked for before is finished; what comes later is refused."""
        while self._queue or self._committing:
            self._idle = self._loop.create_future()
            await self._idle
        self._closed = self._closed or "the metadata store is closed"
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._changes.announce()

    def _check_open(self) -> None:
        if self._failed is not None:
            raise StoreFailed(self._failed)
        if self._closed is not None:
            raise NotApplied(self._closed)

    def _refuse_queue(self) -> None:
        waiting, self._queue = list(self._queue), deque()
        _refuse(waiting, NotApplied(self._closed or "refused"))


def _answer(requests: list[_Request[object]]) -> None:
    for request in requests:
        if not request.future.done():
            request.future.set_result(request.outcome)


def _refuse(requests: list[_Request[object]], error: Exception) -> None:
    for request in requests:
        if not request.future.done():
            request.future.set_exception(error)


def _retrieve(future: "asyncio.Future[T]") -> None:
    """Mark the outcome as seen: whoever asked may have gone."""
    if not future.cancelled():
        future.exception()
