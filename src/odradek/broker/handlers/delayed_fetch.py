"""A fetch that is not answered in one go: long polls, and records the disk has to be asked for."""

import asyncio
from typing import TYPE_CHECKING

from kio.schema.errors import ErrorCode

from odradek.broker.delayed import DelayedResponse
from odradek.broker.handlers.fetch_plan import FetchPlan, PlannedRead, locate_cold
from odradek.broker.handlers.fetch_response import FetchResponse
from odradek.log.errors import LogError
from odradek.replication.partition import Partition
from odradek.wire.fetch import PartitionResult

if TYPE_CHECKING:
    from odradek.broker.handlers.fetch import Fetch


class DelayedFetch(DelayedResponse):
    """Waits until min_bytes are there or max_wait is over, woken by the partitions themselves.

    Appends only mark it; what it does about them it does once, when the loop gets there: a burst costs one look.
    """

    __slots__ = ("_available", "_fetch", "_is_scheduled", "_task", "_timer", "_total", "_waiting", "_woken")

    def __init__(self, fetch: "Fetch") -> None:
        super().__init__(fetch.connection)
        self._fetch = fetch
        self._waiting: dict[Partition, PlannedRead] = {}
        self._available: dict[Partition, int] = {}
        """Readable bytes per partition, as far as there are any; `_total` is their sum."""
        self._total = 0
        self._woken: dict[Partition, None] = {}
        self._is_scheduled = False
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None
        fetch.connection.has_fetch = True

    # -- waiting for records --------------------------------------------------------------------------------------

    def wait(self, plan: FetchPlan) -> DelayedResponse:
        """The plan, released already, is not enough: wait for more."""
        fetch = self._fetch
        for planned in plan.reads.values():
            partition = planned.partition
            if partition is None or planned.result.error_code:
                continue
            self._waiting[partition] = planned
            self._note_available(partition, planned)
            partition.add_fetch_waiter(self)
        if fetch.context.session is not None:
            fetch.context.session.waiting = self
        self._timer = fetch.broker.loop.call_later(fetch.request.max_wait_ms / 1000, self._end_wait)
        return self

    @property
    def is_follower(self) -> bool:
        """Woken by records that are not committed too."""
        return self._fetch.limits.replica is not None

    def wake(self, partition: Partition) -> None:
        """Called by the partition when something about it has changed."""
        self._woken[partition] = None
        if not self._is_scheduled:
            self._is_scheduled = True
            self._fetch.broker.loop.call_soon(self._look)

    def _look(self) -> None:
        self._is_scheduled = False
        woken, self._woken = self._woken, {}
        if self._timer is None:
            return
        for partition in woken:
            planned = self._waiting.get(partition) or self._no_longer_quiet(partition)
            if planned is not None and not self._note_available(partition, planned):
                self._end_wait()
                return
        if self._total >= max(self._fetch.min_bytes, 1):
            self._end_wait()

    def _no_longer_quiet(self, partition: Partition) -> PlannedRead | None:
        """One of the session's that had nothing, and now may have."""
        session = self._fetch.context.session
        key = (
            partition.topic_id if session is not None and session.uses_topic_ids else partition.topic,
            partition.index,
        )
        if session is None or key not in session.active:
            return None
        cached = session.partitions[key]
        told = PartitionResult(partition.index, 0, cached.high_watermark)
        planned = self._waiting[partition] = PlannedRead(key, cached.wanted, partition, told)
        partition.add_fetch_waiter(self)
        return planned

    def _note_available(self, partition: Partition, planned: PlannedRead) -> bool:
        """Count what can be read now. False when the partition has news that must not wait."""
        wanted = planned.wanted
        is_readable = partition.error is ErrorCode.none or partition.is_following
        if not is_readable or 0 <= wanted.current_leader_epoch != partition.leader_epoch:
            return False
        if self._fetch.limits.tells_commits and partition.high_watermark > planned.result.high_watermark >= 0:
            return False
        upper_offset = self._fetch.limits.upper_offset(partition)
        size = 0
        if wanted.fetch_offset < upper_offset and not self._fetch.limits.holds_back(partition):
            try:
                read = partition.log.locate(
                    wanted.fetch_offset, max(wanted.max_bytes, 0), upper_offset=upper_offset, minimum_one_batch=True
                )
            except LogError:
                return False
            if read is None:
                return False
            size = read.length
            read.release()
        self._total += size - self._available.get(partition, 0)
        self._available[partition] = size
        return True

    def _end_wait(self) -> None:
        self._stop_waiting()
        plan = self._fetch.plan()
        if plan.has_cold:
            self.locate(plan)
            return
        response = self._fetch.respond(plan)
        if isinstance(response, FetchResponse):
            self.fill(response)
        else:
            self._answer(response)

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for partition in self._waiting:
            partition.remove_fetch_waiter(self)
        self._waiting.clear()
        session = self._fetch.context.session
        if session is not None and session.waiting is self:
            session.waiting = None

    # -- waiting for the disk -------------------------------------------------------------------------------------

    def locate(self, plan: FetchPlan) -> DelayedResponse:
        """Search in the executor, then read."""
        return self._start(self._locate_and_fill(plan))

    def fill(self, response: FetchResponse) -> DelayedResponse:
        """Read the rest, in the executor where it has to wait."""
        return self._start(self._fill(response))

    def _start(self, work: "asyncio.Future[None] | object") -> DelayedResponse:
        self._task = self._fetch.broker.loop.create_task(work)  # type: ignore[arg-type]
        self._task.add_done_callback(self._ended)
        return self

    async def _locate_and_fill(self, plan: FetchPlan) -> None:
        try:
            await locate_cold(plan)
            response = FetchResponse(self._fetch, plan)
        except BaseException:
            plan.release()
            raise
        await self._fill(response)

    async def _fill(self, response: FetchResponse) -> None:
        try:
            is_complete = response.fill_hot()
            while not is_complete and not self.connection.is_closed:
                is_complete = await response.fill_cold()
        except BaseException:
            response.abandon()
            raise
        if is_complete:
            self._answer(response.finish())
        else:
            response.abandon()

    def _ended(self, task: "asyncio.Task[None]") -> None:
        if task.cancelled():
            self.connection.close("the broker is stopping")
        elif (error := task.exception()) is not None:
            self.connection.failed(error)

    # -- the end --------------------------------------------------------------------------------------------------

    def _answer(self, response: object) -> None:
        self.connection.has_fetch = False
        self.complete(response)  # type: ignore[arg-type]

    def cancel(self) -> None:
        """The client is gone; a read under way ends by itself."""
        self._stop_waiting()
