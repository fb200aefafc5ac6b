"""Who is served when there is more to do than one turn of the loop should take.

What one read brought may be thousands of requests, and a thousand connections may each want much at once. So a
connection is served for a bounded time and number of requests, and what is left waits for its next turn; and once
those whose requests take long have had their share of a turn of the loop, the others of their kind wait as well, first
come first served. A connection whose requests are quick is served at once all the while.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from odradek.broker.connection import Connection

TURN_SECONDS = 0.001
"""Of one connection; and of all that are not quick, for each turn of the loop."""

TURN_REQUESTS_MAX = 512
"""Of one connection."""

REQUESTS_PER_LOOK = 8
"""Requests after each of which the stopwatch is looked at."""

QUICK_SECONDS = 0.000_25
"""A connection whose last turn took no longer is quick."""


class Turns:
    """`stopwatch` gives seconds that really pass; what it says decides who waits, never what is answered."""

    __slots__ = ("_began", "_is_scheduled", "_loop", "_spent", "_spent_in_line", "_waiting", "stopwatch")

    def __init__(self, loop: asyncio.AbstractEventLoop, stopwatch: Callable[[], float]) -> None:
        self.stopwatch = stopwatch
        self._loop = loop
        self._waiting: deque[Connection] = deque()
        self._spent = 0.0
        """Seconds of this turn of the loop that went to connections that are not quick."""
        self._spent_in_line = 0.0
        """Of these, those of connections that had waited."""
        self._began = 0.0
        """When the last of those who had waited was served."""
        self._is_scheduled = False

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def is_used_up(self) -> bool:
        """Whether a connection that is not quick has to wait."""
        return self._spent > TURN_SECONDS or bool(self._waiting)

    def wait(self, connection: "Connection") -> None:
        """It has requests to be served: `take_turn` is called once, in a later turn of the loop."""
        if not connection.is_in_line:
            connection.is_in_line = True
            self._waiting.append(connection)
            self._schedule()

    def served(self, connection: "Connection", began: float) -> None:
        """It was served from `began` on until now, by the stopwatch."""
        took = self.stopwatch() - began
        if took > QUICK_SECONDS:
            connection.is_quick = False
            self._spent += took
            self._schedule()
        else:
            connection.is_quick = True

    def _schedule(self) -> None:
        if not self._is_scheduled:
            self._is_scheduled = True
            self._began, self._spent_in_line = self.stopwatch(), 0.0
            self._loop.call_soon(self._next_turn)

    def _next_turn(self) -> None:
        """Serve those who wait for as long as the loop did other things since the last time, and a bit at least."""
        now = self.stopwatch()
        others = now - self._began - (self._spent - self._spent_in_line)
        self._spent = 0.0
        self._serve_line(now + max(TURN_SECONDS, others))
        self._is_scheduled = False
        if self._waiting or self._spent:
            self._schedule()
            self._spent_in_line = self._spent

    def _serve_line(self, until: float) -> None:
        waiting = self._waiting
        for _ in range(len(waiting)):
            connection = waiting.popleft()
            connection.is_in_line = False
            connection.take_turn()
            if self.stopwatch() >= until:
                break
