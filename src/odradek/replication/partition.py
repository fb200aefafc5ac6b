"""One partition on this broker: its log, its high watermark, and who waits for it.

The leader's produce path is `append`, a direct call: one write, then the high watermark moves and the long polls that
wait here are woken, all before it returns. An idle partition has no timer, no task and no buffers.
"""

import asyncio
from collections.abc import Callable, Sequence
from uuid import UUID

from kio.schema.errors import ErrorCode

from odradek.cluster.image import PartitionImage
from odradek.config import TopicConfig
from odradek.log.append import AppendResult, Origin
from odradek.log.errors import DamagedLogError, LogError
from odradek.log.health import SLOW_WRITE_S, DirectoryHealth
from odradek.log.log import Log
from odradek.log.manager import LogManager
from odradek.log.writeback import WRITEBACK_BYTES
from odradek.log.writer import LogWriter
from odradek.replication.errors import PartitionError
from odradek.replication.high_watermark import (
    FollowerState,
    append_error,
    commit_error,
    counts_flushed_only,
    effective_min_isr,
    next_high_watermark,
)
from odradek.replication.replay import BatchReader, replay
from odradek.replication.waiters import CommitWaiters, FetchWaiter

_NONE = ErrorCode.none

Records = bytearray | memoryview


class Partition:
    """Created when this broker is assigned the partition; `error` is `none` exactly while it leads."""

    __slots__ = (
        "_commits",
        "_durable",
        "_fetches",
        "_followers",
        "_health",
        "_isr_size",
        "_logs",
        "_min_isr",
        "_on_resigned",
        "_writer",
        "error",
        "high_watermark",
        "index",
        "leader_epoch",
        "log",
        "topic",
        "topic_id",
    )

    def __init__(self, log: Log, logs: LogManager, on_resigned: "Callable[[Partition], None]") -> None:
        self.topic = log.topic
        self.index = log.partition
        self.topic_id: UUID = log.topic_id
        self.log = log
        self.leader_epoch = -1
        found = logs.high_watermark_of(log)
        self.high_watermark = log.log_start_offset if found is None else found
        """Begins where the checkpoint has it, as Kafka's: what consumers have seen is not taken back at a restart."""
        self.error = ErrorCode.not_leader_or_follower
        """What a request for this partition is answered instead of being served."""
        self._logs = logs
        self._on_resigned = on_resigned
        self._health: DirectoryHealth = logs.health_of(log)
        self._commits: CommitWaiters | None = None
        self._fetches: dict[FetchWaiter, None] | None = None
        self._followers: Sequence[FollowerState] = ()
        self._isr_size = 1
        self._min_isr = 1
        self._durable = False
        """flush.messages or flush.ms apply: only flushed offsets count."""
        self._writer: LogWriter | None = None

    @property
    def log_start_offset(self) -> int:
        """First offset that may be read."""
        return self.log.log_start_offset

    @property
    def last_stable_offset(self) -> int:
        """Below it every transaction is decided: all of them, as no transactional batch is taken."""
        return self.high_watermark

    def lead(self, image: PartitionImage) -> bool:
        """Become leader in the image's epoch, which begins at the log's end. False when the disk does not allow it."""
        if self._health.is_failed:
            self.error = ErrorCode.kafka_storage_error
            return False
        self.leader_epoch = image.leader_epoch
        self._begin_epoch(image.leader_epoch)
        self.error = ErrorCode.none
        self.configure(image)
        self._wake_fetches()
        return True

    def _begin_epoch(self, leader_epoch: int) -> None:
        """An epoch without records need not be on disk: its file is written with the first of them.

        A restart begins an epoch in every partition, and must not write thousands of files for it.
        """
        epochs = self.log.epochs
        changed = epochs.changed
        epochs.assign(leader_epoch, self.log.log_end_offset)
        epochs.changed = changed

    def configure(self, image: PartitionImage) -> None:
        """Take up what `log.config` and the image say now."""
        config = self.log.config
        self._isr_size = len(image.isr)
        self._min_isr = effective_min_isr(image.min_isr, len(image.replicas))
        self._durable = counts_flushed_only(config.flush_messages, config.flush_ms)
        if self._durable and self.log.flushed_offset < self.log.log_end_offset:
            self._logs.flusher.request(self.log)
        self._advance()

    def resign(self, error: ErrorCode, message: str) -> None:
        """Stop leading; everybody who waits here learns why."""
        was_leader, self.error = self.error is _NONE, error
        commits, self._commits = self._commits, None
        if commits is not None:
            commits.fail(PartitionError(error, message))
        self._wake_fetches()
        if was_leader:
            self._on_resigned(self)

    def directory_failed(self, message: str) -> None:
        """The log's directory is offline."""
        self.resign(ErrorCode.kafka_storage_error, message)

    async def replay(self, from_offset: int, on_batch: BatchReader) -> int:
        """Every batch up to the high watermark, for a coordinator that loads; the offset after the last one."""
        return await replay(self.log, self._logs.loop, from_offset, self.high_watermark, on_batch)

    def append(
        self,
        records: Records,
        *,
        origin: Origin = "client",
        required_acks: int = 1,
        checked_for: TopicConfig | None = None,
    ) -> "AppendResult | asyncio.Future[AppendResult]":
        """Write whole record batches, patched in place, at the log's end.

        What the caller is to be answered is in the result's `error`. `checked_for`: see `Log.append`. A future is
        returned while the directory's writes go through a thread: `records` belongs to the log until it is done.
        Raises DiskFullError, DirectoryFailedError.
        """
        health = self._health
        if health.refusal is not None:
            health.check()
        if (refused := append_error(required_acks, isr_size=self._isr_size, min_isr=self._min_isr)) is not _NONE:
            return AppendResult(refused, -1, -1, -1, self.log.log_start_offset)
        logs = self._logs
        if health.threaded or self._writer is not None:
            return self._append_in_thread(records, origin, checked_for)
        started = logs.now()
        sleeps_before = logs.files.sleeps() if started < health.watched_until else None
        try:
            result = self.log.append(
                records, leader_epoch=self.leader_epoch, now_ms=logs.time_ms(), origin=origin, checked_for=checked_for
            )
        except DamagedLogError:
            return AppendResult(ErrorCode.kafka_storage_error, -1, -1, -1, self.log.log_start_offset)
        except LogError as error:
            logs.write_failed(health, error)
            raise
        if (ended := logs.now()) - started > SLOW_WRITE_S:
            logs.write_took_long(health, ended, sleeps_before)
        if result.error is _NONE and not result.duplicate:
            self._appended(len(records))
        return result

    def is_committed(self, last_offset: int) -> bool:
        """Whether acks=all may be answered now."""
        return last_offset < self.high_watermark and self._isr_size >= self._min_isr

    def commit(self, last_offset: int) -> "asyncio.Future[None] | None":
        """None when the offset is committed; else a future, done when it is, failing with PartitionError.

        For acks=all; after a duplicate with the original's last offset.
        """
        if self.is_committed(last_offset):
            return None
        waiter: asyncio.Future[None] = self._logs.loop.create_future()
        if self.error is not _NONE:
            waiter.set_exception(PartitionError(self.error, f"{self.topic}-{self.index} is not led here"))
            return waiter
        if self._commits is None:
            self._commits = CommitWaiters()
        self._commits.add(last_offset, waiter)
        if self._durable:
            self._logs.flusher.request(self.log)
        elif last_offset < self.high_watermark:
            self._settle_commits()
        return waiter

    def add_fetch_waiter(self, waiter: FetchWaiter) -> None:
        """`waiter.wake(self)` is called at each change until it is removed."""
        if self._fetches is None:
            self._fetches = {}
        self._fetches[waiter] = None
        if self._durable and self.log.flushed_offset < self.log.log_end_offset:
            self._logs.flusher.request(self.log)

    def remove_fetch_waiter(self, waiter: FetchWaiter) -> None:
        """Also when it was never added."""
        if self._fetches is not None:
            self._fetches.pop(waiter, None)
            if not self._fetches:
                self._fetches = None

    def flushed(self) -> None:
        """More of the log is on stable storage."""
        if self._durable:
            self._advance()

    def log_start_moved(self) -> None:
        """Retention or DeleteRecords removed the head: a reader below it has to learn so."""
        if self.high_watermark < self.log.log_start_offset:
            self.high_watermark = self.log.log_start_offset
        self._wake_fetches()

    def set_followers(self, followers: Sequence[FollowerState], isr_size: int) -> None:
        """The other replicas' offsets or the in-sync set have changed."""
        self._followers = followers
        self._isr_size = isr_size
        self._advance()

    def _append_in_thread(
        self, records: Records, origin: Origin, checked_for: TopicConfig | None
    ) -> "asyncio.Future[AppendResult]":
        if self._writer is None:
            self._writer = LogWriter(self.log, self._logs, self._written, self._writer_idle)
        return self._writer.submit(records, self.leader_epoch, origin, checked_for)

    def _written(self, result: AppendResult, size: int) -> None:
        if result.error is _NONE and not result.duplicate:
            self._appended(size)

    def _writer_idle(self) -> None:
        if not self._health.threaded:
            self._writer = None

    def _appended(self, size: int) -> None:
        log, logs, health = self.log, self._logs, self._health
        health.unwritten_bytes += size
        if health.unwritten_bytes >= WRITEBACK_BYTES:
            logs.start_writeback(health)
        if self._durable and (
            self._fetches is not None or log.log_end_offset - log.flushed_offset >= log.config.flush_messages
        ):
            logs.flusher.request(log)
        self._advance()

    def _advance(self) -> None:
        """Move the high watermark to where the replicas allow, and tell who waits for it."""
        log = self.log
        offset = log.flushed_offset if self._durable else log.log_end_offset
        if self._followers or self._isr_size < self._min_isr:
            offset = next_high_watermark(
                self.high_watermark, offset, self._followers, isr_size=self._isr_size, min_isr=self._min_isr
            )
        if offset <= self.high_watermark:
            return
        self.high_watermark = offset
        if self._commits is not None:
            self._settle_commits()
        if self._fetches is not None:
            self._wake_fetches()

    def _settle_commits(self) -> None:
        commits = self._commits
        if commits is None:
            return
        error = commit_error(isr_size=self._isr_size, min_isr=self._min_isr)
        failure = None if error is _NONE else PartitionError(error, f"{self.topic}-{self.index} has too few replicas")
        commits.complete_below(self.high_watermark, failure)
        if not commits:
            self._commits = None

    def _wake_fetches(self) -> None:
        for waiter in tuple(self._fetches or ()):
            waiter.wake(self)
