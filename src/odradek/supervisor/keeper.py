"""Keeps one broker running: starts it, notices its death at once, tells the cluster, starts it again."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace

from odradek.broker.options import ReadyInfo, ReadyWorker, StartOptions
from odradek.broker.server import StartError
from odradek.supervisor.plan import WorkerPlan
from odradek.supervisor.process import WorkerProcess
from odradek.supervisor.restarts import Restarts

log = logging.getLogger(__name__)


RETIRED_LOOK_S = 1.0


class Keeper:
    """`on_death` is called with the broker's id once its process is gone, before the next one is started.

    `is_retired`: whether a broker that was asked to stop is meant to stay down (it was drained, or removed).
    """

    def __init__(
        self,
        plan: WorkerPlan,
        on_death: Callable[[int], Awaitable[None]],
        is_retired: Callable[[int], Awaitable[bool]],
    ) -> None:
        self.node_id = plan.node_id
        self._options = plan.options
        self._on_death, self._is_retired = on_death, is_retired
        self._loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        self._restarts = Restarts()
        self._was_asked = False
        """Whether the last process ended as one that somebody had asked to."""
        self._process: WorkerProcess | None = None
        self.first_ready: asyncio.Future[ReadyWorker] = self._loop.create_future()
        """Raises StartError when the first process ends before it serves."""
        self.first_ready.add_done_callback(_retrieve)

    async def run(self) -> None:
        """Until `stop`, or until the first process could not start."""
        while not self._stopping.is_set():
            began = self._loop.time()
            has_served = await self._run_once()
            if not self.first_ready.done() or self.first_ready.exception() is not None:
                return
            await self._rest(self._restarts.delay_s(self._loop.time() - began if has_served else 0.0))
            await self._stay_down()

    def stop(self) -> None:
        """Ask for a clean end; `run` returns then."""
        self._stopping.set()
        if self._process is not None:
            self._process.terminate()

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()

    async def _run_once(self) -> bool:
        """One process from start to end. Whether it has served."""
        try:
            process = self._process = await WorkerProcess.start(self._options)
        except OSError as error:
            self._was_asked = False
            self._note_end(0, f"its process cannot be started: {error.strerror}", "")
            return False
        if self._stopping.is_set():
            process.terminate()
        report = await process.report()
        if report.ready is not None:
            self._note_ready(report.ready, process.pid)
        how = await process.ended()
        self._process = None
        await self._on_death(self.node_id)
        self._was_asked = process.is_clean
        self._note_end(process.pid, report.refused, how)
        return report.ready is not None

    def _note_ready(self, info: ReadyInfo, pid: int) -> None:
        """From now on it has the ports that it has now, also where any were free to choose."""
        log.info("Broker %d serves on %s (process %d)", self.node_id, info.listen, pid)
        self._options = _at_address(self._options, info)
        if not self.first_ready.done():
            self.first_ready.set_result(
                ReadyWorker(self.node_id, info.listen, info.advertise, info.data_dir, info.metrics, pid)
            )

    def _note_end(self, pid: int, refused: str | None, how: str) -> None:
        if self._stopping.is_set():
            return
        reason = refused or f"its process ended with {how}"
        if not self.first_ready.done():
            self.first_ready.set_exception(StartError(f"broker {self.node_id} did not start: {reason}"))
        elif self._was_asked:
            log.info("Broker %d has stopped (process %d): somebody asked for it", self.node_id, pid)
        else:
            log.error("Broker %d is down: %s (process %d)", self.node_id, reason, pid)

    async def _stay_down(self) -> None:
        """An empty broker that somebody has stopped is wanted no more, until it is taken back."""
        if not self._was_asked or self._stopping.is_set() or not await self._is_retired(self.node_id):
            return
        log.info("Broker %d was drained: it stays down", self.node_id)
        while not self._stopping.is_set() and await self._is_retired(self.node_id):
            await self._rest(RETIRED_LOOK_S)

    async def _rest(self, delay_s: float) -> None:
        waiting = asyncio.ensure_future(self._stopping.wait())
        await asyncio.wait([waiting], timeout=delay_s)
        waiting.cancel()


def _at_address(options: StartOptions, info: ReadyInfo) -> StartOptions:
    """Only what was left to the system is filled in: the first listener, and the HTTP endpoint."""
    listeners = options.overrides["listeners"].split(",")
    port = info.listen.rpartition(":")[2]
    if listeners[0].endswith(":0"):
        listeners[0] = f"{listeners[0].removesuffix(':0')}:{port}"
    overrides = {**options.overrides, "listeners": ",".join(listeners)}
    return replace(options, overrides=overrides, metrics=info.metrics)


def _retrieve(ready: "asyncio.Future[ReadyWorker]") -> None:
    """Mark the outcome as seen: a stop may have come first."""
    if not ready.cancelled():
        ready.exception()
