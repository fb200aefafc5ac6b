"""One partition on this broker: its log, its high watermark, and who waits for it.

The leader's produce path is `append`, a direct call: one write, then the high watermark moves (as far as the followers
are) and the long polls that wait here are woken, all before it returns. A follower's path is `append_replicated`. An
idle partition has no timer, no task and no buffers.
"""

import asyncio
from collections.abc import Callable, Container, Mapping
from uuid import UUID

from kio.schema.errors import ErrorCode

from odradek.cluster.image import NO_LEADER, BrokerImage, PartitionImage
from odradek.cluster.records import ReplicaEpochs
from odradek.config import TopicConfig
from odradek.log.append import AppendResult, Origin
from odradek.log.appending import UNUSUAL
from odradek.log.errors import DamagedLogError, LogError, UnexpectedOffsetError
from odradek.log.health import SLOW_WRITE_S, DirectoryHealth
from odradek.log.log import Log
from odradek.log.manager import LogManager
from odradek.log.writeback import WRITEBACK_BYTES
from odradek.log.writer import LogWriter
from odradek.replication.errors import PartitionError
from odradek.replication.followers import Followers
from odradek.replication.high_watermark import (
    ACKS_ALL,
    append_error,
    commit_error,
    effective_min_isr,
    next_high_watermark,
)
from odradek.replication.nearest import nearest_replica
from odradek.replication.replay import BatchReader, replay
from odradek.replication.waiters import CommitWaiters, FetchWaiter

_NONE = ErrorCode.none

Records = bytearray | memoryview


class Partition:
    """Created when this broker is assigned the partition; `error` is `none` exactly while it leads."""

    __slots__ = (
        "_commits",
        "_durable",
        "_epoch_start",
        "_fetches",
        "_followers",
        "_health",
        "_is_doubtful",
        "_isr_size",
        "_logs",
        "_min_isr",
        "_on_isr_wanted",
        "_on_resigned",
        "_removals",
        "_writer",
        "error",
        "high_watermark",
        "index",
        "is_following",
        "leader_epoch",
        "log",
        "topic",
        "topic_id",
    )

    def __init__(
        self,
        log: Log,
        logs: LogManager,
        on_resigned: "Callable[[Partition], None]",
        on_isr_wanted: "Callable[[Partition], None]" = lambda partition: None,
        is_doubtful: Callable[[], bool] = lambda: False,
    ) -> None:
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
        self.is_following = False
        """Another broker leads, and consumers near by may read here what is committed (KIP-392)."""
        self._logs = logs
        self._on_resigned = on_resigned
        self._on_isr_wanted = on_isr_wanted
        """Called when a replica that is not in sync may have become so, or this one's disk refuses writes."""
        self._is_doubtful = is_doubtful
        """Whether another broker may lead by now without this one knowing (`cluster.lease_clock`)."""
        self._health: DirectoryHealth = logs.health_of(log)
        self._commits: CommitWaiters | None = None
        self._removals: CommitWaiters | None = None
        self._fetches: dict[FetchWaiter, None] | None = None
        self._followers: Followers | None = None
        """The other replicas, while this broker leads and there are any."""
        self._epoch_start = 0
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
            self._on_isr_wanted(self)
            return False
        self.leader_epoch = image.leader_epoch
        self._followers, self.is_following = None, False
        self._epoch_start = self.log.log_end_offset
        self._begin_epoch(image.leader_epoch)
        self.error = ErrorCode.none
        self.configure(image)
        self._wake_fetches()
        return True

    def _begin_epoch(self, leader_epoch: int) -> None:
        """An epoch without records need not be on disk: its file is written with the first of them (by the log).

        A restart begins an epoch in every partition, and must not write thousands of files for it.
        """
        epochs = self.log.epochs
        changed = epochs.changed
        epochs.assign(leader_epoch, self.log.log_end_offset)
        epochs.changed = changed

    def configure(self, image: PartitionImage) -> None:
        """Take up what `log.config` and the image say now."""
        config = self.log.config
        self._follow_isr(image)
        if self._removals is not None:
            self._settle_removals()
        self._isr_size = len(image.isr)
        self._min_isr = effective_min_isr(image.min_isr, len(image.replicas))
        self._durable = config.counts_flushed_only
        if self._durable and self.log.flushed_offset < self.log.log_end_offset:
            self._logs.flusher.request(self.log)
        self._advance()

    def _follow_isr(self, image: PartitionImage) -> None:
        if len(image.replicas) == 1:
            self._followers = None
        elif self._followers is None:
            self._followers = Followers(image.leader, image, self._logs.now())
        else:
            self._followers.follow(image, self._logs.now())

    def resign(self, error: ErrorCode, message: str) -> None:
        """Stop leading; everybody who waits here learns why."""
        was_leader, self.error = self.error is _NONE, error
        self._followers, self.is_following = None, False
        for waiters in (self._commits, self._removals):
            if waiters is not None:
                waiters.fail(PartitionError(error, message))
        self._commits = self._removals = None
        self._wake_fetches()
        if was_leader:
            self._on_resigned(self)

    def directory_failed(self, message: str) -> None:
        """The log's directory is offline."""
        self.resign(ErrorCode.kafka_storage_error, message)
        self._on_isr_wanted(self)

    @property
    def refusal(self) -> LogError | None:
        """Why the disk takes no writes; None while it does."""
        return self._health.refusal

    async def replay(self, from_offset: int, on_batch: BatchReader) -> int:
        """Every batch up to the high watermark, for a coordinator that loads; the offset after the last one."""
        return await replay(self.log, self._logs.loop, from_offset, self.high_watermark, on_batch)

    def append_plain(self, records: memoryview, required_acks: int) -> int:
        """The short way of `append`, for one batch of a client: its base offset.

        UNUSUAL, and nothing done, when there is anything to be said about the batch or the partition.
        `required_acks` is valid. Raises as `append`.
        """
        health, logs = self._health, self._logs
        if (
            self.error is not _NONE
            or health.refusal is not None
            or health.threaded
            or self._writer is not None
            or (self._isr_size < self._min_isr and required_acks == ACKS_ALL)
            or (self._followers is not None and self.may_be_replaced(required_acks))
        ):
            return UNUSUAL
        started = logs.now()
        sleeps_before = logs.files.sleeps() if started < health.watched_until else None
        try:
            base_offset = self.log.append_plain(records, self.leader_epoch, logs.time_ms())
        except DamagedLogError:
            return UNUSUAL
        except LogError as error:
            logs.write_failed(health, error)
            raise
        if (ended := logs.now()) - started > SLOW_WRITE_S:
            logs.write_took_long(health, ended, sleeps_before)
        if base_offset != UNUSUAL:
            self._appended(len(records))
        return base_offset

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
            self._on_isr_wanted(self)
            health.check()
        if self._followers is not None and self.may_be_replaced(required_acks):
            return AppendResult(ErrorCode.not_leader_or_follower, -1, -1, -1, self.log.log_start_offset)
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

    def may_be_replaced(self, required_acks: int = 1) -> bool:
        """Whether what is asked would be promised by this broker alone, while another one may lead already.

        With acks=all and other replicas in sync, those decide: they do not follow a leader that was replaced.
        """
        is_alone = required_acks != ACKS_ALL or self._isr_size == 1
        return is_alone and self._followers is not None and self._is_doubtful()

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
        if last_offset < self.high_watermark:
            self._settle_commits()
        elif self._durable:
            self._logs.flusher.request(self.log)
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

    # -- other replicas, while this broker leads --------------------------------------------------------------------

    def follower_fetched(self, broker_id: int, broker_epoch: int, offset: int, log_start_offset: int) -> bool:
        """A replica asks for what comes at `offset`: it has everything before. False when it is none (KIP-903)."""
        followers = self._followers
        state = None if followers is None else followers.state_of(broker_id, broker_epoch)
        if state is None:
            return False
        has_moved = offset != state.offset
        state.fetched(offset, log_start_offset, self.log.log_end_offset, self._logs.now())
        if self._removals is not None:
            self._settle_removals()
        if state.counted:
            if has_moved:
                self._advance()
        elif offset >= max(self.high_watermark, self._epoch_start):
            self._on_isr_wanted(self)
        return True

    def nearest_replica(self, client_rack: str, offset: int, brokers: Mapping[int, BrokerImage]) -> int | None:
        """The follower from which a consumer in that rack should read, None for this leader (KIP-392)."""
        followers = self._followers
        if followers is None:
            return None
        return nearest_replica(client_rack, offset, followers.leader_id, followers, brokers)

    def propose_isr(
        self, own_epoch: int, brokers: Mapping[int, BrokerImage], lag_s_max: float, gray: Container[int] = ()
    ) -> tuple[PartitionImage, ReplicaEpochs] | None:
        """The committed state and the ISR to write in its place; None when there is nothing to write.

        `isr_change_failed` is called when it was not written; when it was, `configure` is.
        """
        followers = self._followers
        if followers is None or self.error is not _NONE:
            return None
        isr = followers.propose(
            own_epoch,
            brokers,
            high_watermark=self.high_watermark,
            epoch_start=self._epoch_start,
            end_offset=self.log.log_end_offset,
            now_s=self._logs.now(),
            lag_s_max=lag_s_max,
            min_isr=self._min_isr,
            gray=gray,
        )
        return None if isr is None else (followers.image, isr)

    def isr_change_failed(self, proposed_on: PartitionImage, *, is_certain: bool) -> None:
        """The ISR proposed on top of that state was not written; `is_certain`: and never will be."""
        followers = self._followers
        if followers is not None and followers.image.mod_revision == proposed_on.mod_revision:
            followers.failed(is_certain=is_certain)
            self._advance()

    def removed_below(self, offset: int) -> "asyncio.Future[None] | None":
        """None when the records below are gone from every replica in sync; else done when they are.

        Fails with PartitionError when this broker ceases to lead.
        """
        if self.low_watermark >= offset:
            return None
        waiter: asyncio.Future[None] = self._logs.loop.create_future()
        if self._removals is None:
            self._removals = CommitWaiters()
        self._removals.add(offset, waiter)
        return waiter

    def _settle_removals(self) -> None:
        assert self._removals is not None
        self._removals.complete_below(self.low_watermark + 1)
        if not self._removals:
            self._removals = None

    @property
    def has_followers(self) -> bool:
        """Whether it leads other replicas."""
        return self._followers is not None

    def has_in_sync(self, broker_id: int) -> bool:
        """Whether it leads that replica, and counts on it."""
        return self._followers is not None and broker_id in self._followers.image.isr

    @property
    def low_watermark(self) -> int:
        """The lowest first offset of all replicas that are counted: records below it are gone everywhere."""
        starts = [each.log_start_offset for each in self._followers or () if each.counted]
        return min([self.log.log_start_offset, *starts])

    # -- following ------------------------------------------------------------------------------------------------

    def follow(self, image: PartitionImage) -> None:
        """Another broker leads, in the image's epoch, or nobody."""
        self.resign(ErrorCode.not_leader_or_follower, "another broker leads")
        self.leader_epoch = image.leader_epoch
        self.is_following = image.leader != NO_LEADER and not self._health.is_failed
        self.log.epochs.truncate_from_end(self.log.log_end_offset)

    def append_replicated(self, records: Records) -> "AppendResult | asyncio.Future[AppendResult]":
        """Write whole batches the leader sent at the log's end, as they are.

        A future while the directory's writes go through a thread: `records` belongs to the log until it is done.
        Raises DiskFullError, DirectoryFailedError, DamagedLogError, UnexpectedOffsetError.
        """
        health, logs = self._health, self._logs
        if health.refusal is not None:
            self.cannot_follow()
            health.check()
        if health.threaded or self._writer is not None:
            return self._append_in_thread(records, "replication", None)
        started = logs.now()
        sleeps_before = logs.files.sleeps() if started < health.watched_until else None
        try:
            result = self.log.append(
                records, leader_epoch=self.leader_epoch, now_ms=logs.time_ms(), origin="replication"
            )
        except (DamagedLogError, UnexpectedOffsetError):
            raise
        except LogError as error:
            logs.write_failed(health, error)
            self.cannot_follow()
            raise
        if (ended := logs.now()) - started > SLOW_WRITE_S:
            logs.write_took_long(health, ended, sleeps_before)
        if result.error is _NONE:
            self._replicated(len(records))
        return result

    def cannot_follow(self) -> None:
        """The disk takes no writes: its leader is not to wait until this replica lags."""
        self._on_isr_wanted(self)

    def follow_to(self, high_watermark: int, log_start_offset: int) -> None:
        """What the leader says is committed, and where its log starts: as far as this replica is there."""
        log = self.log
        if log.advance_log_start(min(log_start_offset, log.log_end_offset)):
            self._logs.log_start_moved(log)
        offset = min(high_watermark, log.log_end_offset)
        if offset > self.high_watermark:
            self.high_watermark = offset
            if self._fetches is not None:
                self._wake_fetches()

    async def writes_ended(self) -> None:
        """Returns once no write goes on in a thread."""
        if self._writer is not None:
            await self._writer.ended()

    def truncated(self) -> None:
        """The log was cut to be the leader's: nothing beyond its end is committed here, whatever was thought."""
        log = self.log
        self.high_watermark = max(min(self.high_watermark, log.log_end_offset), log.log_start_offset)
        self._wake_fetches()

    def _append_in_thread(
        self, records: Records, origin: Origin, checked_for: TopicConfig | None
    ) -> "asyncio.Future[AppendResult]":
        if self._writer is None:
            self._writer = LogWriter(self.log, self._logs, self._written, self._writer_idle, lambda: self.leader_epoch)
        return self._writer.submit(records, self.leader_epoch, origin, checked_for)

    def _written(self, result: AppendResult, size: int) -> None:
        if result.error is not _NONE or result.duplicate:
            return
        if self.error is _NONE:
            self._appended(size)
        else:
            self._replicated(size)

    def _writer_idle(self) -> None:
        if not self._health.threaded:
            self._writer = None

    def _replicated(self, size: int) -> None:
        health = self._health
        health.unwritten_bytes += size
        if health.unwritten_bytes >= WRITEBACK_BYTES:
            self._logs.start_writeback(health)

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
        if self._followers is not None and self._fetches is not None:
            self._wake_followers()

    def _advance(self) -> None:
        """Move the high watermark to where the replicas allow, and tell who waits for it; the leader alone may."""
        if self.error is not _NONE:
            return
        log = self.log
        offset = log.flushed_offset if self._durable else log.log_end_offset
        if self._followers is not None or self._isr_size < self._min_isr:
            offset = next_high_watermark(
                self.high_watermark, offset, self._followers or (), isr_size=self._isr_size, min_isr=self._min_isr
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

    def _wake_followers(self) -> None:
        """There are new records, whether or not they are committed."""
        for waiter in tuple(self._fetches or ()):
            if waiter.is_follower:
                waiter.wake(self)
