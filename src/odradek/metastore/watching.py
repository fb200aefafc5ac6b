"""Following a keyspace: read what is there, then wait for more."""

import asyncio
from collections.abc import AsyncIterator, Callable

from odradek.metastore.keyspace import Commit
from odradek.metastore.store import Progress, Revision, RevisionBatch


class Changes:
    """Wakes whoever waits on one loop for the next change."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._waiters: list[asyncio.Future[None]] = []

    def next(self) -> "asyncio.Future[None]":
        """Done at the next change."""
        waiter: asyncio.Future[None] = self.loop.create_future()
        self._waiters.append(waiter)
        waiter.add_done_callback(self._forget)
        return waiter

    def _forget(self, waiter: "asyncio.Future[None]") -> None:
        if waiter.cancelled() and waiter in self._waiters:
            self._waiters.remove(waiter)

    def announce(self) -> None:
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)


async def follow(
    prefix: bytes,
    after: Revision,
    next_commit: Callable[[Revision], Commit | None],
    next_change: Callable[[], "asyncio.Future[None]"],
) -> AsyncIterator[RevisionBatch | Progress]:
    """All batches under the prefix, and Progress when caught up past changes elsewhere. Raises what they raise."""
    seen = reported = after
    while True:
        commit = next_commit(seen)
        if commit is not None:
            seen = commit.revision
            if (batch := commit.under(prefix)) is not None:
                reported = seen
                yield batch
        elif reported < seen:
            reported = seen
            yield Progress(seen)
        else:
            await next_change()
