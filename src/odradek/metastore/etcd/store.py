"""The metadata store on etcd: the interface of `odradek.metastore.store` over the cluster's members.

A transaction is sent once, whatever happens: only whoever asked can tell by its comparisons whether it may be sent
again. What changes nothing, or may be done twice, is asked of one member after the other.
"""

import asyncio
import contextlib
import math
from collections.abc import AsyncIterator, Sequence
from typing import Any

from odradek.config.metadata import EtcdAccess
from odradek.host.posix import PosixFiles
from odradek.metastore.etcd.calls import (
    COMPACT,
    LEASE_GRANT,
    LEASE_REVOKE,
    RANGE,
    TXN,
    Member,
    Method,
    RpcFailed,
    channel_credentials,
)
from odradek.metastore.etcd.errors import COMPACTED, StoreRefuses, meaning, meaning_of_read
from odradek.metastore.etcd.known import Known
from odradek.metastore.etcd.leases import LeaseKeeper
from odradek.metastore.etcd.members import Members
from odradek.metastore.etcd.requests import ALL, kv_of, page_request, txn_request
from odradek.metastore.etcd.timing import Timing
from odradek.metastore.etcd.tokens import Tokens
from odradek.metastore.etcd.versions import check_version
from odradek.metastore.etcd.watching import Watcher
from odradek.metastore.limits import Limits, check_limits
from odradek.metastore.store import (
    KV,
    Compare,
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
    TxnResult,
)
from odradek.metastore.witness import Witness

CURRENT = (RANGE, TXN)
"""Methods whose answer certainly tells a revision that is not older than the question."""
EMPTY_REVISION = 1
"""Of an etcd in which nothing was ever written."""


class EtcdStore:
    """Implements MetadataStore. `witness` remembers how far it has been seen.

    `stream_from` spreads the watches of brokers over the members: any number, another one for each broker.
    """

    def __init__(
        self,
        access: EtcdAccess,
        *,
        limits: Limits | None = None,
        timing: Timing | None = None,
        witness: Witness | None = None,
        stream_from: int = 0,
    ) -> None:
        self._access, self._stream_from = access, stream_from
        self._limits, self._timing = limits or Limits(), timing or Timing()
        self._witness = witness or Witness(PosixFiles(), ())
        self._opened: Members | None = None
        self._known = Known(self._witness)
        self._pending = 0
        self._idle = asyncio.Event()
        self._idle.set()

    async def open(self) -> StoreInfo:
        """`uuid` is etcd's cluster id, `generation` its raft term: it rises with every restart of all of it.

        `seen` is what the witness says; an empty etcd is no backup. Raises NotApplied, StoreRefuses (user, version,
        certificates).
        """
        self._opened = await self._connect()
        try:
            member = await self._members.current(self._now() + self._timing.open_s)
            check_version(member.version, member.address)
            header = (await self._repeat(RANGE, RANGE.request(key=ALL))).header
            seen = await asyncio.get_running_loop().run_in_executor(None, self._witness.read)
        except BaseException:
            await self.close()
            raise
        limits = self._limits
        return StoreInfo(
            f"{header.cluster_id:016x}", header.raft_term, header.revision, limits.max_operations, limits.max_bytes,
            seen=seen if header.revision > EMPTY_REVISION else 0,
        )  # fmt: skip

    async def _connect(self) -> Members:
        access, timing = self._access, self._timing
        try:
            credentials = await asyncio.get_running_loop().run_in_executor(None, channel_credentials, access)
        except OSError as error:
            raise StoreRefuses(f"cannot read {error.filename}: {error.strerror}") from error
        members = [Member(address, access, timing, credentials) for address in access.members]
        return Members(members, Tokens(access, timing), timing, self._stream_from)

    # --- reads ---

    async def get(self, key: bytes) -> tuple[KV | None, Revision]:
        response = await self._repeat(RANGE, RANGE.request(key=key or ALL))
        found = kv_of(response.kvs[0]) if response.kvs and key else None
        return found, response.header.revision

    async def scan(self, prefix: bytes, *, at: Revision = 0) -> AsyncIterator[Page]:
        last_key: bytes | None = None
        while True:
            response = await self._page(page_request(prefix, last_key, self._limits.page_items, at))
            at = at or response.header.revision
            items = tuple(map(kv_of, response.kvs))
            yield Page(items, at)
            if not response.more:
                return
            last_key = items[-1].key

    async def _page(self, request: Any) -> Any:
        """Only a watch is told what the oldest revision still kept is. Raises Compacted."""
        try:
            return await self._repeat(RANGE, request)
        except RpcFailed as error:
            async for _ in self.watch(b"", after=request.revision):
                break
            raise NotApplied(str(error)) from None

    # --- transactions ---

    async def txn(
        self,
        when: Sequence[Compare],
        then: Sequence[Operation],
        otherwise: Sequence[Operation] = (),
        *,
        timeout: float,
    ) -> TxnResult:
        check_limits(when, then, otherwise, self._limits)
        request = txn_request(when, then, otherwise)
        members, deadline = self._members, self._now() + timeout
        member = await members.current(deadline)
        try:
            response = await self._ask(members, member, TXN, request, deadline)
        except RpcFailed as error:
            failure = meaning(error.code, error.details, str(error))
            if isinstance(failure, NotApplied | OutcomeUnknown):
                members.lost(member)
            raise failure from None
        return TxnResult(response.succeeded, response.header.revision)

    async def _ask(self, members: Members, member: Member, method: Method, request: Any, deadline: float) -> Any:
        """Once. Raises RpcFailed, StoreRefuses, StoreRegressed, StoreFailed; NotApplied when too many are under way."""
        if self._pending >= self._limits.pending_requests_max:
            raise NotApplied(f"more than {self._limits.pending_requests_max} requests are waiting")
        known = self._known.revision
        self._pending += 1
        self._idle.clear()
        try:
            response = await members.ask(member, method, request, deadline)
        finally:
            self._pending -= 1
            if not self._pending:
                self._idle.set()
        if method in CURRENT:
            self._known.take(response.header, known, member.address)
            members.notice(response.header.raft_term)
        return response

    async def _repeat(self, method: Method, request: Any) -> Any:
        """Ask for what may be asked twice: of another member where one does not answer.

        Raises RpcFailed only for a revision that was compacted.
        """
        members, deadline = self._members, self._now() + self._timing.repeat_s
        while True:
            member = await members.current(deadline)
            try:
                until = min(deadline, self._now() + self._timing.answer_s)
                return await self._ask(members, member, method, request, until)
            except RpcFailed as error:
                if error.details == COMPACTED:
                    raise
                failure = meaning_of_read(error.code, error.details, str(error))
                if not isinstance(failure, NotApplied) or isinstance(failure, StoreRefuses):
                    raise failure from None
                members.lost(member)
                if self._now() + self._timing.pause_s >= deadline:
                    raise failure from None
            await asyncio.sleep(self._timing.pause_s)

    # --- watches ---

    def watch(self, prefix: bytes, *, after: Revision) -> AsyncIterator[RevisionBatch | Progress]:
        return Watcher(self._members, self._known, self._timing, self._revision, prefix, after).run()

    async def _revision(self) -> Revision:
        return (await self.get(b""))[1]

    # --- leases, compaction, end ---

    async def grant(self, ttl: float) -> Lease:
        """In whole seconds, rounded up; etcd's own minimum may be more."""
        response = await self._repeat(LEASE_GRANT, LEASE_GRANT.request(TTL=math.ceil(ttl)))
        return Lease(response.ID, float(response.TTL))

    def keepalive(self, lease: LeaseId) -> AsyncIterator[KeepaliveAck]:
        return LeaseKeeper(self._members, self._timing, lease, self._limits.keepalives_per_ttl).run()

    async def revoke(self, lease: LeaseId) -> None:
        """Nothing to do for a lease that is gone."""
        with contextlib.suppress(LeaseLost):
            await self._repeat(LEASE_REVOKE, LEASE_REVOKE.request(ID=lease))

    async def compact(self, before: Revision) -> None:
        if (target := min(before - 1, await self._revision())) > 0:
            with contextlib.suppress(RpcFailed):  # it is compacted already
                await self._repeat(COMPACT, COMPACT.request(revision=target))

    async def close(self) -> None:
        """Requests under way have a moment to end; twice is allowed."""
        members, self._opened = self._opened, None
        if members is None:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._timing.close_s):
                await self._idle.wait()
        await members.close()
        await self._witness.settled()

    @property
    def _members(self) -> Members:
        if self._opened is None:
            raise NotApplied("the metadata store is not open")
        return self._opened

    def _now(self) -> float:
        return asyncio.get_running_loop().time()
