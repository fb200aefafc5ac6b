"""Following etcd: one stream at a time, taken up again at another member where it ended, without gap or repetition."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from odradek.metastore.etcd.assembling import Assembler
from odradek.metastore.etcd.calls import WATCH, RpcFailed, Stream
from odradek.metastore.etcd.errors import StoreRefuses, is_token_refused
from odradek.metastore.etcd.known import Known
from odradek.metastore.etcd.members import Members
from odradek.metastore.etcd.requests import watch_request
from odradek.metastore.etcd.timing import Timing
from odradek.metastore.store import Compacted, NotApplied, Progress, Revision, RevisionBatch, StoreRegressed


class Watcher:
    """Watches every key and tells of those under `prefix`: so it knows of each revision when it has passed.

    (etcd's own progress notices came ahead of the events they speak of before 3.4.25 and 3.5.8.)
    `revision` asks for the store's present one, which a member that lags behind does not know.
    """

    def __init__(
        self,
        members: Members,
        known: Known,
        timing: Timing,
        revision: Callable[[], Awaitable[Revision]],
        prefix: bytes,
        after: Revision,
    ) -> None:
        self._members, self._known, self._timing, self._revision = members, known, timing, revision
        self._assembler = Assembler(prefix, after)
        self._broken_since: float | None = None

    async def run(self) -> AsyncIterator[RevisionBatch | Progress]:
        """Raises Compacted, StoreRegressed, StoreFailed; NotApplied when no member serves the watch for long."""
        while True:
            stream: Stream | None = None
            try:
                stream = await self._members.stream(WATCH)
                await self._begin(stream)
                self._broken_since = None
                while True:
                    for change in self._take(stream, await stream.receive()):
                        yield change
            except RpcFailed as error:
                self._check_patience(error)
            finally:
                if stream is not None:
                    self._members.end(stream)
            await asyncio.sleep(self._timing.pause_s)

    def _check_patience(self, error: RpcFailed) -> None:
        now = asyncio.get_running_loop().time()
        if self._broken_since is None:
            self._broken_since = now
        if now - self._broken_since >= self._timing.patience_s:
            raise NotApplied(f"no member lets the metadata be watched: {error}")

    async def _begin(self, stream: Stream) -> None:
        """Start at what was seen last, not after it: etcd then tells whether anything was compacted since, also what
        was deleted at that very revision."""
        seen = self._assembler.seen
        await stream.send(watch_request(max(seen, 1)), self._timing.answer_s)
        created = await stream.receive(self._timing.answer_s)
        self._check(stream, created)
        self._known.check_cluster(created.header, stream.member.address)
        if created.header.revision < seen and (now := await self._revision()) < seen:
            raise StoreRegressed(f"revision {seen} was seen before, but etcd is at {now}")

    def _take(self, stream: Stream, response: Any) -> list[RevisionBatch | Progress]:
        self._check(stream, response)
        changes = self._assembler.take(response.events, more_follows=response.fragment)
        self._known.note(self._assembler.seen)
        return changes

    def _check(self, stream: Stream, response: Any) -> None:
        """Raises Compacted; StoreRefuses or RpcFailed when etcd has ended the watch for another reason."""
        if not response.canceled:
            return
        if response.compact_revision:
            raise Compacted(response.compact_revision)
        address, reason = stream.member.address, response.cancel_reason
        if "permission denied" in reason:
            raise StoreRefuses(f"etcd at {address}: {reason} (a watch needs leave to read every key)")
        if is_token_refused(reason):
            self._members.token_refused(stream)
        raise RpcFailed("CANCELLED", f"the watch was ended: {reason}", address)
