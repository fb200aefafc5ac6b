"""One replica fetcher: a task that asks one broker for all partitions it leads and this fetcher follows.

A loop: what has changed goes into a request, its answer into the logs, and what that changes into the next request. A
partition that nothing happens to is not looked at: an idle cluster costs one long poll for each leader. One with which
something is wrong is left out until it is time to try again, and the others go on.
"""

import asyncio
import heapq
import logging
from math import ceil
from typing import TYPE_CHECKING

from kio.schema.errors import ErrorCode

from odradek.replication.answers import Answers
from odradek.replication.followed import Followed
from odradek.replication.following import backoff_ms
from odradek.replication.link import Link, LinkError
from odradek.replication.replica_session import Asked, ReplicaSession
from odradek.wire.errors import MalformedResponseError
from odradek.wire.replica_fetch import Key, Limits, read_response, write_request

if TYPE_CHECKING:
    from odradek.replication.replica_fetchers import ReplicaFetchers

logger = logging.getLogger(__name__)

UNUSABLE_MAX = 2
"""Answers in a row that do not fit what was asked; then the connection is made anew."""
REPORTED_ATTEMPT = 4
"""A partition that cannot be followed for a moment is nothing to speak of: its leader has not heard of it yet."""
CONNECT_S_MAX = 5.0
"""A broker that is there accepts a connection sooner."""
THROTTLED_S_MAX = 1.0
"""The catch-up rate may be changed at any time: it is looked at that often."""


class Fetcher:
    """`followed` are its partitions. Its task lives while there are any."""

    def __init__(self, owner: "ReplicaFetchers", leader_id: int, number: int) -> None:
        self.leader_id = leader_id
        self.followed: dict[Key, Followed] = {}
        self._owner = owner
        self._loop = owner.logs.loop
        self._settings = owner.settings
        self._client_id = f"broker-{owner.broker_id}-fetcher-{number}"
        self._session = ReplicaSession()
        self._changed: dict[Key, None] = {}
        """What is to be asked of these may have changed."""
        self._catching_up: dict[Key, None] = {}
        """Subject to the catch-up throttle."""
        self._due: list[tuple[float, int, Followed]] = []
        """Partitions that wait, the first one due first; a number keeps equal ones in order."""
        self._waits = 0
        self._correlation_id = 0
        self._failures = 0
        """Of the connection, in a row."""
        self._unusable = 0
        self._link: Link | None = None
        self._connecting: asyncio.Timeout | None = None
        self._leader_broker_epoch = -1
        self._told_epoch = -1
        """The broker epoch of this broker in which the session was begun."""
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._answers = Answers(self, owner)

    # -- what is followed -----------------------------------------------------------------------------------------

    def add(self, followed: Followed) -> None:
        """Follow from now on, in place of what was followed under the same key."""
        self.followed[followed.key] = followed
        self._changed[followed.key] = None
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
        del self.followed[key]
        self._changed.pop(key, None)
        self._catching_up.pop(key, None)
        self._session.forget(key)
        if not self.followed:
            self._wake.set()
            self._hang_up()

    def _hang_up(self) -> None:
        """Nothing is to be heard over the present connection any more: its broker may have died without a word."""
        if self._link is not None:
            self._link.close()
        if self._connecting is not None:
            self._connecting.reschedule(self._loop.time())

    async def stop(self) -> None:
        """Returns once the task has ended."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

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

    # -- used by the answers --------------------------------------------------------------------------------------

    @property
    def session(self) -> ReplicaSession:
        return self._session

    def changed(self, followed: Followed) -> None:
        """Something else may have to be asked of it."""
        if self.is_current(followed):
            self._changed[followed.key] = None

    def is_current(self, followed: Followed) -> bool:
        """Whether it is still followed, in that leader epoch."""
        return self.followed.get(followed.key) is followed

    def wait(self, followed: Followed, error: ErrorCode, reason: str) -> None:
        """Leave it out for a while, longer each time in a row."""
        if not self.is_current(followed):
            return
        followed.attempts += 1
        if followed.attempts == REPORTED_ATTEMPT:
            logger.warning("%s cannot be followed now (%s): %s", followed.name, error.name, reason)
        delay_ms = backoff_ms(followed.attempts, self._settings.replica_fetch_backoff_ms)
        self._leave_out(followed, delay_ms / 1000)

    def fail(self, followed: Followed, reason: str) -> None:
        """Leave it out until its leader changes."""
        if not self.is_current(followed):
            return
        followed.is_failed = True
        self._session.forget(followed.key)
        self._changed.pop(followed.key, None)
        self._catching_up.pop(followed.key, None)
        epoch = followed.image.leader_epoch
        logger.error("%s does not follow broker %d in epoch %d: %s", followed.name, self.leader_id, epoch, reason)

    def _leave_out(self, followed: Followed, delay_s: float) -> None:
        self._session.forget(followed.key)
        self._changed.pop(followed.key, None)
        self._waits += 1
        followed.waits_until = self._loop.time() + delay_s
        heapq.heappush(self._due, (followed.waits_until, self._waits, followed))

    # -- the loop -------------------------------------------------------------------------------------------------

    async def _run(self) -> None:
        while self.followed:
            try:
                await self._converse()
            except (OSError, MalformedResponseError) as error:  # TimeoutError is an OSError.
                self._failures += 1
                if self._failures == 1 and self.followed:
                    logger.warning(
                        "fetching from broker %d failed: %s", self.leader_id, str(error) or type(error).__name__
                    )
                delay_ms = backoff_ms(self._failures, self._settings.replica_fetch_backoff_ms)
                await self._rest(self._loop.time() + delay_ms / 1000)

    async def _converse(self) -> None:
        """Connect, and ask until there is nothing to follow. Raises OSError, MalformedResponseError."""
        self._link = link = await self._connect()
        self._changed.update(dict.fromkeys(self.followed))
        try:
            while self.followed:
                await self._flush()
                asked = self._next_request()
                if asked is None:
                    await self._rest(self._due[0][0] if self._due else None)
                else:
                    await self._exchange(link, asked)
        finally:
            self._link = None
            link.close()
            self._session.drop()
            self._answers.forget()

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
        """What the next request says is here has to be on stable storage, where the topic wants that."""
        changed = [each for key in self._changed if (each := self.followed.get(key)) is not None]
        logs = [each.log for each in changed if each.needs_flush]
        if logs:
            await asyncio.gather(*(self._owner.logs.flusher.flush(log) for log in logs), return_exceptions=True)

    async def _exchange(self, link: Link, asked: Asked) -> None:
        settings, owner = self._settings, self._owner
        self._correlation_id = (self._correlation_id + 1) & 0x7FFF_FFFF
        limits = Limits(
            self._max_wait_ms(asked),
            settings.replica_fetch_min_bytes,
            settings.replica_fetch_response_max_bytes,
            settings.replica_fetch_max_bytes,
        )
        replica = (owner.broker_id, owner.broker_epoch())
        request = write_request(
            self._correlation_id, self._client_id, replica, limits, asked.session, asked.positions, asked.forgotten
        )
        content = await link.exchange(request, settings.replica_socket_timeout_ms / 1000)
        response = read_response(content, self._correlation_id)
        keys = [(each.topic_id, each.partition) for each in response.partitions]
        if not self._session.answered(response.error_code, response.session_id, keys):
            self._answers.forget()
            self._unusable += 1
            if self._unusable == UNUSABLE_MAX:
                self._unusable = 0
                raise LinkError(f"its answers do not fit (error {response.error_code})")
            return
        self._unusable = self._failures = 0
        await self._answers.take(response.partitions)
        self._answers.not_answered(asked.positions, keys)
        if response.throttle_ms > 0:
            await asyncio.sleep(min(response.throttle_ms, settings.replica_socket_timeout_ms) / 1000)

    def _max_wait_ms(self, asked: Asked) -> int:
        """Not beyond the time when a partition that waits is to be asked for again."""
        if asked.has_more:
            return 0
        most_ms = self._settings.replica_fetch_wait_max_ms
        if not self._due:
            return most_ms
        return max(min(most_ms, ceil((self._due[0][0] - self._loop.time()) * 1000)), 0)

    # -- the next request -----------------------------------------------------------------------------------------

    def _next_request(self) -> Asked | None:
        """None when there is nothing to ask for now."""
        now = self._loop.time()
        self._renew_session()
        self._resume(now)
        changed, self._changed = self._changed, {}
        for key in changed:
            if (followed := self.followed.get(key)) is not None:
                self._look_at(followed)
        self._throttle(now)
        return self._session.next_request() if len(self._session) else None

    def _renew_session(self) -> None:
        """After a new registration everything is told again: a leader takes back nobody that fetched in an older one."""
        epoch = self._owner.broker_epoch()
        if epoch != self._told_epoch:
            self._told_epoch = epoch
            self._session.drop()
            self._answers.forget()

    def _resume(self, now: float) -> None:
        while self._due and self._due[0][0] <= now:
            due, _, followed = heapq.heappop(self._due)
            if followed.waits_until == due:
                followed.waits_until = None
                self.changed(followed)

    def _look_at(self, followed: Followed) -> None:
        """What is to be asked of a partition, if anything can be done with the answer."""
        if followed.waits_until is not None or followed.is_failed:
            return
        log, health = followed.log, self._owner.logs.health_of(followed.log)
        if log.damage is not None or health.is_failed:
            self.fail(followed, str(log.damage or health.refusal))
        elif health.refusal is not None:
            self.wait(followed, ErrorCode.kafka_storage_error, str(health.refusal))
        elif followed.needs_flush:
            self.wait(followed, ErrorCode.kafka_storage_error, "it could not be flushed")
        else:
            self._session.want(followed.key, followed.position())
            if self._owner.is_throttled(followed):
                self._catching_up[followed.key] = None
            else:
                self._catching_up.pop(followed.key, None)

    def _throttle(self, now: float) -> None:
        """While the rate is exceeded, nothing is asked for partitions that are catching up."""
        if not self._catching_up or not self._owner.is_rate_exceeded(now):
            return
        delay_s = self._owner.throttle.wait_s(THROTTLED_S_MAX)
        keys, self._catching_up = self._catching_up, {}
        for key in keys:
            followed = self.followed.get(key)
            if followed is not None and followed.waits_until is None:
                followed.is_throttled = True
                self._leave_out(followed, delay_s)
