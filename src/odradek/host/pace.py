"""Long work on the loop, in slices, so that everybody else has a turn in between.

All that is paced on a loop takes turns: one slice for each turn of the loop, first come first served. So a hundred
long requests hold up the others no more than one does.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterable
from typing import TypeVar
from weakref import WeakKeyDictionary

Item = TypeVar("Item")

SLICE = 50
"""Items between two turns: well below a millisecond for what handlers do with one."""


class Slices:
    """Who waits for a slice of one loop, which it does not keep alive."""

    __slots__ = ("_is_scheduled", "_waiting")

    def __init__(self) -> None:
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._is_scheduled = False

    async def turn(self) -> None:
        """Returns in a later turn of the loop, in which no other slice is begun."""
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[None] = loop.create_future()
        self._waiting.append(waiter)
        self._schedule(loop)
        await waiter

    def _schedule(self, loop: asyncio.AbstractEventLoop) -> None:
        if not self._is_scheduled:
            self._is_scheduled = True
            loop.call_soon(self._next, loop)

    def _next(self, loop: asyncio.AbstractEventLoop) -> None:
        self._is_scheduled = False
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(None)
                break
        if self._waiting:
            self._schedule(loop)


_slices: WeakKeyDictionary[asyncio.AbstractEventLoop, Slices] = WeakKeyDictionary()


async def paced(items: Iterable[Item]) -> AsyncIterator[Item]:
    """The items, with a turn of the loop after every SLICE of them."""
    for number, item in enumerate(items, 1):
        yield item
        if number % SLICE == 0:
            await _slices_of(asyncio.get_running_loop()).turn()


def _slices_of(loop: asyncio.AbstractEventLoop) -> Slices:
    found = _slices.get(loop)
    if found is None:
        found = _slices[loop] = Slices()
    return found
