"""Keeps the image: snapshot at R, watch from R + 1, a new snapshot when the watch is too far behind."""

import asyncio
import heapq
import logging
from collections.abc import Callable
from dataclasses import replace

from odradek.cluster.image import ClusterImage, ImageDelta
from odradek.cluster.image_builder import ImageBuilder, full_delta
from odradek.cluster.keys import Keys
from odradek.cluster.results import MetadataUnavailable
from odradek.metastore.store import (
    Compacted,
    MetadataStore,
    NotApplied,
    Progress,
    Revision,
    RevisionBatch,
)

log = logging.getLogger(__name__)

Subscriber = Callable[[ImageDelta], None]
RECONNECT_S = 0.2


class ImageFeed:
    """`image` is replaced at each revision, then the subscribers are called, then those who wait for it are woken."""

    def __init__(self, store: MetadataStore, keys: Keys) -> None:
        self._store, self._keys = store, keys
        self._subscribers: list[Subscriber] = []
        self._waiters: list[tuple[Revision, int, asyncio.Future[None]]] = []
        self._waiter_count = 0
        self.image = ClusterImage()

    def subscribe(self, subscriber: Subscriber) -> None:
        self._subscribers.append(subscriber)
        if self.image.revision:
            subscriber(full_delta(ClusterImage(), self.image))

    def unsubscribe(self, subscriber: Subscriber) -> None:
        """Also one that is not subscribed any more."""
        if subscriber in self._subscribers:
            self._subscribers.remove(subscriber)

    async def load(self) -> None:
        """Take a snapshot and make it the image."""
        builder, revision = ImageBuilder(ClusterImage(), self._keys), 0
        async for page in self._store.scan(self._keys.prefix):
            revision = page.revision
            for item in page.items:
                builder.apply(item.key, item.value, item.mod_revision)
        before, after = self.image, builder.finish(revision)
        self._publish(full_delta(before, after))

    async def run(self) -> None:
        """Follow the store for ever. Raises StoreRegressed, StoreFailed."""
        while True:
            try:
                async for change in self._store.watch(self._keys.prefix, after=self.image.revision):
                    self.apply(change)
            except Compacted:
                log.info("The metadata history was compacted at revision %d: loading again", self.image.revision)
                await self._reload()
            except NotApplied as error:
                log.warning("The metadata store does not answer: %s", error)
                await asyncio.sleep(RECONNECT_S)

    async def _reload(self) -> None:
        try:
            await self.load()
        except (NotApplied, Compacted):
            await asyncio.sleep(RECONNECT_S)

    def apply(self, change: RevisionBatch | Progress) -> None:
        if isinstance(change, Progress):
            self.image = replace(self.image, revision=change.revision)
            self._wake()
            return
        builder = ImageBuilder(self.image, self._keys)
        for event in change.events:
            builder.apply(event.key, event.value, event.revision)
        self._publish(builder.delta(builder.finish(change.revision)))

    def _publish(self, delta: ImageDelta) -> None:
        self.image = delta.after
        for subscriber in list(self._subscribers):
            try:
                subscriber(delta)
            except Exception:
                log.exception("A subscriber failed on metadata revision %d", delta.after.revision)
        self._wake()

    def _wake(self) -> None:
        while self._waiters and self._waiters[0][0] <= self.image.revision:
            _, _, waiter = heapq.heappop(self._waiters)
            if not waiter.done():
                waiter.set_result(None)

    async def reach(self, revision: Revision, *, timeout_s: float = 15.0) -> ClusterImage:
        """The image once it has the revision. Raises MetadataUnavailable."""
        if self.image.revision < revision:
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiter_count += 1
            heapq.heappush(self._waiters, (revision, self._waiter_count, waiter))
            try:
                async with asyncio.timeout(timeout_s):
                    await waiter
            except TimeoutError:
                raise MetadataUnavailable(f"metadata revision {revision} was not seen in {timeout_s} s") from None
        return self.image
