"""When a snapshot is due: after so long, or when about so much waits."""

from odradek.kappa.definition.quantities import Every


class Pace:
    """Decides by the time (milliseconds, of any steady clock) and by how large records have been so far."""

    def __init__(self, every: Every, now_ms: int) -> None:
        self._every = every
        self._last_ms = now_ms
        self._records = self._size = 0

    def is_due(self, now_ms: int, waiting: int) -> bool:
        """`waiting`: records that are in no snapshot yet."""
        if waiting == 0:
            return False
        if now_ms - self._last_ms >= self._every.milliseconds:
            return True
        return self._records > 0 and waiting * self._size >= self._every.size * self._records

    def took(self, now_ms: int, records: int, size: int) -> None:
        """A commit of so many records and bytes has ended."""
        self._last_ms = now_ms
        self._records += records
        self._size += size
