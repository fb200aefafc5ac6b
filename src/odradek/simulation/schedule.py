"""Virtual time and the order of everything: one schedule drives all processes of a simulated world.

What asyncio promises is kept: callbacks registered by one step run in the order of their registration, timers run not
before their time and in its order. All else (which of several ready steps goes first, equal timers, how long a step
takes) is drawn from the seed.
"""

import asyncio
import heapq
import random
import sys
from asyncio import events
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from odradek.simulation.errors import LimitReached, Stuck
from odradek.simulation.trace import Trace

if TYPE_CHECKING:
    from odradek.simulation.loop import SimulatedLoop

STEP_SECONDS_MAX = 50e-6
"""Virtual time moves with every step, so that a busy loop cannot hold the clock still."""

CANCELLED_TIMERS_KEPT = 256

Lane = deque[asyncio.Handle]


class Schedule:
    """Ready steps, timers and the virtual clock. `random` is the one source of chance of the simulation itself."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.random = random.Random(seed)
        self.trace = Trace()
        self.now = 0.0
        self.steps = 0
        self._numbers = 0
        self._lanes: list[Lane] = []
        self._lane_of_step: Lane | None = None
        self._timers: list[tuple[float, float, int, asyncio.TimerHandle]] = []
        self._cancelled_timers = 0

    def next_number(self) -> int:
        """Creation numbers for tasks, futures, timers and connections."""
        self._numbers += 1
        return self._numbers

    def soon(self, handle: asyncio.Handle) -> None:
        """Make a step ready, behind those the running step registered before it."""
        if self._lane_of_step is None:
            self._lanes.append(deque([handle]))
        elif self._lane_of_step:
            self._lane_of_step.append(handle)
        else:
            self._lane_of_step.append(handle)
            self._lanes.append(self._lane_of_step)

    def later(self, handle: asyncio.TimerHandle) -> None:
        heapq.heappush(self._timers, (handle.when(), self.random.random(), self.next_number(), handle))

    def timer_cancelled(self) -> None:
        """Drop cancelled timers when they outnumber the live ones, as asyncio does."""
        self._cancelled_timers += 1
        if self._cancelled_timers > CANCELLED_TIMERS_KEPT and self._cancelled_timers * 2 > len(self._timers):
            self._timers = [entry for entry in self._timers if not entry[3].cancelled()]
            heapq.heapify(self._timers)
            self._cancelled_timers = 0

    def run_until(self, done: Callable[[], bool], steps_max: int | None = None) -> None:
        """Run steps until `done()`. Raises Stuck when nothing is left to run, LimitReached after `steps_max`."""
        limit = sys.maxsize if steps_max is None else self.steps + steps_max
        hooks = sys.get_asyncgen_hooks()
        sys.set_asyncgen_hooks(firstiter=_first_iteration, finalizer=_finalize)
        try:
            while not done():
                if not self.step():
                    raise Stuck(f"nothing left to run at {self.now:.6f} s (seed {self.seed})")
                if self.steps > limit:
                    raise LimitReached(f"{steps_max} steps were not enough (seed {self.seed})")
        finally:
            sys.set_asyncgen_hooks(*hooks)

    def step(self) -> bool:
        """Run one callback, moving time on when none is ready; False when there is nothing to run at all."""
        handle = self._next_handle()
        if handle is None:
            return False
        self.steps += 1
        loop: SimulatedLoop = handle._loop  # type: ignore[attr-defined]
        self.trace.add(f"{self.now:.9f} {loop.name} {_label(handle)}")
        self._lane_of_step = deque()
        events._set_running_loop(loop)
        try:
            handle._run()
        finally:
            events._set_running_loop(None)
            self._lane_of_step = None
        self.now += self.random.random() * STEP_SECONDS_MAX
        return True

    def _next_handle(self) -> asyncio.Handle | None:
        while True:
            self._release_timers()
            if not self._lanes:
                if not self._timers:
                    return None
                self.now = max(self.now, self._timers[0][0])
                continue
            handle = self._pick()
            loop: SimulatedLoop = handle._loop  # type: ignore[attr-defined]
            if handle.cancelled() or loop.is_closed():
                continue
            if loop.held is None:
                return handle
            loop.held.append(handle)

    def release(self, held: Lane) -> None:
        """What a frozen process would have done meanwhile is ready now, in its order."""
        if held:
            self._lanes.append(held)

    def _release_timers(self) -> None:
        """Move due timers to the ready steps: in order of time within a process, in any order between processes."""
        lanes: dict[SimulatedLoop, Lane] = {}
        while self._timers and self._timers[0][0] <= self.now:
            handle = heapq.heappop(self._timers)[3]
            if handle.cancelled():
                self._cancelled_timers -= 1
                continue
            lanes.setdefault(handle._loop, deque()).append(handle)  # type: ignore[attr-defined]
        self._lanes.extend(lanes.values())

    def _pick(self) -> asyncio.Handle:
        index = self.random.randrange(len(self._lanes)) if len(self._lanes) > 1 else 0
        lane = self._lanes[index]
        handle = lane.popleft()
        if not lane:
            self._lanes[index] = self._lanes[-1]
            self._lanes.pop()
        return handle


def _label(handle: asyncio.Handle) -> str:
    """What runs, without addresses: a task by its number, anything else by its name."""
    callback: Any = handle._callback  # type: ignore[attr-defined]
    number = getattr(getattr(callback, "__self__", None), "number", "")
    return f"{getattr(callback, '__qualname__', type(callback).__name__)} {number}"


def _first_iteration(generator: Any) -> None:
    loop: Any = events._get_running_loop()
    loop.asyncgen_started(generator)


def _finalize(generator: Any) -> None:
    loop: Any = events._get_running_loop()
    if loop is not None and not loop.is_closed():
        loop.create_task(generator.aclose())
