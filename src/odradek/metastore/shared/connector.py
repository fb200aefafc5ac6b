"""Keeps a connection to the store: makes it, makes it anew when it ends, and knows when to give up for good."""

import asyncio
import logging

from odradek.metastore.shared.address import short_path
from odradek.metastore.shared.link import DisconnectedError, Link
from odradek.metastore.shared.messages import PROTOCOL, Hello, Refused, Welcome
from odradek.metastore.shared.translation import error_of, refused_by
from odradek.metastore.store import NotApplied, Revision, StoreError, StoreInfo, StoreRegressed

log = logging.getLogger(__name__)

CONNECT_TIMEOUT_S = 5.0
BACKOFF_FIRST_S = 0.02
BACKOFF_MAX_S = 1.0


class Connector:
    """One client's way to the store at `path`. Use: `await start()`, `await link()` by request, `await stop()`."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._task: asyncio.Task[None] | None = None
        self._link: Link | None = None
        self._info: StoreInfo | None = None
        self._seen: Revision = 0
        self._changed = asyncio.Event()
        """There is a link, or there will be none any more."""
        self._refusal: Refused | None = None
        self._problem = "nobody serves it"

    async def start(self, timeout_s: float) -> StoreInfo:
        """Raises NotApplied when there is no connection in time, StoreFailed."""
        self._task = asyncio.get_running_loop().create_task(self._stay_connected())
        try:
            async with asyncio.timeout(timeout_s):
                await self.link()
        except BaseException as error:
            await self.stop()
            if isinstance(error, TimeoutError):
                raise NotApplied(f"the metadata store at {self.path} cannot be reached: {self._problem}") from None
            raise
        assert self._info is not None
        return self._info

    async def link(self) -> Link:
        """A connection that works, as far as is known. Raises what has ended the last one for good."""
        while True:
            if self._refusal is not None:
                raise error_of(self._refusal)
            if self._link is not None and not self._link.lost.done():
                return self._link
            self._forget_link()
            await self._changed.wait()

    def saw(self, revision: Revision) -> None:
        """The store is at this revision: it must never be behind it again."""
        self._seen = max(self._seen, revision)

    async def stop(self) -> None:
        """Who waits for a connection is refused, who waits for a reply does not know the outcome. Twice is allowed."""
        if self._refusal is None:
            self._refuse(NotApplied("the metadata store is closed"))
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])
        link, self._link = self._link, None
        if link is not None:
            link.abort()
            await link.lost

    def _refuse(self, error: StoreError) -> None:
        self._refusal = refused_by(error)
        self._changed.set()

    async def _stay_connected(self) -> None:
        delay_s = BACKOFF_FIRST_S
        while self._refusal is None:
            if (link := await self._connect()) is None:
                await asyncio.sleep(delay_s)
                delay_s = min(2 * delay_s, BACKOFF_MAX_S)
                continue
            delay_s = BACKOFF_FIRST_S
            self._link = link
            self._changed.set()
            await asyncio.wait([link.lost])
            log.warning("The connection to the metadata store is lost: making it anew")
            self._forget_link()

    def _forget_link(self) -> None:
        """It is lost, which the one who is to replace it need not have heard of yet."""
        self._link = None
        if self._refusal is None:
            self._changed.clear()

    async def _connect(self) -> Link | None:
        """None when it did not work this time."""
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                with short_path(self.path) as name:
                    _, link = await asyncio.get_running_loop().create_unix_connection(Link, name)
                return await self._greet(link)
        except (DisconnectedError, NotApplied) as error:
            self._problem = str(error) or "it closes connections"
        except OSError as error:
            self._problem = error.strerror or "it does not answer in time"
        except StoreError as error:
            self._refuse(error)
        return None

    async def _greet(self, link: Link) -> Link:
        """Raises DisconnectedError, StoreError; then the link is closed."""
        try:
            welcome = await link.ask(Hello(PROTOCOL))
            assert isinstance(welcome, Welcome)
            self._check(welcome.info)
        except BaseException:
            link.abort()
            raise
        return link

    def _check(self, info: StoreInfo) -> None:
        if self._info is not None and info.uuid != self._info.uuid:
            raise StoreRegressed(f"{self.path} serves another store than before")
        if info.revision < self._seen:
            raise StoreRegressed(f"revision {self._seen} was seen before, but the store is at {info.revision}")
        self._info = info
        self.saw(info.revision)
