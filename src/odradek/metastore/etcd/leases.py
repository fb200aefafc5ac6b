"""Keeping a lease alive: one stream, begun again at another member when an answer does not come."""

import asyncio
from collections.abc import AsyncIterator

from odradek.metastore.etcd.calls import LEASE_KEEP_ALIVE, RpcFailed, Stream
from odradek.metastore.etcd.members import Members
from odradek.metastore.etcd.timing import Timing
from odradek.metastore.store import KeepaliveAck, LeaseId, LeaseLost, NotApplied


class LeaseKeeper:
    """Renews one lease `per_ttl` times in each of its TTLs. Renewals go to the member that requests go to: the leader
    keeps the leases."""

    def __init__(self, members: Members, timing: Timing, lease: LeaseId, per_ttl: float) -> None:
        self._members, self._timing, self._lease, self._per_ttl = members, timing, lease, per_ttl
        self._stream: Stream | None = None

    async def run(self) -> AsyncIterator[KeepaliveAck]:
        """Raises LeaseLost; NotApplied when no member answers for long."""
        loop = asyncio.get_running_loop()
        try:
            while True:
                ttl_s = await self._renew_in_time(loop.time() + self._timing.patience_s)
                yield KeepaliveAck(self._lease, ttl_s)
                await asyncio.sleep(ttl_s / self._per_ttl)
        finally:
            self._end_stream()

    async def _renew_in_time(self, deadline: float) -> float:
        """The TTL, from one member or another. Raises LeaseLost, NotApplied."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                return await self._renew(deadline)
            except RpcFailed as error:
                self._end_stream()
                if loop.time() >= deadline:
                    raise NotApplied(f"the lease cannot be renewed: {error}") from None
            await asyncio.sleep(self._timing.pause_s)

    async def _renew(self, deadline: float) -> float:
        """The TTL. Raises LeaseLost, RpcFailed, NotApplied."""
        member = await self._members.current(deadline) if self._stream is None else self._stream.member
        try:
            if self._stream is None:
                self._stream = await self._members.stream(LEASE_KEEP_ALIVE, member)
            await self._stream.send(LEASE_KEEP_ALIVE.request(ID=self._lease), self._timing.answer_s)
            response = await self._stream.receive(self._timing.answer_s)
        except RpcFailed:
            self._members.lost(member)
            raise
        if response.TTL <= 0:
            raise LeaseLost(f"lease {self._lease} is gone")
        return float(response.TTL)

    def _end_stream(self) -> None:
        if self._stream is not None:
            self._members.end(self._stream)
            self._stream = None
