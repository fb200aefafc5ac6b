"""What a fetcher asks its leader for next: of its partitions those with news, and none that has to wait.

No I/O. A partition that nothing happens to is not looked at. One with which something is wrong is left out until it is
time to try again, one that catches up faster than it may until the throttle lets it, and the others go on.
"""

import heapq
import logging
from math import ceil
from typing import TYPE_CHECKING

from kio.schema.errors import ErrorCode

from odradek.replication.followed import Followed
from odradek.replication.following import backoff_ms
from odradek.replication.replica_session import Asked, ReplicaSession
from odradek.wire.replica_fetch import Key

if TYPE_CHECKING:
    from odradek.replication.replica_fetchers import ReplicaFetchers

logger = logging.getLogger(__name__)

REPORTED_ATTEMPT = 4
"""A partition that cannot be followed for a moment is nothing to speak of: its leader has not heard of it yet."""
THROTTLED_S_MAX = 1.0
"""The catch-up rate may be changed at any time: it is looked at that often."""


class Asking:
    """Part of a `Fetcher`: its partitions, in `followed`, and its session. Times are loop seconds."""

    def __init__(self, owner: "ReplicaFetchers") -> None:
        self.followed: dict[Key, Followed] = {}
        self.session = ReplicaSession()
        self._owner = owner
        self._now = owner.logs.now
        self._changed: dict[Key, None] = {}
        """What is to be asked of these may have changed."""
        self._catching_up: dict[Key, None] = {}
        """Subject to the catch-up throttle."""
        self._due: list[tuple[float, int, Followed]] = []
        """Partitions that wait, the first one due first; a number keeps equal ones in order."""
        self._waits = 0

    def add(self, followed: Followed) -> None:
        """In place of what was followed under the same key."""
        self.followed[followed.key] = followed
        self._changed[followed.key] = None

    def remove(self, key: Key) -> None:
        del self.followed[key]
        self._forget(key)

    def begin_anew(self) -> None:
        """Whatever the leader was told before, it may not know any more."""
        self.session.drop()
        self._changed.update(dict.fromkeys(self.followed))

    def is_current(self, followed: Followed) -> bool:
        """Whether it is still followed, in that leader epoch."""
        return self.followed.get(followed.key) is followed

    def changed(self, followed: Followed) -> None:
        """Something else may have to be asked of it."""
        if self.is_current(followed):
            self._changed[followed.key] = None

    def wait(self, followed: Followed, error: ErrorCode, reason: str) -> None:
        """Leave it out for a while, longer each time in a row."""
        if not self.is_current(followed):
            return
        followed.attempts += 1
        if followed.attempts == REPORTED_ATTEMPT:
            logger.warning("%s cannot be followed now (%s): %s", followed.name, error.name, reason)
        delay_ms = backoff_ms(followed.attempts, self._owner.settings.replica_fetch_backoff_ms)
        self._leave_out(followed, delay_ms / 1000)

    def fail(self, followed: Followed, reason: str) -> None:
        """Leave it out until its leader changes."""
        if not self.is_current(followed):
            return
        followed.is_failed = True
        self._forget(followed.key)
        image = followed.image
        logger.error("%s does not follow broker %d in epoch %d: %s",
                     followed.name, image.leader, image.leader_epoch, reason)  # fmt: skip

    def unflushed(self) -> list[Followed]:
        """Those the next request asks for although not all they have is on stable storage, as their topic demands."""
        changed = [each for key in self._changed if (each := self.followed.get(key)) is not None]
        return [each for each in changed if each.needs_flush]

    def next_request(self) -> Asked | None:
        """None when there is nothing to ask for now."""
        now = self._now()
        self._resume(now)
        changed, self._changed = self._changed, {}
        for key in changed:
            if (followed := self.followed.get(key)) is not None:
                self._look_at(followed)
        self._throttle(now)
        return self.session.next_request() if len(self.session) else None

    @property
    def next_due(self) -> float | None:
        """When a partition that waits is to be asked for again."""
        return self._due[0][0] if self._due else None

    def max_wait_ms(self, asked: Asked) -> int:
        """How long the leader may wait: not beyond that time, and not at all when there is more to tell it."""
        if asked.has_more:
            return 0
        most_ms = self._owner.settings.replica_fetch_wait_max_ms
        if (due := self.next_due) is None:
            return most_ms
        return max(min(most_ms, ceil((due - self._now()) * 1000)), 0)

    def _forget(self, key: Key) -> None:
        self.session.forget(key)
        self._changed.pop(key, None)
        self._catching_up.pop(key, None)

    def _leave_out(self, followed: Followed, delay_s: float) -> None:
        self._forget(followed.key)
        self._waits += 1
        followed.waits_until = self._now() + delay_s
        heapq.heappush(self._due, (followed.waits_until, self._waits, followed))

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
            followed.partition.cannot_follow()
            self.wait(followed, ErrorCode.kafka_storage_error, str(health.refusal))
        elif followed.needs_flush:
            self.wait(followed, ErrorCode.kafka_storage_error, "it could not be flushed")
        else:
            self.session.want(followed.key, followed.position())
            if self._owner.is_throttled(followed):
                self._catching_up[followed.key] = None
            else:
                self._catching_up.pop(followed.key, None)

    def _throttle(self, now: float) -> None:
        """While the rate is exceeded, nothing is asked for partitions that are catching up."""
        if not self._catching_up or not self._owner.is_rate_exceeded(now):
            return
        delay_s = self._owner.throttle.wait_s(THROTTLED_S_MAX)
        for key in list(self._catching_up):
            followed = self.followed[key]
            followed.is_throttled = True
            self._leave_out(followed, delay_s)
