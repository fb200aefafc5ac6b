"""What happens by itself: background syncing, checkpoints, retention, delayed removal, watching disks.

One timer for all logs. Each turn looks at what was written since the last one; a manager with nothing to do spends a
few microseconds a second here.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Coroutine, Mapping
from typing import TYPE_CHECKING

from odradek.host.files import FileSystem
from odradek.log import partition_files, space
from odradek.log.checkpointing import Written
from odradek.log.health import DirectoryHealth
from odradek.log.log import Log

if TYPE_CHECKING:
    from odradek.log.manager import LogManager

logger = logging.getLogger(__name__)

TICK_S = 1.0
SYNC_AGE_S = 60.0
SYNC_BYTES = 64 << 20
"""A log is synced when its oldest unsynced byte is so old, or so many are unsynced."""
SYNC_LOGS_PER_TICK = 32
SPACE_CHECK_S = 10.0
RETENTION_LOGS_PER_SLICE = 32
REMOVALS_PER_CALL = 64


def due_for_sync(dirty: Mapping[Log, float], now: float, limit: int = SYNC_LOGS_PER_TICK) -> list[Log]:
    """Logs whose bytes have waited long enough, oldest first; `dirty` says since when, in the order of becoming so."""
    due: list[Log] = []
    for log, since in dirty.items():
        age_max_s = min(SYNC_AGE_S, log.config.flush_ms / 1000)
        if now - since >= age_max_s or log.unflushed_bytes >= SYNC_BYTES or log.has_unflushed_closed_segments:
            due.append(log)
            if len(due) == limit:
                break
    return due


class Upkeep:
    """The timer and what it drives. Every executor call of one kind waits for the one before it."""

    def __init__(self, manager: "LogManager") -> None:
        self._manager = manager
        self._loop = manager.loop
        self._files = manager.files
        self._settings = manager.settings
        self._timer: asyncio.TimerHandle | None = None
        self._tasks: dict[str, asyncio.Task[object]] = {}
        self._removals: deque[tuple[float, str]] = deque()
        self._next: dict[str, float] = {}
        self._checkpointer = manager.checkpointer
        self._low: dict[str, None] = {}

    def start(self) -> None:
        """Begin to tick."""
        now = self._loop.time()
        settings = self._settings
        self._next = {
            "retention": now + settings.log_retention_check_interval_ms / 1000,
            "recovery points": now + settings.log_flush_offset_checkpoint_interval_ms / 1000,
            "start offsets": now + settings.log_flush_start_offset_checkpoint_interval_ms / 1000,
            "high watermarks": now + settings.replica_high_watermark_checkpoint_interval_ms / 1000,
            "producers": now + settings.producer_id_expiration_check_interval_ms / 1000,
            "space": now,
        }
        self._timer = self._loop.call_later(TICK_S, self._tick)

    async def stop(self) -> None:
        """No more ticks; returns when what was under way has ended."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._tasks:
            await asyncio.wait(list(self._tasks.values()))

    def remove_later(self, path: str, delay_ms: int) -> None:
        """Remove a directory that was set aside, once its delay has passed."""
        self._removals.append((self._loop.time() + delay_ms / 1000, path))

    def check_space_now(self) -> None:
        """At the next tick: also what waits for room is tried again."""
        self._next["space"] = self._loop.time()

    def retain_now(self) -> None:
        """Sweep at the next tick."""
        self._next["retention"] = self._loop.time()

    def _tick(self) -> None:
        self._timer = self._loop.call_later(TICK_S, self._tick)
        manager, now = self._manager, self._loop.time()
        if manager.dirty:
            self._checkpointer.appended = True
            for log in due_for_sync(manager.dirty, now):
                manager.flusher.request(log, everything=True)
        for health in manager.healths.values():
            if health.threaded and health.calm_down(now):
                logger.info("writes to %s are quick again: writing without a thread", health.path)
            if health.is_full:
                self._begin(f"resume {health.path}", self._resume(health))
        if self._removals and self._removals[0][0] <= now:
            self._begin("remove", self._remove_due(now))
        manager.descriptors.close_unpinned()
        for name, due in self._next.items():
            if due <= now:
                self._periodic(name, now)

    def _periodic(self, name: str, now: float) -> None:
        settings = self._settings
        if name == "retention":
            self._next[name] = now + settings.log_retention_check_interval_ms / 1000
            self._begin(name, self._retain())
        elif name == "producers":
            self._next[name] = now + settings.producer_id_expiration_check_interval_ms / 1000
            self._begin(name, self._expire_producers())
        elif name == "recovery points":
            self._next[name] = now + settings.log_flush_offset_checkpoint_interval_ms / 1000
            if self._checkpointer.recovery_points_changed:
                self._begin(name, self.checkpoint_recovery_points())
        elif name == "start offsets":
            self._next[name] = now + settings.log_flush_start_offset_checkpoint_interval_ms / 1000
            if self._checkpointer.starts_changed:
                self._begin(name, self.checkpoint_start_offsets())
        elif name == "high watermarks":
            self._next[name] = now + settings.replica_high_watermark_checkpoint_interval_ms / 1000
            if self._checkpointer.appended:
                self._begin(name, self.checkpoint_high_watermarks())
        else:
            self._next[name] = now + SPACE_CHECK_S
            if self._manager.has_refused_deletions:
                self._manager.on_retry()
            if self._checkpointer.appended or self._low:
                self._begin(name, self._watch_space())

    def _begin(self, name: str, work: Coroutine[None, None, object]) -> None:
        """Start a job unless the one of that name is still running."""
        if name in self._tasks:
            work.close()
            return
        task = self._tasks[name] = self._loop.create_task(work, name=name)
        task.add_done_callback(lambda _: self._tasks.pop(name, None))

    async def checkpoint_recovery_points(self, *, is_last: bool = False) -> Written:
        """As `Checkpointer.recovery_points`."""
        return await self._checkpointer.recovery_points(is_last=is_last)

    async def checkpoint_start_offsets(self) -> Written:
        """As `Checkpointer.start_offsets`."""
        return await self._checkpointer.start_offsets()

    async def checkpoint_high_watermarks(self) -> Written:
        """As `Checkpointer.high_watermarks`."""
        return await self._checkpointer.high_watermarks()

    async def checkpoint_cleaner_offsets(self) -> Written:
        """As `Checkpointer.cleaner_offsets`."""
        return await self._checkpointer.cleaner_offsets()

    async def _retain(self) -> None:
        """Delete what retention.ms and retention.bytes let go, a slice of logs per turn of the loop."""
        for count, log in enumerate(list(self._manager.candidates)):
            if count % RETENTION_LOGS_PER_SLICE == 0:
                await asyncio.sleep(0)
            if log in self._manager.candidates:  # It may have been deleted meanwhile.
                self._manager.retain(log)

    async def _expire_producers(self) -> None:
        """Forget idempotent producers that have not written for producer.id.expiration.ms."""
        manager = self._manager
        now_ms = manager.time_ms()
        for count, log in enumerate(list(manager.logs.values())):
            if count % RETENTION_LOGS_PER_SLICE == 0:
                await asyncio.sleep(0)
            if log.has_producers:
                log.remove_expired_producers(now_ms, manager.producer_id_expiration_ms)

    async def _remove_due(self, now: float) -> None:
        while self._removals and self._removals[0][0] <= now:
            paths: list[str] = []
            while self._removals and self._removals[0][0] <= now and len(paths) < REMOVALS_PER_CALL:
                paths.append(self._removals.popleft()[1])
            for path, error in await self._loop.run_in_executor(None, remove_all, self._files, tuple(paths)):
                logger.warning("could not remove %s, the next start will: %s", path, error)

    async def _resume(self, health: DirectoryHealth) -> None:
        resumed = await self._loop.run_in_executor(
            None, space.try_resume, self._files, health.path, health.reserve_bytes
        )
        if not resumed:
            return
        # A deletion may not have found room to take its entries out of the checkpoints; nothing is made before that.
        written = await self.checkpoint_recovery_points()
        starts_written = await self.checkpoint_start_offsets()
        if health.path in written and health.path in starts_written:
            logger.warning("there is room again in %s: appends are taken", health.path)
            health.resume()
            self._manager.on_resumed(health.path)

    async def _watch_space(self) -> None:
        for health in self._manager.healths.values():
            if not health.is_up:
                continue
            low = await self._loop.run_in_executor(None, is_low, self._files, health.path, health.reserve_bytes)
            if low and health.path not in self._low:
                logger.warning("%s is running out of space: appends will be refused when it is full", health.path)
            if low:
                self._low[health.path] = None
            else:
                self._low.pop(health.path, None)


def remove_all(files: FileSystem, paths: tuple[str, ...]) -> list[tuple[str, OSError]]:
    """Remove directories; those that could not be, with the reason. Runs in the executor."""
    failed = []
    for path in paths:
        try:
            partition_files.remove(files, path)
        except OSError as error:
            failed.append((path, error))
    return failed


def is_low(files: FileSystem, path: str, reserve_bytes: int) -> bool:
    """Whether to warn; an unreadable volume shows in the next write. Runs in the executor."""
    try:
        return space.is_low(files.space(path), reserve_bytes)
    except OSError:
        return False
