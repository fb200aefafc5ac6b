"""How long to wait before a broker that died is started again: plain, time is an argument."""

BACKOFF_S = (0.0, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
"""By deaths in a row; the last one goes on. A broker is never given up: the others serve, its records need it."""
STEADY_S = 60.0
"""Who has served for so long has not died in a row."""


class Restarts:
    """Of one broker."""

    def __init__(self) -> None:
        self._deaths = 0

    def delay_s(self, served_s: float) -> float:
        """It died after serving for so long (0: it never did)."""
        if served_s >= STEADY_S:
            self._deaths = 0
        delay = BACKOFF_S[min(self._deaths, len(BACKOFF_S) - 1)]
        self._deaths += 1
        return delay
