"""What the store sends of a scan or a watch, and how far it goes ahead of the reader."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import cast

from odradek.metastore.shared.messages import PAGE_BYTES, WINDOW_BYTES, Changed, Item, Items, Reached, Scan, Watch
from odradek.metastore.shared.translation import item_of
from odradek.metastore.store import MetadataStore, RevisionBatch


class Window:
    """Bytes of a stream that are on their way to its reader."""

    def __init__(self) -> None:
        self._outstanding = 0
        self._room = asyncio.Event()
        self._room.set()

    async def room(self) -> None:
        await self._room.wait()

    def add(self, size: int) -> None:
        """Sent; negative: consumed."""
        self._outstanding = max(self._outstanding + size, 0)
        if self._outstanding < WINDOW_BYTES:
            self._room.set()
        else:
            self._room.clear()


def stream_of(store: MetadataStore, asked: Scan | Watch) -> "AsyncGenerator[Changed | Reached | Items, None]":
    """Raises what the store raises."""
    return _scanned(store, asked) if isinstance(asked, Scan) else _watched(store, asked)


async def _watched(store: MetadataStore, asked: Watch) -> "AsyncGenerator[Changed | Reached | Items, None]":
    changes = store.watch(asked.prefix, after=asked.after)
    async with aclosing(cast("AsyncGenerator[object, None]", changes)):
        async for change in changes:
            if isinstance(change, RevisionBatch):
                yield Changed(change.revision, tuple((event.key, event.value) for event in change.events))
            else:
                yield Reached(change.revision)


async def _scanned(store: MetadataStore, asked: Scan) -> "AsyncGenerator[Changed | Reached | Items, None]":
    pages = store.scan(asked.prefix, at=asked.at)
    async with aclosing(cast("AsyncGenerator[object, None]", pages)):
        async for page in pages:
            wanted = [item_of(each) for each in page.items if asked.beyond is None or each.key > asked.beyond]
            for part in _parts(wanted):
                yield Items(part, page.revision)


def _parts(items: Sequence[Item]) -> list[tuple[Item, ...]]:
    """At least one, that may be empty."""
    parts, part, size = list[tuple[Item, ...]](), list[Item](), 0
    for item in items:
        if size >= PAGE_BYTES:
            parts.append(tuple(part))
            part, size = [], 0
        part.append(item)
        size += len(item[0]) + len(item[1])
    return [*parts, tuple(part)]
