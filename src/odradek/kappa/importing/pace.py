"""When a record is due if event time is to pass at N times the speed of real time."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence


class Pace:
    """Told the first event time; says which rows are due. Times in milliseconds and seconds, as named."""

    def __init__(self, speed: float, first_ms: int, now_s: float) -> None:
        self._speed = speed
        self._first_ms = first_ms
        self._began_s = now_s

    def due(self, times_ms: Sequence[int], start: int, now_s: float) -> int:
        """The end of the rows that are due from `start` on; times are sorted."""
        return bisect_right(times_ms, self._first_ms + (now_s - self._began_s) * 1000 * self._speed, lo=start)

    def wait_s(self, time_ms: int, now_s: float) -> float:
        """Seconds until a row of that time is due; 0 when it is."""
        return max(0.0, self._began_s + (time_ms - self._first_ms) / 1000 / self._speed - now_s)
