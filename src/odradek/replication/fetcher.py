"""One replica fetcher: a task that asks one broker for the partitions it leads and this fetcher follows.

A loop: what has changed goes into a request, its answer into the logs, and what that changes into the next request. An
idle cluster costs one long poll for each leader. A connection that fails is made anew after a moment, longer each time.
"""

import asyncio
import logging
from typing import TYPE_CHECKING

from odradek.replication.answers import Answers
from odradek.replication.asking import Asking
from odradek.replication.followed import Followed
from odradek.replication.following import backoff_ms
from odradek.replication.link import Link, LinkError
from odradek.replication.replica_session import Asked
from odradek.wire.errors import MalformedResponseError
from odradek.wire.replica_fetch import FetchResponse, Key, Limits, read_response, write_request

if TYPE_CHECKING:
    from odradek.replication.replica_fetchers import ReplicaFetchers

logger = logging.getLogger(__name__)

UNUSABLE_MAX = 2
"""Answers in a row that do not fit what was asked; then the connection is made anew."""
CONNECT_S_MAX = 5.0
"""A broker that is there accepts a connection sooner."""


class Fetcher:
    """Its task lives while there is anything to follow."""

    def __init__(self, owner: "ReplicaFetchers", leader_id: int, number: int) -> None:
        self.leader_id = leader_id
        self._owner = owner
        self._loop = owner.logs.loop
        self._settings = owner.settings
        self._client_id = f"broker-{owner.broker_id}-fetcher-{number}"
        self._asking = Asking(owner)
        self._answers = Answers(self._asking, owner)
        self._correlation_id = 0
        self._failures = 0
        """Of the connection, in a row."""
        self._unusable = 0
        self._link: Link | None = None
        self._connecting: asyncio.Timeout | None = None
        self._has_hung_up = False
        self._leader_broker_epoch = -1
        self._told_epoch = -1
        """The broker epoch of this broker in which the session was begun."""
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    # -- what is followed -----------------------------------------------------------------------------------------

    @property
    def followed(self) -> dict[Key, Followed]:
        return self._asking.followed

    def add(self, followed: Followed) -> None:
        """Follow from now on, in place of what was followed under the same key."""
        self._asking.add(followed)
        self._failures = 0  # There is news of the leader: it may be back.
        self._wake.set()
        if followed.image.leader_broker_epoch > self._leader_broker_epoch:
            self._leader_broker_epoch = followed.image.leader_broker_epoch
            self._hang_up()
        if self._task is None or self._task.done():
            self._task = self._loop.create_task(self._run(), name=f"replica fetcher of broker {self.leader_id}")
            self._task.add_done_callback(self._ended)

    def remove(self, key: Key) -> None:
        """Do not follow any more."""
        self._asking.remove(key)
        if not self.followed:
            self._wake.set()
            self._hang_up()

    async def stop(self) -> None:
        """Returns once the task has ended."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    def _hang_up(self) -> None:
        """Nothing is to be heard over the present connection any more: its broker may have died without a word."""
        if self._link is not None:
            self._link.close()
        elif self._connecting is not None:
            self._connecting.reschedule(self._loop.time())
        else:
            return
        self._has_hung_up = True

    def _ended(self, task: "asyncio.Task[None]") -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            context = {"message": "a replica fetcher has failed", "exception": error, "task": task}
            self._loop.call_exception_handler(context)
            self._loop.call_later(self._settings.replica_fetch_backoff_ms / 1000, self._restart, task)

    def _restart(self, task: "asyncio.Task[None]") -> None:
        """What nobody foresaw happened to one answer: that must not be the end of replication."""
        if self._task is task and not self._owner.is_stopped:
            for followed in list(self.followed.values()):
                self.add(followed)

    # -- the loop -------------------------------------------------------------------------------------------------

    async def _run(self) -> None:
        self._has_hung_up = False
        while self.followed:
            try:
                await self._converse()
            except (OSError, MalformedResponseError) as error:  # TimeoutError is an OSError.
                if self._has_hung_up:
                    self._has_hung_up = False
                else:
                    await self._back_off(error)

    async def _back_off(self, error: Exception) -> None:
        self._failures += 1
        if self._failures == 1:
            logger.warning("fetching from broker %d failed: %s", self.leader_id, str(error) or type(error).__name__)
        delay_ms = backoff_ms(self._failures, self._settings.replica_fetch_backoff_ms)
        await self._rest(self._loop.time() + delay_ms / 1000)

    async def _converse(self) -> None:
        """Connect, and ask until there is nothing to follow. Raises OSError, MalformedResponseError."""
        self._link = link = await self._connect()
        self._begin_anew()
        try:
            while self.followed:
                if self._owner.broker_epoch() != self._told_epoch:
                    self._begin_anew()
                await self._flush()
                asked = self._asking.next_request()
                if asked is None:
                    await self._rest(self._asking.next_due)
                else:
                    await self._take(asked, await self._exchange(link, asked))
        finally:
            self._link = None
            link.close()

    def _begin_anew(self) -> None:
        """Tell everything again; after a new registration too, as leaders take back nobody of an older one."""
        self._told_epoch = self._owner.broker_epoch()
        self._asking.begin_anew()
        self._answers.begin_anew()

    async def _connect(self) -> Link:
        endpoint, settings = self._owner.endpoint_of(self.leader_id), self._settings
        if endpoint is None:
            raise LinkError("no endpoint of it is known")
        try:
            async with asyncio.timeout(min(settings.replica_socket_timeout_ms / 1000, CONNECT_S_MAX)) as connecting:
                self._connecting = connecting
                return await Link.connect(
                    self._loop,
                    endpoint.host,
                    endpoint.port,
                    kept_bytes=settings.replica_fetch_response_max_bytes,
                    system_buffer=settings.replica_socket_receive_buffer_bytes,
                )
        finally:
            self._connecting = None

    async def _rest(self, until: float | None) -> None:
        """Until that time (loop seconds), or until something is to be followed, or nothing any more."""
        self._wake.clear()
        try:
            async with asyncio.timeout_at(until):
                await self._wake.wait()
        except TimeoutError:
            return

    async def _flush(self) -> None:
        """What the next request says is here has to be on stable storage, where the topic wants that.

        A log that cannot be flushed is left out of the request: see `Asking.next_request`.
        """
        if unflushed := self._asking.unflushed():
            flusher = self._owner.logs.flusher
            await asyncio.gather(*(flusher.flush(each.log) for each in unflushed), return_exceptions=True)

    async def _exchange(self, link: Link, asked: Asked) -> FetchResponse:
        settings, owner = self._settings, self._owner
        self._correlation_id = (self._correlation_id + 1) & 0x7FFF_FFFF
        limits = Limits(
            self._asking.max_wait_ms(asked),
            settings.replica_fetch_min_bytes,
            settings.replica_fetch_response_max_bytes,
            settings.replica_fetch_max_bytes,
        )
        replica = (owner.broker_id, owner.broker_epoch())
        request = write_request(
            self._correlation_id, self._client_id, replica, limits, asked.session, asked.positions, asked.forgotten
        )
        content = await link.exchange(request, settings.replica_socket_timeout_ms / 1000)
        return read_response(content, self._correlation_id)

    async def _take(self, asked: Asked, response: FetchResponse) -> None:
        keys = [(each.topic_id, each.partition) for each in response.partitions]
        if self._asking.session.answered(response.error_code, response.session_id, keys):
            self._unusable = self._failures = 0
            await self._answers.take(response.partitions)
            self._answers.not_answered(asked.positions, keys)
        else:
            self._answers.begin_anew()
            self._unusable += 1
            if self._unusable == UNUSABLE_MAX:
                self._unusable = 0
                raise LinkError(f"its answers do not fit (error {response.error_code})")
        if response.throttle_ms > 0:
            await asyncio.sleep(min(response.throttle_ms, self._settings.replica_socket_timeout_ms) / 1000)
