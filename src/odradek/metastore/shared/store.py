"""The store of another process, over its socket: goes on by itself when that process was started anew.

What only reads, or changes nothing when it is done twice, is repeated over the next connection. A transaction never
is: when the connection ends before its reply, its outcome is unknown.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from typing import TypeVar

from odradek.metastore.limits import Limits, check_limits
from odradek.metastore.shared.connector import Connector
from odradek.metastore.shared.link import DisconnectedError, Link, Stream
from odradek.metastore.shared.messages import (
    REQUESTS_MAX,
    STREAMS_MAX,
    Changed,
    Compact,
    Done,
    Found,
    Get,
    Grant,
    Granted,
    Items,
    Outcome,
    Reached,
    Renew,
    Renewed,
    ReplyBody,
    RequestBody,
    Revoke,
    Scan,
    Txn,
    Watch,
)
from odradek.metastore.shared.translation import batch_of, comparisons_of, items_of, writes_of
from odradek.metastore.store import (
    KV,
    Compare,
    KeepaliveAck,
    Lease,
    LeaseId,
    LimitExceeded,
    NotApplied,
    Operation,
    OutcomeUnknown,
    Page,
    Progress,
    Revision,
    RevisionBatch,
    StoreError,
    StoreInfo,
    TxnResult,
)

Body = TypeVar("Body", bound=ReplyBody)

OPEN_TIMEOUT_S = 15.0
REQUEST_TIMEOUT_S = 5.0
"""Of what is not a transaction; also how long a scan or watch waits for a connection."""
REPLY_GRACE_S = 0.25
"""The store counts a transaction's timeout too and says exactly what became of it."""
WAITING_MAX = 10_000
"""Requests that wait until one of those being answered is done."""


class SocketStore:
    """Implements MetadataStore. `path` is where a StoreServer listens."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._connector = Connector(path)
        self._limits = Limits()
        self._slots = asyncio.Semaphore(REQUESTS_MAX)
        self._waiting = 0
        self._streams = 0

    async def open(self) -> StoreInfo:
        """Raises NotApplied when nobody answers at the path, StoreFailed."""
        info = await self._connector.start(OPEN_TIMEOUT_S)
        self._limits = Limits(max_operations=info.max_operations, max_bytes=info.max_bytes)
        return info

    async def get(self, key: bytes) -> tuple[KV | None, Revision]:
        found = await self._repeat(Get(key), Found)
        self._connector.saw(found.revision)
        return None if found.item is None else KV(*found.item), found.revision

    async def txn(
        self,
        when: Sequence[Compare],
        then: Sequence[Operation],
        otherwise: Sequence[Operation] = (),
        *,
        timeout: float,
    ) -> TxnResult:
        check_limits(when, then, otherwise, self._limits)
        deadline = self._now() + timeout
        answer = await self._send(
            lambda: Txn(comparisons_of(when), writes_of(then), writes_of(otherwise), max(deadline - self._now(), 0.0)),
            deadline,
        )
        try:
            outcome = await _reply(answer, Outcome, deadline + REPLY_GRACE_S - self._now())
        except (DisconnectedError, TimeoutError):
            raise OutcomeUnknown(f"the metadata store at {self.path} did not answer") from None
        self._connector.saw(outcome.revision)
        return TxnResult(outcome.succeeded, outcome.revision)

    async def scan(self, prefix: bytes, *, at: Revision = 0) -> AsyncIterator[Page]:
        last: bytes | None = None
        while True:
            stream = await self._open_stream(Scan(prefix, at, last))
            try:
                while isinstance(part := await stream.next(), Items):
                    at = part.revision
                    self._connector.saw(at)
                    last = part.items[-1][0] if part.items else last
                    yield Page(items_of(part.items), at)
                return
            except DisconnectedError:
                continue
            finally:
                self._close_stream(stream)

    async def watch(self, prefix: bytes, *, after: Revision) -> AsyncIterator[RevisionBatch | Progress]:
        while True:
            stream = await self._open_stream(Watch(prefix, after))
            try:
                while isinstance(part := await stream.next(), Changed | Reached):
                    after = part.revision
                    self._connector.saw(after)
                    yield batch_of(part) if isinstance(part, Changed) else Progress(after)
            except DisconnectedError:
                continue
            finally:
                self._close_stream(stream)

    async def grant(self, ttl: float) -> Lease:
        """A lease whose grant was not heard of ends by itself."""
        granted = await self._repeat(Grant(ttl), Granted)
        return Lease(granted.lease, granted.ttl)

    async def keepalive(self, lease: LeaseId) -> AsyncIterator[KeepaliveAck]:
        while True:
            ttl = (await self._repeat(Renew(lease), Renewed)).ttl
            yield KeepaliveAck(lease, ttl)
            await asyncio.sleep(ttl / self._limits.keepalives_per_ttl)

    async def revoke(self, lease: LeaseId) -> None:
        await self._repeat(Revoke(lease), Done)

    async def compact(self, before: Revision) -> None:
        await self._repeat(Compact(before), Done)

    async def close(self) -> None:
        await self._connector.stop()

    # -- requests -------------------------------------------------------------------------------------------------

    async def _repeat(self, body: RequestBody, kind: type[Body]) -> Body:
        """Ask until there is an answer. Raises NotApplied after REQUEST_TIMEOUT_S, and what the store raises."""
        deadline = self._now() + REQUEST_TIMEOUT_S
        while True:
            answer = await self._send(lambda: body, deadline)
            try:
                return await _reply(answer, kind, deadline - self._now())
            except DisconnectedError:
                continue
            except TimeoutError:
                raise NotApplied(f"the metadata store at {self.path} does not answer") from None

    async def _send(self, make: Callable[[], RequestBody], deadline: float) -> "asyncio.Future[ReplyBody]":
        """Whatever this raises, nothing was sent: NotApplied, LimitExceeded, and what has ended the connection."""
        link = await self._free_link(deadline)
        try:
            answer = link.ask(make())
        except LimitExceeded:
            self._slots.release()
            raise
        answer.add_done_callback(lambda _: self._slots.release())
        return answer

    async def _free_link(self, deadline: float) -> Link:
        """Takes one of the slots, which the caller gives back when the reply is there."""
        if self._waiting >= WAITING_MAX:
            raise NotApplied(f"more than {WAITING_MAX} requests are waiting")
        self._waiting += 1
        try:
            async with asyncio.timeout_at(deadline):
                await self._slots.acquire()
                try:
                    return await self._connector.link()
                except BaseException:
                    self._slots.release()
                    raise
        except TimeoutError:
            raise NotApplied(f"the metadata store at {self.path} does not answer") from None
        finally:
            self._waiting -= 1

    async def _open_stream(self, body: Scan | Watch) -> Stream:
        """Raises NotApplied without a connection in time."""
        if self._streams >= STREAMS_MAX:
            raise NotApplied(f"more than {STREAMS_MAX} scans and watches are going on")
        try:
            async with asyncio.timeout(REQUEST_TIMEOUT_S):
                link = await self._connector.link()
        except TimeoutError:
            raise NotApplied(f"the metadata store at {self.path} does not answer") from None
        stream = link.open_stream(body)
        self._streams += 1
        return stream

    def _close_stream(self, stream: Stream) -> None:
        self._streams -= 1
        stream.close()

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()


async def _reply(answer: "asyncio.Future[ReplyBody]", kind: type[Body], timeout_s: float) -> Body:
    """Raises TimeoutError, and then the reply may still come; DisconnectedError; what the store raises."""
    await asyncio.wait([answer], timeout=max(timeout_s, 0.0))
    if not answer.done():
        raise TimeoutError
    body = answer.result()
    if not isinstance(body, kind):
        raise StoreError(f"the metadata store answered with {type(body).__name__} where {kind.__name__} was expected")
    return body
