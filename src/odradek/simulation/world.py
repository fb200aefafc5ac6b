"""A simulated world: machines with disks and clocks, a network, and processes that live and die on them.

    with World(seed=7) as world:
        broker = world.machine("broker")
        broker.start(serve)                      # async def serve(process: Process) -> None
        world.run(scenario)                      # async def scenario(process: Process), on the machine "client"
        broker.crash("power")
        broker.start(serve)                      # same disk, new boot id

Everything that happens is drawn from the seed. What leaves the `with` block as an error carries a line that says how
to replay it.
"""

import asyncio
import gc
import random
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, TypeVar

from odradek.host import Host
from odradek.simulation.clock import SimulatedClock
from odradek.simulation.disk import CrashKind, Disk
from odradek.simulation.network import Network, NetworkOptions
from odradek.simulation.process import Process
from odradek.simulation.schedule import Schedule

T = TypeVar("T")
STEPS_MAX = 5_000_000


class Machine:
    """A named host: one disk, one clock, at most one process at a time."""

    def __init__(self, world: "World", name: str, capacity_bytes: int | None) -> None:
        self.world, self.name = world, name
        schedule = world.schedule
        self.clock = SimulatedClock(schedule)
        self.disk = Disk(
            random.Random(f"{schedule.seed} disk {name}"),
            name=name,
            capacity_bytes=capacity_bytes,
            now_ms=self.clock.time_ms,
            trace=schedule.trace,
        )
        self.disk.on_crash = self.crash
        self.process: Process | None = None
        self.boots = 1
        self.starts = 0
        world.network.add_host(name)

    def start(self, main: Callable[[Process], Coroutine[Any, Any, Any]] | None = None) -> Process:
        """Start a process on this machine (switching the machine on); `main` is run as its first task."""
        self.world.network.power_on(self.name)
        if self.process is not None and not self.process.loop.is_closed():
            raise RuntimeError(f"{self.name} runs a process already")
        self.starts += 1
        self.process = Process(self)
        self.world.processes.append(self.process)
        if main is not None:
            self.process.begin(main)
        return self.process

    def crash(self, kind: CrashKind) -> None:
        """Kill the process (kind "process") or cut the power of the machine (kind "power")."""
        process, self.process = self.process, None
        if kind == "power":
            self.world.network.power_off(self.name)
            self.boots += 1
        if process is not None:
            process.kill()
        self.disk.crash(kind)

    def host(self) -> Host:
        """What a broker on this machine is built on."""
        return self._host(lambda: None)

    def _host(self, pause: Callable[[], None]) -> Host:
        return Host(
            files=self.disk.mount(pause),
            clock=self.clock,
            random=random.Random(f"{self.world.schedule.seed} {self.name} {self.starts}"),
            boot_id=f"{self.name}-boot-{self.boots}",
            name=self.name,
            pid=1000 + self.starts,
        )


class World:
    """All machines, under one schedule. Use it as a context manager: cyclic garbage collection is off inside."""

    def __init__(self, seed: int, *, options: NetworkOptions | None = None, replay: str | None = None) -> None:
        self.seed = seed
        self.schedule = Schedule(seed)
        self.network = Network(self.schedule, options)
        self.machines: dict[str, Machine] = {}
        self.processes: list[Process] = []
        self.has_failed = False
        self._replay = replay or f"World(seed={seed})"

    @property
    def digest(self) -> str:
        """Digest of everything that happened so far."""
        return self.schedule.trace.digest

    def machine(self, name: str, *, capacity_bytes: int | None = None) -> Machine:
        """The machine of that name, made at its first mention."""
        if name not in self.machines:
            self.machines[name] = Machine(self, name, capacity_bytes)
        return self.machines[name]

    def run(
        self, scenario: Callable[[Process], Coroutine[Any, Any, T]], *, on: str = "client", steps_max: int = STEPS_MAX
    ) -> T:
        """Run a scenario to its end, as a process of the machine `on`; everything else runs along.

        Raises what the scenario raises, ProcessFailed as soon as another process does, Stuck, LimitReached.
        """
        machine = self.machine(on)
        process = machine.process if machine.process is not None else machine.start()
        task: asyncio.Task[T] = process.loop.create_task(scenario(process))
        self.schedule.run_until(lambda: task.done() or self.has_failed, steps_max)
        if not task.done():
            self.check()
        return task.result()

    def run_for(self, seconds: float) -> None:
        """Let virtual time pass."""
        end = self.schedule.now + seconds
        self.network.kernel.call_at(end, lambda: None)
        self.schedule.run_until(lambda: self.schedule.now >= end, STEPS_MAX)

    def check(self) -> None:
        """Raise what a process died of by itself, or what nobody handled."""
        for process in self.processes:
            process.check()

    def __enter__(self) -> "World":
        self._collecting = gc.isenabled()
        gc.disable()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for process in self.processes:
            process.bury()
        if self._collecting:
            gc.enable()
        if error is not None:
            error.add_note(f"seed {self.seed}, digest {self.digest}; replay with: {self._replay}")
