"""When a broker that lives does its work so badly that others should lead: plain state, time is given.

Every LOOK_S the broker says what kept it from working since the last look, and how late the look is. What is lost is
added up over the last twice `after_s`: as much as `after_s` makes the broker gray. It is so until nothing has been lost
for `calm_s`, twice as long each time it follows the last time closely, so that it cannot flap.

A gray broker keeps its replicas, and nothing about safety changes: it only is the last of the in-sync replicas to lead
(`elections`), and is not waited for where enough others are in sync (`replication.followers`).
"""

from collections import defaultdict, deque
from typing import Literal

from odradek.cluster.image import ClusterImage

LOOK_S = 1.0
DOUBLINGS_MAX = 4
FORGOTTEN_AFTER = 10
"""Times `calm_s` after which the next time counts as the first."""

Reason = Literal["", "loop", "disk", "peers"]
TOLD: dict[Reason, str] = {
    "loop": "its event loop stands still",
    "disk": "its disk makes writes wait",
    "peers": "other brokers do not reach it",
}


class Grayness:
    """One for a broker; `reason` is what most of the lost time went to, empty while the broker is well."""

    def __init__(self, after_s: float, calm_s: float) -> None:
        self._after_s, self._calm_s = after_s, calm_s
        self._lost: deque[tuple[float, float, Reason]] = deque()
        """When, how many seconds, to what; of the last twice `after_s`."""
        self._lost_at = self._ended_at = float("-inf")
        self._doublings = 0
        self.reason: Reason = ""

    def look(self, now_s: float, elapsed_s: float, lost: Reason) -> None:
        """`elapsed_s` since the last look; `lost`: what nothing went on for, the whole time."""
        late_s = elapsed_s - LOOK_S
        if late_s >= LOOK_S:
            self._lose(now_s, late_s, "loop")
        elif lost:
            self._lose(now_s, LOOK_S, lost)
        while self._lost and self._lost[0][0] <= now_s - 2 * self._after_s:
            self._lost.popleft()
        if self.reason:
            self._calm_down(now_s)
        elif sum(seconds for _, seconds, _ in self._lost) >= self._after_s:
            self._begin(now_s)

    def _lose(self, now_s: float, seconds: float, reason: Reason) -> None:
        self._lost.append((now_s, seconds, reason))
        self._lost_at = now_s

    def _begin(self, now_s: float) -> None:
        is_again = now_s - self._ended_at < FORGOTTEN_AFTER * self._calm_s
        self._doublings = min(self._doublings + 1, DOUBLINGS_MAX) if is_again else 0
        totals: dict[Reason, float] = defaultdict(float)
        for _, seconds, reason in self._lost:
            totals[reason] += seconds
        self.reason = max(totals, key=totals.__getitem__)

    def _calm_down(self, now_s: float) -> None:
        if now_s - self._lost_at >= self._calm_s * 2**self._doublings:
            self.reason, self._ended_at = "", now_s
            self._lost.clear()


def gray_brokers(image: ClusterImage) -> frozenset[int]:
    """Those that say so of themselves; nobody where that is more than half: then it is the machine that is slow."""
    active = image.active_brokers()
    gray = [broker.broker_id for broker in active if broker.gray]
    return frozenset(gray) if 2 * len(gray) <= len(active) else frozenset()
