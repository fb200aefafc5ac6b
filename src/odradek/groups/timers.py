"""One heap of deadlines for everything the coordinator waits for, behind a single timer of the loop.

An alarm can be brought forward but not put off: whoever it wakes looks at what is really due and sets it again. That
keeps what happens often (heartbeats) out of here. Superseded entries stay in the heap until due, or until there are
more of them than live ones.
"""

import asyncio
import heapq
from collections.abc import Callable

from odradek.groups.member import NEVER_MS

_COMPACT_ABOVE = 256


class Alarm:
    """Calls back once, at the earliest time it was set to since it last rang."""

    __slots__ = ("_callback", "_timers", "set_to_ms")

    def __init__(self, timers: "TimerHeap", callback: Callable[[], None]) -> None:
        self._timers = timers
        self._callback = callback
        self.set_to_ms = NEVER_MS

    def ring_by(self, when_ms: int) -> None:
        """Ring at this loop time, or earlier if it was set to that."""
        if when_ms < self.set_to_ms:
            self.set_to_ms = when_ms
            self._timers.push(when_ms, self)

    def cancel(self) -> None:
        """Do not ring unless set again."""
        self.set_to_ms = NEVER_MS

    def ring(self) -> None:
        """For the heap: its time has come."""
        self.set_to_ms = NEVER_MS
        self._callback()


class TimerHeap:
    """The deadlines of all groups and writes of one coordinator, in milliseconds of the loop's time."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._heap: list[tuple[int, int, Alarm]] = []
        self._sequence = 0
        self._handle: asyncio.TimerHandle | None = None
        self._handle_ms = NEVER_MS
        self._compact_above = _COMPACT_ABOVE

    def now_ms(self) -> int:
        """The loop's time."""
        return int(self._loop.time() * 1000)

    def push(self, when_ms: int, alarm: Alarm) -> None:
        """For alarms."""
        self._sequence += 1
        heapq.heappush(self._heap, (when_ms, self._sequence, alarm))
        if len(self._heap) > self._compact_above:
            self._compact()
        self._schedule()

    def close(self) -> None:
        """Nothing rings any more."""
        self._heap.clear()
        self._schedule()

    def __len__(self) -> int:
        return len(self._heap)

    def _compact(self) -> None:
        self._heap = [entry for entry in self._heap if entry[2].set_to_ms == entry[0]]
        heapq.heapify(self._heap)
        self._compact_above = max(_COMPACT_ABOVE, 2 * len(self._heap))

    def _schedule(self) -> None:
        """Have the loop's one timer at the head of the heap."""
        head_ms = self._heap[0][0] if self._heap else NEVER_MS
        if head_ms == self._handle_ms:
            return
        if self._handle is not None:
            self._handle.cancel()
        self._handle_ms = head_ms
        # A millisecond later, so that what is due is due in whole milliseconds too.
        self._handle = self._loop.call_at((head_ms + 1) / 1000, self._ring) if self._heap else None

    def _ring(self) -> None:
        self._handle, self._handle_ms = None, NEVER_MS
        now_ms = self.now_ms()
        while self._heap and self._heap[0][0] <= now_ms:
            when_ms, _, alarm = heapq.heappop(self._heap)
            if alarm.set_to_ms == when_ms:
                alarm.ring()
        self._schedule()
