"""Long work on the loop, in slices, so that everybody else has a turn in between."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import TypeVar

Item = TypeVar("Item")

SLICE = 50
"""Items between two turns: well below a millisecond for what handlers do with one."""


async def paced(items: Iterable[Item]) -> AsyncIterator[Item]:
    """The items, with a turn of the loop after every SLICE of them."""
    for number, item in enumerate(items, 1):
        yield item
        if number % SLICE == 0:
            await asyncio.sleep(0)
