"""How fast replicas that are not in sync may catch up (KIP-73): one bound for all of a broker's throttled partitions.

Pure: time is given, in seconds. What was received counts when it has been received, so one answer may exceed the rate;
then nothing more is asked for until the average is back below it.
"""

from collections.abc import Iterable

BURST_S = 1.0
"""So much of the rate may be taken at once after a pause."""
ALL = "*"


class Throttle:
    """A bucket of bytes that fills at `rate` per second; below zero the rate is exceeded."""

    __slots__ = ("_at_s", "_bytes", "rate")

    def __init__(self, rate: int, now_s: float = 0.0) -> None:
        self.rate = rate
        self._bytes = rate * BURST_S
        self._at_s = now_s

    def set_rate(self, rate: int, now_s: float) -> None:
        """Bytes per second from now on; 0 stops everything."""
        if rate != self.rate:
            self._fill(now_s)
            self.rate = rate
            self._bytes = min(self._bytes, rate * BURST_S)

    def record(self, size: int, now_s: float) -> None:
        """So many bytes were received, or sent."""
        self._fill(now_s)
        self._bytes -= size

    def is_exceeded(self, now_s: float) -> bool:
        self._fill(now_s)
        return self._bytes < 0 or self.rate == 0

    def wait_s(self, most_s: float) -> float:
        """How long it stays exceeded if nothing comes, but at most so long: the rate may change meanwhile."""
        if self.rate == 0:
            return most_s
        return min(max(-self._bytes / self.rate, 0.0), most_s)

    def _fill(self, now_s: float) -> None:
        self._bytes = min(self._bytes + (now_s - self._at_s) * self.rate, self.rate * BURST_S)
        self._at_s = now_s


def is_throttled(replicas: Iterable[str], partition: int, broker_id: int) -> bool:
    """Whether a topic's `follower.` or `leader.replication.throttled.replicas` has it, as PARTITION:BROKER or `*`."""
    wanted = f"{partition}:{broker_id}"
    return any(each in (ALL, wanted) for each in replicas)
