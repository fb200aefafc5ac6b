"""The log cleaner of a broker: looks for logs worth compacting, has them compacted, puts the results in their place.

Every log.cleaner.backoff.ms it looks at the compacted logs this broker has a part in, and compacts those that are due,
the dirtiest first, log.cleaner.threads at a time, until none is due. A cleaning holds on to nothing: when the log's
segments change under it (its generation), or its leader epoch, or its policy, what it made is thrown away. The end of
a cleaning is kept in `Log.cleaned_offset` and the cleaner-offset-checkpoint, from where the next one goes on.
"""

import asyncio
import logging
from contextlib import aclosing
from typing import TYPE_CHECKING, NamedTuple

from odradek.log.batch_walk import MalformedBatchError
from odradek.log.cleaning import cleanable, facts, replacement, swap
from odradek.log.cleaning.cleanable import Cleanable
from odradek.log.cleaning.job import Failed, Finished, Job, Replaced
from odradek.log.cleaning.replacement import Swap, WrongOutputError
from odradek.log.cleaning.runner import ExecutorRunner, ProcessRunner, Runner
from odradek.log.cleaning.settings import CleanerSettings
from odradek.log.cleaning.statistics import CleanerStatistics
from odradek.log.errors import DamagedLogError, DiskFullError, LogError, disk_error

if TYPE_CHECKING:
    from odradek.log.log import Log
    from odradek.log.manager import LogManager

logger = logging.getLogger(__name__)

LOGS_PER_SLICE = 16
"""Logs looked at between two turns of the loop."""
DEATHS_MAX = 3
"""Helpers that may die over one log before it is left alone."""


class _Stage(NamedTuple):
    """A cleaning is worth nothing once one of these is another."""

    generation: int
    leader_epoch: int


class LogCleaner:
    """Part of `LogManager`."""

    def __init__(self, manager: "LogManager", settings: CleanerSettings) -> None:
        self._manager = manager
        self._loop = manager.loop
        self._files = manager.files
        self.settings = settings
        """Dynamic: what is set counts from the next cleaning on; `enable` only at start."""
        processes = manager.host.processes
        self._runner: Runner = (
            ExecutorRunner(manager.files, manager.loop) if processes is None else ProcessRunner(processes)
        )
        self._timer: asyncio.TimerHandle | None = None
        self._round: asyncio.Task[None] | None = None
        self._cleaning: dict[Log, asyncio.Future[None]] = {}
        self._jobs: dict[Log, str] = {}
        self._stopping = False
        self._deaths: dict[Log, int] = {}
        self._short_of_room: dict[Log, None] = {}
        self.uncleanable: dict[Log, str] = {}
        """Logs left alone until the next start, and why."""
        self.statistics = CleanerStatistics(self._loop.time())

    # -- life cycle -----------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to look, where log.cleaner.enable is true."""
        if self.settings.enable:
            self._schedule()

    async def stop(self) -> None:
        """Give up what is under way, except for a swap that has begun. Returns when nothing is."""
        self._stopping = True
        if self._timer is not None:
            self._timer.cancel()
        for job_id in self._jobs.values():
            self._runner.abort(job_id)
        while self._cleaning or self._round is not None:
            await asyncio.wait([*self._cleaning.values(), *([self._round] if self._round is not None else [])])

    def forget(self, log: "Log") -> None:
        """The log is no longer ours."""
        if (job_id := self._jobs.get(log)) is not None:
            self._runner.abort(job_id)
        self.uncleanable.pop(log, None)
        self._deaths.pop(log, None)
        self._short_of_room.pop(log, None)

    async def let_go(self, log: "Log") -> None:
        """Returns once no cleaning touches the log's directory, which may then get another name."""
        while (cleaning := self._cleaning.get(log)) is not None:
            await asyncio.wait([cleaning])

    def _schedule(self) -> None:
        self._timer = self._loop.call_later(self.settings.backoff_ms / 1000, self._tick)

    def _tick(self) -> None:
        self._round = self._loop.create_task(self._clean_what_is_due(), name="log cleaner")
        self._round.add_done_callback(self._round_ended)

    def _round_ended(self, ended: "asyncio.Task[None]") -> None:
        self._round = None
        if not ended.cancelled() and (error := ended.exception()) is not None:
            self._loop.call_exception_handler({"message": "the log cleaner failed", "exception": error})
        if not self._stopping:
            self._schedule()

    async def _clean_what_is_due(self) -> None:
        await asyncio.gather(*(self._clean_one_after_the_other() for _ in range(max(self.settings.threads, 1))))

    async def _clean_one_after_the_other(self) -> None:
        done: dict[Log, None] = {}
        while not self._stopping and (chosen := await self._filthiest(done)) is not None:
            log, part = chosen
            if not await self._clean(log, part):
                done[log] = None  # Not again in this round: what kept it will not be gone so soon.

    async def _filthiest(self, done: "dict[Log, None]") -> "tuple[Log, Cleanable] | None":
        """The dirtiest of those that are due, and how dirty the dirtiest of all is."""
        best: tuple[Log, Cleanable] | None = None
        highest_ratio, delay_ms = 0.0, 0
        candidates = [log for log in self._manager.logs.values() if "compact" in log.config.cleanup_policy]
        for count, log in enumerate(candidates, 1):
            if count % LOGS_PER_SLICE == 0:
                await asyncio.sleep(0)
            part = self._assess(log)
            if part is None:
                continue
            highest_ratio, delay_ms = max(highest_ratio, part.dirty_ratio), max(delay_ms, part.delay_ms)
            is_due = part.is_due(log.config.min_cleanable_dirty_ratio)
            if is_due and log not in done and (best is None or part.dirty_ratio > best[1].dirty_ratio):
                best = log, part
        self.statistics.looked(self._loop.time(), highest_ratio, delay_ms)
        if best is not None and best[0] in self._cleaning:
            return await self._filthiest(done)
        return best

    def _assess(self, log: "Log") -> Cleanable | None:
        """None for a log that is not to be touched now."""
        manager = self._manager
        if manager.logs.get((log.topic_id, log.partition)) is not log or log not in manager.owners:
            return None
        if log in self.uncleanable or log in self._cleaning or not self._may_be_touched(log):
            return None
        try:
            return cleanable.assess(facts.facts_of(log, manager.stable_offset_of(log)), manager.time_ms())
        except (OSError, LogError, MalformedBatchError) as error:
            self._leave_alone(log, str(error))
            return None

    def _may_be_touched(self, log: "Log") -> bool:
        return log.damage is None and log.swap is None and self._manager.health_of(log).refusal is None

    # -- one log --------------------------------------------------------------------------------------------------

    async def clean_now(self, log: "Log") -> bool:
        """Compact all of the log that may be, however little that is; whether it is clean now."""
        await self.let_go(log)
        if not self._is_ours(log) or not self._may_be_touched(log):
            return False
        part = cleanable.assess(facts.facts_of(log, self._manager.stable_offset_of(log)), self._manager.time_ms())
        return part.upper_offset > part.first_dirty_offset and await self._clean(log, part)

    async def _clean(self, log: "Log", part: Cleanable) -> bool:
        """Whether the part is clean now, or a first portion of it where the map was full."""
        job_id = f"{self._manager.host.random.getrandbits(64):016x}"
        self._cleaning[log], self._jobs[log] = (ended := self._loop.create_future()), job_id
        started = self._loop.time()
        outcome: Finished | Failed | None
        try:
            job = facts.job_of(log, part, self.settings, job_id, self._manager.time_ms())
            outcome = await self._refusal(log, job) or await self._carry_out(log, job)
        except DamagedLogError as error:
            outcome = Failed("records", str(error))
        except (OSError, LogError) as error:
            outcome = Failed("disk", str(error))
        finally:
            del self._cleaning[log], self._jobs[log]
            ended.set_result(None)
        if not self._is_ours(log):
            return False
        if isinstance(outcome, Finished):
            await self._cleaned(log, job, outcome, self._loop.time() - started)
            return True
        if outcome is not None:
            self._failed(log, outcome)
        return False

    async def _refusal(self, log: "Log", job: Job) -> Failed | None:
        """Compacting makes room only in the end: until then two segments may be there twice."""
        free = (await self._loop.run_in_executor(None, self._files.space, log.directory)).free_bytes
        needed = 2 * min(max(job.segment_bytes, *(each.size for each in job.segments)), log.size_bytes)
        if free >= needed + self._manager.health_of(log).reserve_bytes:
            return None
        return Failed("full", f"{needed} bytes would be needed, and {free} are free")

    async def _carry_out(self, log: "Log", job: Job) -> Finished | Failed | None:
        """How the job ended; None when what it made is of no use any more."""
        stage = _stage_of(log)
        outcome: Finished | Failed | None = None
        if self._stopping:
            return None
        async with aclosing(self._runner.run(job)) as outcomes:
            async for each in outcomes:
                if not self._is_at(log, stage):
                    break
                if not isinstance(each, Replaced):
                    outcome = each
                    break
                failure = await self._swap_in(log, job, each, stage)
                if failure is not None or not self._is_ours(log):
                    outcome = failure
                    break
                stage = _stage_of(log)
        if not isinstance(outcome, Finished):
            await self._remove_outputs(log, job)
        return outcome if self._is_ours(log) else None

    async def _swap_in(self, log: "Log", job: Job, replaced: Replaced, stage: _Stage) -> Failed | None:
        """Put one new segment in its place; None also where that turns out to be of no use any more."""
        try:
            swapping = Swap(log, job.id, replaced)
            base_offset, end_offset = swapping.base_offset, swapping.end_offset
            await self._loop.run_in_executor(
                None, replacement.prepare, self._files, log.directory, base_offset, job.id, replaced.size, end_offset
            )
            await self._list_as_compacted(log)
            if not self._is_at(log, stage) or self._stopping:
                return Failed("aborted", "the log has changed")
            swapping.begin()
        except WrongOutputError as error:
            return Failed("records", str(error))
        except OSError as error:
            return _failed_by(error, log.directory)
        is_as_made = await self._complete(log, swapping, replaced)
        return None if is_as_made else Failed("aborted", "the log has changed")

    async def _complete(self, log: "Log", swapping: Swap, replaced: Replaced) -> bool:
        """After `begin` there is no way back: an error takes the log's directory offline.

        False when somebody had the swap completed at once, to change the log.
        """
        is_as_made = False
        try:
            old = await self._loop.run_in_executor(
                None, swap.set_old_aside, self._files, log.directory, replaced.sources
            )
            if log.swap is swapping:
                swapping.end()
                await self._loop.run_in_executor(None, self._files.sync_directory, log.directory)
            if is_as_made := log.swap is swapping:
                swapping.stored()
            for path in old:
                self._manager.upkeep.remove_later(path, log.config.file_delete_delay_ms)
        except OSError as error:
            self._manager.fail_directory(
                self._manager.health_of(log).path, f"swapping segments of {log.directory}: {error}"
            )
        return is_as_made

    async def _list_as_compacted(self, log: "Log") -> None:
        """What the disk says of the log's segments must be from a time when they were known to change."""
        config = None
        while config is not log.config and self._is_ours(log):
            config = log.config
            await self._manager.upkeep.checkpoint_recovery_points()

    async def _remove_outputs(self, log: "Log", job: Job) -> None:
        try:
            await self._loop.run_in_executor(None, swap.remove_outputs, self._files, log.directory, job.id)
        except FileNotFoundError:
            pass  # The log's directory is gone.
        except OSError as error:
            logger.warning("what a cleaning left in %s could not be removed: %s", log.directory, error)

    def _is_ours(self, log: "Log") -> bool:
        manager = self._manager
        return manager.logs.get((log.topic_id, log.partition)) is log and not manager.health_of(log).is_failed

    def _is_at(self, log: "Log", stage: _Stage) -> bool:
        return self._is_ours(log) and _stage_of(log) == stage and "compact" in log.config.cleanup_policy

    # -- results --------------------------------------------------------------------------------------------------

    async def _cleaned(self, log: "Log", job: Job, finished: Finished, seconds: float) -> None:
        if not self._is_ours(log) or finished.end_offset > log.log_end_offset:
            return
        log.cleaned_offset = finished.end_offset
        self._deaths.pop(log, None)
        self._short_of_room.pop(log, None)
        self.statistics.cleaned(finished, seconds)
        logger.info(
            "compacted %s-%d from offset %d to %d: %d of %d records kept, %d of %d bytes, in %.1f s",
            log.topic, log.partition, job.first_dirty_offset, finished.end_offset, finished.records_kept,
            finished.records_read, finished.bytes_written, finished.bytes_read, seconds,
        )  # fmt: skip
        if finished.records_without_key:
            logger.warning("%s-%d had %d records without key", log.topic, log.partition, finished.records_without_key)
        await self._manager.upkeep.checkpoint_cleaner_offsets()
        if self._is_ours(log):
            self._manager.retain(log)

    def _failed(self, log: "Log", failed: Failed) -> None:
        if self._stopping or failed.kind == "aborted":
            return
        if failed.kind == "died":
            self._deaths[log] = self._deaths.get(log, 0) + 1
            logger.warning("compacting %s-%d: %s", log.topic, log.partition, failed.message)
            if self._deaths[log] < DEATHS_MAX:
                return
        elif failed.kind == "full":
            if log not in self._short_of_room:
                self._short_of_room[log] = None
                logger.warning("%s-%d is not compacted for want of room: %s", log.topic, log.partition, failed.message)
            return
        elif failed.kind == "disk":
            self._manager.fail_directory(self._manager.health_of(log).path, failed.message)
            return
        self._leave_alone(log, failed.message)

    def _leave_alone(self, log: "Log", reason: str) -> None:
        logger.error("%s-%d is not compacted until the next start: %s", log.topic, log.partition, reason)
        self.uncleanable[log] = reason


def _stage_of(log: "Log") -> _Stage:
    return _Stage(log.generation, log.epochs.latest_epoch)


def _failed_by(error: OSError, directory: str) -> Failed:
    failure = disk_error(error, f"swapping segments of {directory}")
    return Failed("full" if isinstance(failure, DiskFullError) else "disk", str(failure))
