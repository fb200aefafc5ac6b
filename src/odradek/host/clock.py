"""Wall clock. Durations and timers use the event loop's own `time()`, never this."""

import time
from typing import Protocol


class Clock(Protocol):
    """Source of wall-clock time; may jump in either direction."""

    def time_ms(self) -> int:
        """Milliseconds since the Unix epoch."""
        ...


class SystemClock:
    """The operating system's wall clock."""

    def time_ms(self) -> int:
        """Milliseconds since the Unix epoch."""
        return time.time_ns() // 1_000_000
