"""The wall clock of a simulated machine: virtual time, an offset and a drift."""

from odradek.simulation.schedule import Schedule

EPOCH_MS = 1_700_000_000_000
"""What virtual time 0 is called: 2023-11-14."""


class SimulatedClock:
    """Implements `odradek.host.Clock`. `drift` 0.001 gains a millisecond each second."""

    def __init__(self, schedule: Schedule, *, offset_ms: int = 0, drift: float = 0.0) -> None:
        self._schedule = schedule
        self.offset_ms, self.drift = offset_ms, drift

    def time_ms(self) -> int:
        return EPOCH_MS + self.offset_ms + int(self._schedule.now * 1000 * (1 + self.drift))

    def stopwatch_s(self) -> float:
        """Virtual: work takes no time."""
        return self._schedule.now

    def uptime_s(self) -> float:
        """Virtual, whatever the wall clock does."""
        return self._schedule.now * (1 + self.drift)

    def jump(self, delta_ms: int) -> None:
        """Somebody set the clock."""
        self.offset_ms += delta_ms
