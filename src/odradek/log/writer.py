"""Appends of one log while its directory's writes wait for the disk: one after another, each write in the executor.

The decisions are those of `Log.append`, taken when the write before has ended, so order and offsets are the same. The
records are copied: whoever gives up waiting may reuse its buffer at once. What was submitted in an earlier leader epoch
never becomes part of the log: the new one begins where the log ended then.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from kio.schema.errors import ErrorCode

from odradek.host.files import write_all
from odradek.log.append import AppendPlan, AppendResult, Origin
from odradek.log.descriptors import Handle
from odradek.log.errors import DirectoryFailedError, LogError, disk_error
from odradek.log.health import SLOW_WRITE_S
from odradek.log.log import Log

if TYPE_CHECKING:
    from odradek.config import TopicConfig
    from odradek.log.manager import LogManager


class _Waiting(NamedTuple):
    records: memoryview
    leader_epoch: int
    origin: Origin
    checked_for: "TopicConfig | None"
    answer: "asyncio.Future[AppendResult]"


class LogWriter:
    """Lives while appends are queued; their number is bounded by the requests in flight.

    `on_written(result, bytes)` precedes each answer; `on_idle()` follows the last. `leader_epoch` is the present one.
    """

    __slots__ = (
        "_ended",
        "_health",
        "_leader_epoch",
        "_log",
        "_manager",
        "_on_idle",
        "_on_written",
        "_queue",
        "_writing",
    )

    def __init__(
        self,
        log: Log,
        manager: "LogManager",
        on_written: Callable[[AppendResult, int], None],
        on_idle: Callable[[], None],
        leader_epoch: Callable[[], int],
    ) -> None:
        self._log = log
        self._leader_epoch = leader_epoch
        self._manager = manager
        self._health = manager.health_of(log)
        self._on_written = on_written
        self._on_idle = on_idle
        self._queue: deque[_Waiting] = deque()
        self._writing = False
        self._ended: asyncio.Future[None] | None = None

    def submit(
        self,
        records: bytearray | memoryview,
        leader_epoch: int,
        origin: Origin,
        checked_for: "TopicConfig | None" = None,
    ) -> "asyncio.Future[AppendResult]":
        """Append after everything submitted before. The future fails with LogError.

        Its result is NOT_LEADER_OR_FOLLOWER, and nothing appended, if a new leader epoch begins meanwhile.
        """
        answer: asyncio.Future[AppendResult] = self._manager.loop.create_future()
        self._queue.append(_Waiting(memoryview(bytearray(records)), leader_epoch, origin, checked_for, answer))
        if not self._writing:
            self._writing = True
            self._manager.loop.call_soon(self._next)
        return answer

    async def ended(self) -> None:
        """Returns once no write is under way or waits."""
        while self._writing:
            if self._ended is None:
                self._ended = self._manager.loop.create_future()
            await asyncio.wait([self._ended])

    def _next(self) -> None:
        while self._queue:
            if self._begin(self._queue.popleft()):
                return
        self._writing = False
        ended, self._ended = self._ended, None
        if ended is not None and not ended.done():
            ended.set_result(None)
        self._on_idle()

    def _begin(self, waiting: _Waiting) -> bool:
        """Whether a write is under way; else the append has been answered."""
        manager, log = self._manager, self._log
        if self._is_gone(waiting):
            return False
        if waiting.leader_epoch != self._leader_epoch():
            self._supersede(waiting)
            return False
        try:
            self._health.check()
            plan = log.plan_append(
                waiting.records,
                leader_epoch=waiting.leader_epoch,
                now_ms=manager.time_ms(),
                origin=waiting.origin,
                checked_for=waiting.checked_for,
            )
            if isinstance(plan, AppendResult):
                self._answer(waiting, plan)
                return False
            handle = plan.segment.open_log()
        except LogError as error:
            self._refuse(waiting, error)
            return False
        except OSError as error:
            self._refuse(waiting, disk_error(error, f"opening {log.directory}"))
            return False
        handle.dirty = True
        handle.pin()
        self._health.writes[self] = manager.now()
        future = manager.loop.run_in_executor(None, write_all, manager.files, handle.fd, plan.buffer, plan.position)
        future.add_done_callback(partial(self._written, waiting, plan, handle))
        return True

    def _written(self, waiting: _Waiting, plan: AppendPlan, handle: Handle, future: "asyncio.Future[None]") -> None:
        handle.unpin()
        now = self._manager.now()
        if now - self._health.writes.pop(self) > SLOW_WRITE_S:
            self._manager.write_stalled(self._health, now)
        future.exception()  # Looked at, also when the log is gone.
        if not self._is_gone(waiting):
            try:
                self._finish(waiting, plan, future)
            except LogError as error:
                self._refuse(waiting, error)
        self._next()

    def _is_gone(self, waiting: _Waiting) -> bool:
        """Whether the log was deleted or set aside meanwhile, and the append refused: that says nothing of the disk."""
        log = self._log
        if self._manager.get(log.topic_id, log.partition) is log:
            return False
        if not waiting.answer.done():
            waiting.answer.set_exception(DirectoryFailedError(f"{log.directory} is closed"))
        return True

    def _finish(self, waiting: _Waiting, plan: AppendPlan, future: "asyncio.Future[None]") -> None:
        error = future.exception()
        if error is None and waiting.leader_epoch != self._leader_epoch():
            self._log.abort_append(plan)
            self._supersede(waiting)
            return
        if error is None:
            self._answer(waiting, self._log.commit_append(plan))
            return
        self._log.abort_append(plan)
        if isinstance(error, OSError):
            raise disk_error(error, f"appending to {self._log.directory}")
        raise error

    def _supersede(self, waiting: _Waiting) -> None:
        self._answer(waiting, AppendResult(ErrorCode.not_leader_or_follower, -1, -1, -1, self._log.log_start_offset))

    def _answer(self, waiting: _Waiting, result: AppendResult) -> None:
        self._on_written(result, len(waiting.records))
        if not waiting.answer.done():
            waiting.answer.set_result(result)

    def _refuse(self, waiting: _Waiting, error: LogError) -> None:
        self._manager.write_failed(self._health, error)
        if not waiting.answer.done():
            waiting.answer.set_exception(error)
