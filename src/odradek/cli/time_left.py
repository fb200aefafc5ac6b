"""How long something that becomes less and less still takes."""

from __future__ import annotations

_MINUTE_S, _HOUR_S = 60, 3600


class TimeLeft:
    """Told how much is left now and then; the pace is that of the whole time since the first."""

    def __init__(self) -> None:
        self._first: tuple[float, float] | None = None

    def estimate_s(self, now_s: float, left: float) -> float | None:
        """Seconds until nothing is left; None while nothing has become less."""
        if self._first is None or left > self._first[1]:
            self._first = now_s, left
        began_s, at_first = self._first
        done = at_first - left
        return left * (now_s - began_s) / done if done > 0 and now_s > began_s else None


def in_words(seconds: float | None) -> str:
    """`about 5 min left`, empty when it is not known."""
    if seconds is None:
        return ""
    if seconds < 2 * _MINUTE_S:
        return f"about {seconds:.0f} s left"
    if seconds < 2 * _HOUR_S:
        return f"about {seconds / _MINUTE_S:.0f} min left"
    return f"about {seconds / _HOUR_S:.1f} h left"
