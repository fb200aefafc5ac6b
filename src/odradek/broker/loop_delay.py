"""How late the loop is: what every client waits for besides its own request."""

import asyncio

from odradek.observe.metrics import Histogram, Registry

PERIOD_S = 0.1
BUCKETS_S = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)


class LoopDelay:
    """Measures a few times a second how much later than asked for the loop calls back."""

    def __init__(self, loop: asyncio.AbstractEventLoop, registry: Registry) -> None:
        self._loop = loop
        self._delays: Histogram = registry.histogram(
            "odradek_loop_delay_seconds", "How late the event loop is, looked at ten times a second.", BUCKETS_S
        ).child()

    def start(self) -> None:
        """Measure for as long as the loop runs."""
        due = self._loop.time() + PERIOD_S
        self._loop.call_at(due, self._measure, due)

    def _measure(self, due: float) -> None:
        self._delays.observe(max(self._loop.time() - due, 0.0))
        self.start()
