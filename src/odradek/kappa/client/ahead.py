"""One item ahead: what the log gives next is fetched while what it gave last is worked on."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")


def ahead(items: Iterator[Item]) -> Iterator[Item]:
    """The same items, each asked for in a thread beside while its user has the one before; at most one waits.

    When it is closed early, that one is waited for and dropped.
    """
    with ThreadPoolExecutor(1, "log-reader") as thread:
        coming: Future[Item | None] = thread.submit(next, items, None)
        while (item := coming.result()) is not None:
            coming = thread.submit(next, items, None)
            yield item
