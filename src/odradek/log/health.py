"""What a log directory can take right now: everything, nothing because it is full, nothing any more because it failed;
and whether its writes are quick enough to be made on the event loop.

Plain state, no I/O. The append path looks at two attributes, `refusal` and `threaded`; everything else happens when
something goes wrong.
"""

from collections import deque

from odradek.log.errors import DirectoryFailedError, DiskFullError, LogError

SLOW_WRITE_S = 0.02
"""A write that takes longer may have waited for the disk; a page-cache write of 1 MiB takes 0.3 ms."""
SLOW_WRITES = 3
SLOW_WINDOW_S = 10.0
"""So many slow writes within this time move the directory to writer-thread mode ..."""
CALM_S = 30.0
"""... and so long without one moves it back."""


class DirectoryHealth:
    """Shared by every partition of one log directory."""

    __slots__ = (
        "_slow",
        "partitions",
        "path",
        "refusal",
        "reserve_bytes",
        "threaded",
        "unwritten_bytes",
        "watched_until",
        "writes",
    )

    def __init__(self, path: str) -> None:
        self.path = path
        self.refusal: LogError | None = None
        """Why appends are refused, None while they are taken."""
        self.threaded = False
        """Writes go through the executor, in order per partition."""
        self.watched_until = 0.0
        """Until then (loop seconds) it is looked at what a slow write waited for: there has been one lately."""
        self.unwritten_bytes = 0
        """Appended since writeback was last started."""
        self.reserve_bytes = 0
        self.partitions = 0
        """Logs in the directory: new ones go where there are fewest."""
        self.writes: dict[object, float] = {}
        """Writes under way in threads: since when (loop seconds) each log's writer waits for one."""
        self._slow: deque[float] = deque(maxlen=SLOW_WRITES)

    @property
    def is_failed(self) -> bool:
        """Offline until a restart re-reads the disk."""
        return isinstance(self.refusal, DirectoryFailedError)

    @property
    def is_up(self) -> bool:
        """Not failed; perhaps full."""
        return not self.is_failed

    @property
    def is_full(self) -> bool:
        """Appends are refused until there is room."""
        return isinstance(self.refusal, DiskFullError)

    def fail(self, reason: str) -> bool:
        """The directory goes offline, for good. False when it was already."""
        if self.is_failed:
            return False
        self.refusal = DirectoryFailedError(f"{self.path} is offline: {reason}")
        return True

    def fill(self) -> bool:
        """No room: refuse appends until `resume`. False when that is known, or the directory is offline."""
        if self.refusal is not None:
            return False
        self.refusal = DiskFullError(f"no space left for {self.path}")
        return True

    def resume(self) -> None:
        """There is room again. A failed directory stays offline."""
        if self.is_full:
            self.refusal = None

    def check(self) -> None:
        """Raises DiskFullError or DirectoryFailedError where appends are refused."""
        if self.refusal is not None:
            raise type(self.refusal)(*self.refusal.args)

    def watch(self, now: float) -> None:
        """A write took longer than SLOW_WRITE_S: find out of the next ones what they wait for."""
        self.watched_until = now + SLOW_WINDOW_S

    def slow_write(self, now: float) -> bool:
        """A write waited for the disk, longer than SLOW_WRITE_S. True when that starts writer-thread mode."""
        self._slow.append(now)
        stalls = len(self._slow) == SLOW_WRITES and now - self._slow[0] <= SLOW_WINDOW_S
        started = stalls and not self.threaded
        self.threaded = self.threaded or stalls
        return started

    def calm_down(self, now: float) -> bool:
        """Asked now and then. True when writer-thread mode ends."""
        if not self.threaded or now - self._slow[-1] < CALM_S:
            return False
        self.threaded = False
        self._slow.clear()
        return True
