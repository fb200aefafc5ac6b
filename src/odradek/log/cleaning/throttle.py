"""No more bytes per second than allowed, on average over the whole work (log.cleaner.io.max.bytes.per.second)."""


class Throttle:
    """Told of all bytes read and written; says how long to rest. Times in seconds of any clock."""

    __slots__ = ("_bytes", "_bytes_per_second", "_started")

    def __init__(self, bytes_per_second: float, now: float) -> None:
        self._bytes_per_second = bytes_per_second
        self._started = now
        self._bytes = 0

    def rest_s(self, size: int, now: float) -> float:
        """After `size` more bytes; 0 when there is no need."""
        self._bytes += size
        return max(self._started + self._bytes / self._bytes_per_second - now, 0.0)
