"""An asyncio event loop with virtual time, made for one simulated process.

Everything asyncio builds on a loop (tasks, timeouts, TaskGroup, queues, streams) works unchanged. Several loops share
one `Schedule`; a process that dies is a loop that is killed: its callbacks are dropped, what it calls has no effect.
"""

import asyncio
import weakref
from asyncio import events
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextvars import Context
from typing import Any, TypeVar

from odradek.simulation.executor import SimulatedExecutor
from odradek.simulation.futures import SimulatedFuture, SimulatedTask
from odradek.simulation.network import Network
from odradek.simulation.schedule import Schedule
from odradek.simulation.sockets import SocketCalls
from odradek.simulation.transport import SimulatedTransport

T = TypeVar("T")
ErrorContext = dict[str, Any]
ErrorHandler = Callable[[asyncio.AbstractEventLoop, ErrorContext], object]


# The stubs make most of the base class abstract; what a simulated process cannot have (pipes, subprocesses, raw
# sockets, readiness callbacks) raises NotImplementedError there.
_Base: Any = asyncio.AbstractEventLoop


class SimulatedLoop(SocketCalls, _Base):  # type: ignore[misc]
    """One process's loop. Alone (`SimulatedLoop(seed=1)`) it makes its own schedule and network."""

    def __init__(
        self,
        schedule: Schedule | None = None,
        *,
        seed: int = 0,
        name: str = "localhost",
        network: Network | None = None,
    ) -> None:
        self.schedule = schedule or Schedule(seed)
        self.name = name
        self.network = network or Network(self.schedule)
        self.network.add_host(name)
        self.executor = SimulatedExecutor(self)
        self.tasks: list[weakref.ref[asyncio.Task[Any]]] = []
        self.remains: list[asyncio.Task[Any]] = []
        """Tasks that a kill left unfinished: `Process.bury` closes them, not the collector."""
        self.transports: weakref.WeakValueDictionary[int, SimulatedTransport] = weakref.WeakValueDictionary()
        self.errors: list[ErrorContext] = []
        self.held: deque[asyncio.Handle] | None = None
        """While the process is frozen: the steps it does not take."""
        self._alive = True
        self._stopping = False
        self._debug = False
        self._error_handler: ErrorHandler | None = None
        self._task_factory: Any = None
        self._asyncgens: list[weakref.ref[AsyncGenerator[Any, Any]]] = []
        self._signal_handlers: dict[int, Callable[[], object]] = {}

    # Running

    def run_until_complete(self, future: Awaitable[T]) -> T:
        """Drive the whole schedule (also other processes' steps) until the future is done."""
        self._check_runnable()
        task: asyncio.Future[T] = asyncio.ensure_future(future, loop=self)
        self.schedule.run_until(task.done)
        return task.result()

    def run_forever(self) -> None:
        self._check_runnable()
        self._stopping = False
        self.schedule.run_until(lambda: self._stopping)

    def stop(self) -> None:
        self._stopping = True

    def is_running(self) -> bool:
        return events._get_running_loop() is self

    def is_closed(self) -> bool:
        return not self._alive

    def close(self) -> None:
        self.kill()

    def kill(self) -> None:
        """The process is dead: nothing of it runs any more."""
        self._alive = False
        self.remains = [task for each in self.tasks if (task := each()) is not None and not task.done()]
        self.executor.kill()
        for transport in list(self.transports.values()):
            transport.abandon()

    def freeze(self) -> None:
        """The process is not scheduled any more, as after SIGSTOP; its kernel goes on for it."""
        if self.held is None:
            self.held = deque()

    def thaw(self) -> None:
        """It goes on where it was, with everything at once that has come due."""
        held, self.held = self.held, None
        self.schedule.release(held or deque())

    async def shutdown_asyncgens(self) -> None:
        generators = [generator for ref in self._asyncgens if (generator := ref()) is not None]
        self._asyncgens.clear()
        for generator in generators:
            await generator.aclose()

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:
        await self.executor.drained()

    # Callbacks and time

    def time(self) -> float:
        return self.schedule.now

    def call_soon(self, callback: Any, *args: Any, context: Context | None = None) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, self, context)
        if self._alive:
            self.schedule.soon(handle)
        else:
            handle.cancel()
        return handle

    call_soon_threadsafe = call_soon

    def call_later(
        self, delay: float, callback: Any, *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        return self.call_at(self.time() + delay, callback, *args, context=context)

    def call_at(self, when: float, callback: Any, *args: Any, context: Context | None = None) -> asyncio.TimerHandle:
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        if self._alive:
            self.schedule.later(handle)
        else:
            handle.cancel()
        return handle

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        self.schedule.timer_cancelled()

    # Tasks, futures, executor

    def create_future(self) -> asyncio.Future[Any]:
        return SimulatedFuture(self.schedule.next_number(), loop=self)

    def create_task(self, coroutine: Any, **options: Any) -> asyncio.Task[Any]:
        if self._task_factory is not None:
            task: asyncio.Task[Any] = self._task_factory(self, coroutine, **options)
        else:
            number = self.schedule.next_number()
            options["name"] = options.get("name") or f"Task-{number}"
            task = SimulatedTask(number, coroutine, loop=self, **options)
        self.tasks.append(weakref.ref(task))
        return task

    def set_task_factory(self, factory: Any) -> None:
        self._task_factory = factory

    def get_task_factory(self) -> Any:
        return self._task_factory

    def run_in_executor(self, executor: Any, func: Callable[..., T], *args: Any) -> asyncio.Future[T]:
        """Runs the call at a later time, with other steps before, between its file operations, and after it."""
        return self.executor.submit(func, *args)

    def set_default_executor(self, executor: Any) -> None:
        """Accepted and not used: every call runs on the simulated executor."""

    # Errors, signals, debugging

    def get_exception_handler(self) -> ErrorHandler | None:
        return self._error_handler

    def set_exception_handler(self, handler: ErrorHandler | None) -> None:
        self._error_handler = handler

    def call_exception_handler(self, context: ErrorContext) -> None:
        if not self._alive:
            return
        if self._error_handler is None:
            self.default_exception_handler(context)
        else:
            self._error_handler(self, context)

    def default_exception_handler(self, context: ErrorContext) -> None:
        """Keeps the context in `errors`, where the world looks for what nobody handled."""
        self.errors.append(context)

    def get_debug(self) -> bool:
        return self._debug

    def set_debug(self, enabled: bool) -> None:
        self._debug = enabled

    def add_signal_handler(self, sig: int, callback: Callable[..., object], *args: Any) -> None:
        self._signal_handlers[sig] = lambda: callback(*args)

    def remove_signal_handler(self, sig: int) -> bool:
        return self._signal_handlers.pop(sig, None) is not None

    def deliver_signal(self, sig: int) -> bool:
        """As if `kill` had sent it; False when the process has no handler for it."""
        handler = self._signal_handlers.get(sig)
        if handler is not None:
            self.call_soon(handler)
        return handler is not None

    # For the schedule

    def asyncgen_started(self, generator: AsyncGenerator[Any, Any]) -> None:
        self._asyncgens.append(weakref.ref(generator))

    def _check_runnable(self) -> None:
        if not self._alive:
            raise RuntimeError("Event loop is closed")
        if events._get_running_loop() is not None:
            raise RuntimeError("Cannot run the event loop while another loop is running")
