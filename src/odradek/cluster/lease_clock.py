"""How long a broker may be sure that the others still count on it, by its own clock.

A lease only detects failures, and safety rests on epochs alone; but what needs no other broker (acks=0 and 1, acks=all
with an ISR of one, a coordinator's answers from memory) must not be promised by a leader that has been replaced
without knowing. So past two thirds of the lease time since it was certainly renewed, a broker stops promising that.
"""

SURE_SHARE = 2 / 3


class LeaseClock:
    """Times are seconds of one clock that goes on while the machine sleeps."""

    def __init__(self) -> None:
        self._sure_until_s = float("inf")

    def renewed(self, asked_s: float, ttl_s: float) -> None:
        """The store answered a renewal that was asked for at that time or later."""
        self._sure_until_s = asked_s + ttl_s * SURE_SHARE

    def is_doubtful(self, now_s: float) -> bool:
        """Whether others may have taken over by now."""
        return now_s > self._sure_until_s
