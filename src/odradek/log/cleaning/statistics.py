"""What the log cleaner has done, for metrics."""

from odradek.log.cleaning.job import Finished


class CleanerStatistics:
    """Times in seconds of the event loop's clock."""

    __slots__ = ("bytes_read", "bytes_written", "cleanings", "last_looked", "last_map_utilization", "last_s",
                 "max_delay_ms", "max_dirty_ratio", "seconds")  # fmt: skip

    def __init__(self, now: float) -> None:
        self.last_looked = now
        self.max_dirty_ratio = 0.0
        """Of the dirtiest log when it was last looked."""
        self.max_delay_ms = 0
        """By how much max.compaction.lag.ms was exceeded."""
        self.cleanings = 0
        self.bytes_read = self.bytes_written = 0
        self.seconds = self.last_s = 0.0
        self.last_map_utilization = 0.0

    def looked(self, now: float, max_dirty_ratio: float, max_delay_ms: int) -> None:
        """All logs were looked at."""
        self.last_looked = now
        self.max_dirty_ratio = max_dirty_ratio
        self.max_delay_ms = max_delay_ms

    def cleaned(self, finished: Finished, seconds: float) -> None:
        """A cleaning has ended well."""
        self.cleanings += 1
        self.bytes_read += finished.bytes_read
        self.bytes_written += finished.bytes_written
        self.last_s = seconds
        self.seconds += seconds
        self.last_map_utilization = finished.map_utilization
