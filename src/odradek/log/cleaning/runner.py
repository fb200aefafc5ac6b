"""Where a cleaning runs: in a helper process, or, on a machine without processes, step by step in the executor."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Iterator
from typing import Protocol

import msgspec

from odradek.host.files import FileSystem
from odradek.host.processes import Helper, Processes
from odradek.log.batch_walk import MalformedBatchError
from odradek.log.cleaning.job import Failed, Job, Outcome, Replaced
from odradek.log.cleaning.rewrite import Step, clean
from odradek.log.cleaning.throttle import Throttle
from odradek.log.errors import DiskFullError, LogError, disk_error
from odradek.wire.errors import InvalidBatchError

logger = logging.getLogger(__name__)

HELPER_MODULE = "odradek.log.cleaning.helper"
_OUTCOMES: msgspec.json.Decoder[Outcome] = msgspec.json.Decoder(Outcome)


class Runner(Protocol):
    """Runs jobs, each as an asynchronous generator that ends with a `Finished` or `Failed`.

    A job waits after each `Replaced` until it is asked for the next outcome.
    """

    def run(self, job: Job) -> AsyncGenerator[Outcome, None]: ...

    def abort(self, job_id: str) -> None:
        """The job ends soon, with a `Failed`."""
        ...


class ExecutorRunner:
    """Each step is one executor call. For simulated machines: in a real process it would take the loop's time."""

    def __init__(self, files: FileSystem, loop: asyncio.AbstractEventLoop) -> None:
        self._files = files
        self._loop = loop
        self._aborted: dict[str, bool] = {}
        """The jobs that run, and whether they are to end."""

    async def run(self, job: Job) -> AsyncGenerator[Outcome, None]:
        steps = clean(self._files, job)
        throttle = Throttle(job.bytes_per_second, self._loop.time())
        self._aborted[job.id] = False
        try:
            while True:
                step = await self._loop.run_in_executor(None, next_step, steps)
                if self._aborted[job.id]:
                    step = Failed("aborted", "the broker is stopping")
                if not isinstance(step, int):
                    yield step
                    if not isinstance(step, Replaced):
                        return
                elif (rest_s := throttle.rest_s(step, self._loop.time())) > 0:
                    await asyncio.sleep(rest_s)
        finally:
            del self._aborted[job.id]
            steps.close()

    def abort(self, job_id: str) -> None:
        self._aborted[job_id] = True


class ProcessRunner:
    """One helper process for each job; it dies with this one."""

    def __init__(self, processes: Processes) -> None:
        self._processes = processes
        self._running: dict[str, Helper | None] = {}
        self._aborted: dict[str, None] = {}

    async def run(self, job: Job) -> AsyncGenerator[Outcome, None]:
        self._running[job.id] = None
        try:
            helper = self._running[job.id] = await self._processes.start(HELPER_MODULE)
        except OSError as error:
            del self._running[job.id]
            yield Failed("died", f"the helper process does not start: {error}")
            return
        try:
            if job.id in self._aborted:
                del self._aborted[job.id]
                helper.kill()
            await helper.write_line(msgspec.json.encode(job))
            while (line := await helper.read_line()) is not None:
                outcome = _OUTCOMES.decode(line)
                yield outcome
                if not isinstance(outcome, Replaced):
                    return
                await helper.write_line(b"next")
            yield Failed("died", "the helper process ended in the middle of its work")
        except msgspec.MsgspecError as error:
            yield Failed("died", f"the helper process said what nobody understands: {error}")
        finally:
            del self._running[job.id]
            await helper.stop()

    def abort(self, job_id: str) -> None:
        helper = self._running.get(job_id)
        if helper is not None:
            helper.kill()
        elif job_id in self._running:
            self._aborted[job_id] = None


def next_step(steps: Iterator[Step]) -> Step | Failed:
    """The next step of a cleaning, or why there is none."""
    try:
        return next(steps)
    except OSError as error:
        failure = disk_error(error, "compacting")
        return Failed("full" if isinstance(failure, DiskFullError) else "disk", str(failure))
    except (LogError, InvalidBatchError, MalformedBatchError) as error:
        return Failed("records", str(error))
