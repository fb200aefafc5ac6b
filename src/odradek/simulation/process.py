"""A simulated process: a loop, a view of the disk, and an end."""

import contextlib
import inspect
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from odradek.simulation.loop import SimulatedLoop

if TYPE_CHECKING:
    from odradek.simulation.world import Machine

CLOSING_ATTEMPTS = 100


class ProcessFailed(Exception):
    """A process's main function raised, or something raised where nobody handled it."""


class Process:
    """One life of a program on a machine. `host` is what a broker is built on."""

    def __init__(self, machine: "Machine") -> None:
        self.machine = machine
        self.world = machine.world
        self.loop = SimulatedLoop(self.world.schedule, name=machine.name, network=self.world.network)
        self.host = machine._host(self.loop.executor.pause)
        self.failure: BaseException | None = None
        self.ended = False

    @property
    def alive(self) -> bool:
        return not self.loop.is_closed()

    def begin(self, main: Callable[["Process"], Coroutine[Any, Any, Any]]) -> None:
        """Run `main`; the process exits when it returns or raises."""
        self.loop.create_task(self._main(main))

    def signal(self, number: int) -> None:
        """Deliver a signal; without a handler it kills."""
        if not self.loop.deliver_signal(number):
            self.machine.crash("process")

    def kill(self) -> None:
        """Stop at once: no callback of this process runs any more, the kernel closes its sockets."""
        if self.alive:
            self.world.schedule.trace.add(f"{self.loop.name} killed")
            self.loop.kill()
            self.world.network.process_died(self.loop)

    def check(self) -> None:
        """Raises ProcessFailed."""
        if self.failure is not None:
            raise ProcessFailed(self.machine.name) from self.failure
        for context in self.loop.errors:
            raise ProcessFailed(f"{self.machine.name}: {context.get('message')}") from context.get("exception")

    def bury(self) -> None:
        """Close what coroutines are left, so that no remains of a dead process are finalised at a random later time."""
        self.kill()
        remains, self.loop.remains = self.loop.remains, []
        for task in remains:
            if not task.done():
                _close(task.get_coro())

    async def _main(self, main: Callable[["Process"], Coroutine[Any, Any, Any]]) -> None:
        try:
            await main(self)
        except Exception as error:
            self.failure = error
            self.world.has_failed = True
        self.ended = True
        self.loop.call_soon(self._exit)

    def _exit(self) -> None:
        if self.alive:
            self.machine.crash("process")


def _close(coroutine: Any) -> None:
    if inspect.iscoroutine(coroutine) and inspect.getcoroutinestate(coroutine) == inspect.CORO_CREATED:
        for argument in inspect.getcoroutinelocals(coroutine).values():
            if inspect.iscoroutine(argument):  # It would have awaited this one.
                _close(argument)
    for _ in range(CLOSING_ATTEMPTS):
        with contextlib.suppress(BaseException):
            coroutine.close()
            return
