"""Whose silence is believed: a broker whose lease is gone is fenced, unless too many vanish at the same time.

A metadata store that was paused, or cut off from everybody, ends all leases at once, and the brokers are as alive as
before. So when half of them or more vanish together, the controller waits for one more lease time: who lives registers
again meanwhile. Nothing but availability depends on this; safety rests on epochs. Pure: time is given.
"""

from odradek.cluster.image import ClusterImage

TOGETHER_MIN = 2
"""One broker that vanishes alone is believed to be gone, however few there are."""


class Silence:
    """Remembers since when brokers have been without a lease. `ttl_s` is the time of a lease."""

    def __init__(self, ttl_s: float) -> None:
        self._ttl_s = ttl_s
        self._since: dict[tuple[int, int], float] = {}

    def spared(self, image: ClusterImage, now_s: float) -> frozenset[int]:
        """Brokers without a lease that are not to be fenced yet. To be asked with every image."""
        silent = {
            (broker.broker_id, broker.epoch)
            for broker in image.brokers.values()
            if not broker.fenced and not broker.draining and image.live.get(broker.broker_id) != broker.epoch
        }
        self._since = {each: self._since.get(each, now_s) for each in sorted(silent)}
        present = sum(not broker.fenced for broker in image.brokers.values())
        if len(silent) < TOGETHER_MIN or 2 * len(silent) < present:
            return frozenset()
        return frozenset(each[0] for each, since_s in self._since.items() if now_s - since_s < self._ttl_s)

    def wait_s(self, now_s: float) -> float | None:
        """When those that are spared have to be looked at again; None when nobody is silent."""
        if not self._since:
            return None
        return max(min(self._since.values()) + self._ttl_s - now_s, 0.0)
