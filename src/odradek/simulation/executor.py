"""`run_in_executor` without parallelism: a call has a start, pauses at each of its file operations, and an end.

Each call has a thread of its own, but only one thread of the whole simulation runs at any moment: the schedule hands
the baton to a worker and waits until it pauses or ends. So loop steps happen in the middle of a call, where real
threads would race, and still every run of a seed is the same.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from odradek.simulation.errors import SimulatedCrash

if TYPE_CHECKING:
    from odradek.simulation.loop import SimulatedLoop

THREADS_MAX = 6
START_SECONDS_MAX = 0.001
OPERATION_SECONDS_MAX = 0.002
BATON_SECONDS_MAX = 60


class Worker:
    """One call on its way. `future` is what the caller of run_in_executor awaits."""

    def __init__(self, executor: "SimulatedExecutor", function: Callable[..., Any], args: tuple[Any, ...]) -> None:
        self.future: asyncio.Future[Any] = executor.loop.create_future()
        self.ended = False
        self._executor = executor
        self._function, self._args = function, args
        self._error: BaseException | None = None
        self._result: Any = None
        self._go, self._stopped = threading.Semaphore(0), threading.Semaphore(0)
        self._thread = threading.Thread(target=self._main, daemon=True)
        self._killed = False

    def resume(self) -> None:
        """Let the call run to its next pause or its end. Called by the schedule."""
        if not self._thread.is_alive():
            self._thread.start()
        self._executor.running = self
        self._go.release()
        if not self._stopped.acquire(timeout=BATON_SECONDS_MAX):
            raise RuntimeError(f"{self._function!r} blocks in the executor on something that is not simulated")
        self._executor.running = None
        if self.ended:
            self._thread.join()

    def pause(self) -> None:
        """Give the baton back, inside the worker's thread, until the next `resume`."""
        if self._killed:
            raise SimulatedCrash
        self._stopped.release()
        self._go.acquire()
        if self._killed:
            raise SimulatedCrash

    def kill(self) -> None:
        """End the thread of a dead process: its file operations raise SimulatedCrash from here on."""
        self._killed = True
        if self._thread.is_alive() and threading.current_thread() is not self._thread:
            self.resume()

    def deliver(self) -> None:
        """The completion, as the loop sees it."""
        if self.future.done():
            return
        if self._error is not None:
            self.future.set_exception(self._error)
        else:
            self.future.set_result(self._result)

    def _main(self) -> None:
        self._go.acquire()
        try:
            if not self._killed:
                self._result = self._function(*self._args)
        except BaseException as error:
            self._error = error
        self.ended = True
        self._stopped.release()


class SimulatedExecutor:
    """The default executor of one process: at most `THREADS_MAX` calls at a time, the others wait in order."""

    def __init__(self, loop: "SimulatedLoop") -> None:
        self.loop = loop
        self.running: Worker | None = None
        self.delay_s = 0.0
        """Every file operation of a call takes so much longer, as on a disk in trouble."""
        self._waiting: deque[Worker] = deque()
        self._active: list[Worker] = []

    def submit(self, function: Callable[..., Any], *args: Any) -> asyncio.Future[Any]:
        worker = Worker(self, function, args)
        self._waiting.append(worker)
        self._start_next()
        return worker.future

    def pause(self) -> None:
        """Called by the file system before each operation: a pause in a worker, nothing on the loop."""
        if self.running is not None and threading.current_thread() is self.running._thread:
            self._resume_later(self.running, OPERATION_SECONDS_MAX, self.delay_s)
            self.running.pause()

    def kill(self) -> None:
        """Also from within one of the workers, whose own file operation the process died of."""
        self._waiting.clear()
        running, active, self._active = self.running, self._active, []
        for worker in active:
            worker.kill()
        self.running = running

    async def drained(self) -> None:
        """Wait until no call is running or waiting."""
        while unfinished := [worker.future for worker in (*self._active, *self._waiting)]:
            await asyncio.wait(unfinished)
            await asyncio.sleep(0)

    def _start_next(self) -> None:
        while self._waiting and len(self._active) < THREADS_MAX:
            worker = self._waiting.popleft()
            if not worker.future.cancelled():
                self._active.append(worker)
                self._resume_later(worker, START_SECONDS_MAX)

    def _resume_later(self, worker: Worker, seconds_max: float, delay_s: float = 0.0) -> None:
        self.loop.call_later(delay_s + self._draw(seconds_max), self._resume, worker)

    def _resume(self, worker: Worker) -> None:
        worker.resume()
        if worker.ended and worker in self._active:
            self.loop.call_later(self._draw(START_SECONDS_MAX), self._complete, worker)

    def _complete(self, worker: Worker) -> None:
        self._active.remove(worker)
        worker.deliver()
        self._start_next()

    def _draw(self, seconds_max: float) -> float:
        return self.loop.schedule.random.random() * seconds_max
