"""Many puts as several transactions, each within the store's limits, a bounded number of them under way."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

IN_FLIGHT = 32


def chunked(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    return (items[start : start + size] for start in range(0, len(items), size))


async def for_each_chunk(items: Sequence[T], size: int, commit: Callable[[Sequence[T]], Awaitable[R]]) -> list[R]:
    """The results in order. The first exception is raised once those under way beside it have ended."""
    results: list[R] = []
    for window in chunked(list(chunked(items, size)), IN_FLIGHT):
        outcomes = await asyncio.gather(*[commit(chunk) for chunk in window], return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome
            results.append(outcome)
    return results
