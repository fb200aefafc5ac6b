"""Wall clock, and a stopwatch. Timers use the event loop's own `time()`, never this."""

import time
from typing import Protocol


class Clock(Protocol):
    """Source of wall-clock time; may jump in either direction."""

    def time_ms(self) -> int:
        """Milliseconds since the Unix epoch."""
        ...

    def stopwatch_s(self) -> float:
        """Seconds since some moment, never going back: how long a piece of work on the loop took.

        The loop's own `time()` may stand still while it works.
        """
        ...

    def uptime_s(self) -> float:
        """Seconds since the machine started, never going back, and going on while it sleeps."""
        ...


class SystemClock:
    """The operating system's wall clock."""

    def time_ms(self) -> int:
        """Milliseconds since the Unix epoch."""
        return time.time_ns() // 1_000_000

    stopwatch_s = staticmethod(time.perf_counter)
    """Seconds since some moment."""

    def uptime_s(self) -> float:
        """By CLOCK_BOOTTIME; where there is none (macOS), the clock may stand still while the machine sleeps."""
        return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))
