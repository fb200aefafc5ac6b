"""Who waits for a partition to move: producers for their offset to be committed, fetches for anything new.

Both are woken synchronously by what moved the partition. Neither costs anything while there is nobody waiting; their
number is bounded by the requests in flight.
"""

import asyncio
import heapq
from typing import TYPE_CHECKING, Protocol

from odradek.replication.errors import PartitionError

if TYPE_CHECKING:
    from odradek.replication.partition import Partition


class FetchWaiter(Protocol):
    """A long poll. It stays registered until it removes itself."""

    @property
    def is_follower(self) -> bool:
        """A replica's, which is also told of records that are not committed yet."""
        ...

    def wake(self, partition: "Partition") -> None:
        """High watermark, log start, leader epoch or leadership have changed. Must not raise."""
        ...


class CommitWaiters:
    """Futures by the offset they wait for, lowest first."""

    __slots__ = ("_heap", "_sequence")

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, asyncio.Future[None]]] = []
        self._sequence = 0

    def __len__(self) -> int:
        return len(self._heap)

    def add(self, offset: int, waiter: asyncio.Future[None]) -> None:
        """The waiter is done when the high watermark is above `offset`."""
        self._sequence += 1
        heapq.heappush(self._heap, (offset, self._sequence, waiter))

    def complete_below(self, high_watermark: int, error: PartitionError | None = None) -> None:
        """Wake whose offset is committed, with the error where the commit does not count as one."""
        heap = self._heap
        while heap and heap[0][0] < high_watermark:
            _settle(heapq.heappop(heap)[2], error)

    def fail(self, error: PartitionError) -> None:
        """Nobody's offset will be committed here."""
        heap, self._heap = self._heap, []
        for _, _, waiter in sorted(heap):
            _settle(waiter, error)


def _settle(waiter: asyncio.Future[None], error: PartitionError | None) -> None:
    if waiter.done():
        return
    if error is None:
        waiter.set_result(None)
    else:
        waiter.set_exception(PartitionError(error.error, str(error)))
