"""Group commit: whoever waits for bytes to reach stable storage shares one fdatasync per file with everybody else.

A request made while a flush of its log is under way is served by the next one, because the running one covers only what
was written before it began. Requests made within one turn of the event loop start together. At most `CONCURRENCY`
executor calls run at a time, each for a share of the logs that wait: file systems merge the commits of parallel calls.

An error is final: the log's directory goes offline, nobody is told that anything was stored, and no descriptor is
synced a second time (the kernel marks pages clean whose writing failed).
"""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from itertools import groupby, islice

from odradek.host.files import FileSystem
from odradek.log import sync_notes
from odradek.log.errors import DirectoryFailedError, LogError
from odradek.log.flush import FlushJob, run
from odradek.log.log import Log
from odradek.log.log_state import directory_of
from odradek.log.sync_notes import LOGS_MAX, SLOTS, SyncNote, note

CONCURRENCY = SLOTS
"""Executor calls at a time."""
BATCH_LOGS_MAX = LOGS_MAX
"""Logs of one executor call."""

SyncTask = tuple[tuple[int, ...], tuple[str, ...], tuple[tuple[str, bytes], ...]]
"""Descriptors and directories to sync and small files to replace, for one log."""
SyncGroup = tuple[SyncNote | None, tuple[SyncTask, ...]]
"""Logs of one log directory, and what is written there before they are synced."""
Started = list[tuple[Log, FlushJob]]


class Flusher:
    """Decides which logs are synced when; the syncing itself is `sync_all` in the executor.

    `on_flushed(log)` follows every success, before the waiters; `on_failure(log, error)` every error.
    """

    def __init__(
        self,
        files: FileSystem,
        loop: asyncio.AbstractEventLoop,
        on_flushed: Callable[[Log], None],
        on_failure: Callable[[Log, DirectoryFailedError], None],
        syncing_fd: Callable[[str], int] = lambda path: -1,
    ) -> None:
        self._files = files
        self._loop = loop
        self._on_flushed = on_flushed
        self._on_failure = on_failure
        self._syncing_fd = syncing_fd
        self._slots = list(range(CONCURRENCY))
        """Free ones, for the notes of executor calls."""
        self._awaited: dict[int, float] = {}
        """Slots of calls for logs of which only what is flushed counts: since when (loop seconds)."""
        self._queue: dict[Log, bool] = {}
        """Logs to sync; True where the recovery point is to move too."""
        self._running: dict[Log, bool] = {}
        """Logs that are being synced; False for those that were forgotten meanwhile."""
        self._again: dict[Log, bool] = {}
        """As the queue, for logs that are being synced."""
        self._waiters: dict[Log, list[asyncio.Future[None]]] = {}
        self._active = 0
        self._scheduled = False
        self._idle: asyncio.Future[None] | None = None
        self._ended: asyncio.Future[None] | None = None
        """Done when the next executor call has ended; made when somebody waits for that."""

    def request(self, log: Log, *, everything: bool = False) -> None:
        """Sync what the log holds now, soon; with `everything` also what the recovery point needs."""
        queue = self._again if log in self._running else self._queue
        queue[log] = everything or queue.get(log, False)
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._start_batches)

    async def flush(self, log: Log) -> None:
        """Returns once all that was appended before the call is on stable storage. Raises DirectoryFailedError."""
        end_offset = log.log_end_offset
        while log.flushed_offset < end_offset:
            waiter = self._loop.create_future()
            self._waiters.setdefault(log, []).append(waiter)
            self.request(log)
            await waiter

    async def flush_cut(self, log: Log) -> None:
        """Returns once what was cut off the log cannot come back. Raises DirectoryFailedError."""
        while log.cut or log in self._running:
            waiter = self._loop.create_future()
            self._waiters.setdefault(log, []).append(waiter)
            self.request(log, everything=True)
            await waiter

    async def drain(self) -> None:
        """Returns once nothing is queued or under way."""
        while self._queue or self._running:
            if self._idle is None:
                self._idle = self._loop.create_future()
            await self._idle

    def forget(self, log: Log) -> None:
        """The log is being closed or deleted: nothing new is started for it."""
        self._queue.pop(log, None)
        self._again.pop(log, None)
        if log in self._running:
            self._running[log] = False
        self._fail_waiters(log, DirectoryFailedError(f"{log.directory} is closed"))

    async def let_go(self, logs: Sequence[Log]) -> None:
        """Returns once no executor call uses files of these logs: then their directories may get other names."""
        while any(log in self._running for log in logs):
            if self._ended is None:
                self._ended = self._loop.create_future()
            await asyncio.wait([self._ended])

    @property
    def is_busy(self) -> bool:
        """Whether any executor call is under way."""
        return self._active > 0

    def is_awaited_since(self, before: float) -> bool:
        """Whether an executor call that began by then goes on, of a log whose records count once they are flushed."""
        return any(since <= before for since in self._awaited.values())

    def is_running(self, log: Log) -> bool:
        """Whether an executor call holds descriptors of the log."""
        return log in self._running

    def _start_batches(self) -> None:
        self._scheduled = False
        while self._queue and self._active < CONCURRENCY:
            free = CONCURRENCY - self._active
            share = min(BATCH_LOGS_MAX, -(-len(self._queue) // free))
            logs = list(islice(self._queue.items(), share))
            for log, _ in logs:
                del self._queue[log]
            self._start(logs)
        self._report_idle()

    def _start(self, logs: Sequence[tuple[Log, bool]]) -> None:
        started: Started = []
        self._running.update((log, True) for log, _ in logs)  # Beginning one may ask for others: see `on_pressure`.
        for log, everything in logs:
            try:
                job = log.begin_flush(everything=True if everything else None)
            except LogError as error:
                del self._running[log]
                self._fail(log, error)
                continue
            if job is None:
                del self._running[log]
                self._repeat(log)
                self._wake_waiters(log)
            else:
                started.append((log, job))
        if not started:
            return
        self._active += 1
        slot = self._slots.pop()
        if any(log.config.counts_flushed_only for log, _ in started):
            self._awaited[slot] = self._loop.time()
        started.sort(key=lambda each: directory_of(each[0]))
        future = self._loop.run_in_executor(None, sync_all, self._files, self._groups(slot, started))
        future.add_done_callback(partial(self._finish, slot, started))

    def _groups(self, slot: int, started: Started) -> tuple[SyncGroup, ...]:
        """By log directory, in which they are sorted."""
        groups = []
        for path, jobs in groupby(started, key=lambda each: directory_of(each[0])):
            some = list(jobs)
            fd = self._syncing_fd(path)
            names = [log.directory.rpartition("/")[2] for log, _ in some]
            tasks = tuple((job.fds, job.directories, job.replacements) for _, job in some)
            groups.append((note(fd, slot, names) if fd >= 0 else None, tasks))
        return tuple(groups)

    def _finish(self, slot: int, started: Started, future: asyncio.Future[tuple[OSError | bool, ...]]) -> None:
        self._active -= 1
        self._slots.append(slot)
        self._awaited.pop(slot, None)
        for (log, job), outcome in zip(started, future.result(), strict=True):
            is_ours = self._running.pop(log)
            if isinstance(outcome, OSError):
                log.fail_flush(job)
                self._fail(log, outcome)
                continue
            log.finish_flush(job, replaced=outcome)
            if not is_ours:
                continue
            self._on_flushed(log)
            self._repeat(log)
            self._wake_waiters(log)
        ended, self._ended = self._ended, None
        if ended is not None and not ended.done():
            ended.set_result(None)
        self._start_batches()

    def _repeat(self, log: Log) -> None:
        """It is not being synced any more; if it was asked for meanwhile, it will be again."""
        if (again := self._again.pop(log, None)) is not None:
            self._queue[log] = again

    def _fail(self, log: Log, error: Exception) -> None:
        self._again.pop(log, None)
        failure = DirectoryFailedError(f"syncing {log.topic}-{log.partition}: {error}")
        self._on_failure(log, failure)
        self._fail_waiters(log, failure)

    def _report_idle(self) -> None:
        if self._idle is not None and not self._queue and not self._running:
            waiter, self._idle = self._idle, None
            if not waiter.done():
                waiter.set_result(None)

    def _wake_waiters(self, log: Log) -> None:
        for waiter in self._waiters.pop(log, ()):
            if not waiter.done():
                waiter.set_result(None)

    def _fail_waiters(self, log: Log, error: DirectoryFailedError) -> None:
        for waiter in self._waiters.pop(log, ()):
            if not waiter.done():
                waiter.set_exception(error)


def sync_all(files: FileSystem, groups: tuple[SyncGroup, ...]) -> tuple[OSError | bool, ...]:
    """For each task of the groups what `run` said, or the error that ended it. Runs in the executor."""
    return tuple(outcome for noted, tasks in groups for outcome in _sync_group(files, noted, tasks))


def _sync_group(files: FileSystem, noted: SyncNote | None, tasks: tuple[SyncTask, ...]) -> tuple[OSError | bool, ...]:
    if noted is None:
        return tuple(_sync(files, task) for task in tasks)
    try:
        sync_notes.begin(files, noted)
        outcomes = tuple(_sync(files, task) for task in tasks)
        if not any(isinstance(outcome, OSError) for outcome in outcomes):
            sync_notes.end(files, noted)
    except OSError as error:
        return (error,) * len(tasks)
    return outcomes


def _sync(files: FileSystem, task: SyncTask) -> OSError | bool:
    try:
        return run(files, *task)
    except OSError as error:
        return error
