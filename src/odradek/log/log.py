"""One partition on disk: appending, and the entrance to everything else.

A log belongs to one event loop and is not thread-safe. It holds no open files of its own (`Descriptors` does) and reads
nothing from disk before it is needed. Offsets move only after a write has returned whole.
"""

from struct import Struct
from typing import TYPE_CHECKING
from uuid import UUID

from crc32c import crc32c
from kio.schema.errors import ErrorCode

from odradek.log import cutting, flush, locating, lookup, opening, producer_state, replicated, retention, validation
from odradek.log.append import AppendPlan, AppendRefusal, AppendResult, Origin
from odradek.log.descriptors import Handle
from odradek.log.epoch_cache import EpochEntry
from odradek.log.errors import ColdError, CorruptIndexError, DamagedLogError, DirectoryFailedError, disk_error
from odradek.log.flush import FlushJob as FlushJob
from odradek.log.log_state import LogState
from odradek.log.opening import Stop as Stop
from odradek.log.paths import SNAPSHOT_SUFFIX, path_of
from odradek.log.preparation import checked
from odradek.log.producer_state import BatchMetadata
from odradek.log.reading import ReadRange
from odradek.log.storage import LogStorage
from odradek.wire.records import (
    ATTRIBUTES_OFFSET,
    COMPRESSION_MASK,
    HEADER,
    HEADER_SIZE,
    LOG_OVERHEAD,
    MAGIC,
    TIMESTAMP_TYPE_FLAG,
    set_crc,
    set_log_append_time,
)

if TYPE_CHECKING:
    from odradek.config import TopicConfig

READERS_MAX = 32
"""Ends of recent reads remembered, so that as many readers need no search."""
_UNUSUAL_ATTRIBUTES = ~COMPRESSION_MASK
_BASE_OFFSET = Struct(">q")
_LEADER_EPOCH = Struct(">i")


class Log(LogState):
    """One partition."""

    __slots__ = ()

    # -- appending ------------------------------------------------------------------------------------------------

    def append(
        self,
        records: memoryview | bytearray,
        *,
        leader_epoch: int,
        now_ms: int,
        origin: Origin = "client",
        checked_for: "TopicConfig | None" = None,
    ) -> AppendResult:
        """Check one batch (or a replicated batch set), patch base offset and epoch in place, write and index it.

        `checked_for` is the config for which `preparation.prepare` has checked the batch, if it has.
        Raises DiskFullError (nothing changed), DirectoryFailedError, DamagedLogError (read-only), UnexpectedOffsetError
        (replication only).
        """
        plan = self.plan_append(
            records, leader_epoch=leader_epoch, now_ms=now_ms, origin=origin, checked_for=checked_for
        )
        if isinstance(plan, AppendResult):
            return plan
        try:
            handle = plan.segment.open_log()
            handle.dirty = True
            written = self.storage.files.pwritev(handle.fd, (plan.buffer,), plan.position)
            if written != plan.size:
                self._write_rest(handle, plan, written)
        except OSError as error:
            self.abort_append(plan)
            raise disk_error(error, f"appending to {plan.segment.log_path}") from error
        return self.commit_append(plan)

    def plan_append(
        self,
        records: memoryview | bytearray,
        *,
        leader_epoch: int,
        now_ms: int,
        origin: Origin = "client",
        checked_for: "TopicConfig | None" = None,
    ) -> AppendPlan | AppendResult:
        """The first half of `append`: all decisions, and a new segment where one is due, but no batch written."""
        if self.damage is not None:
            raise self.damage
        if type(records) is not memoryview:
            records = memoryview(records)
        if origin == "replication":
            return replicated.plan(self, records, now_ms)
        size = len(records)
        if size < HEADER_SIZE or size > self._size_max or not self._plain or origin != "client":
            return self._plan_carefully(records, leader_epoch, now_ms, origin, checked_for)
        (base, length, _, magic, crc, attributes, delta, base_ms, max_ms, producer_id, epoch, sequence, count) = (
            HEADER.unpack_from(records)
        )
        if (
            length != size - LOG_OVERHEAD
            or magic != MAGIC
            or base != 0
            or count != delta + 1
            or count <= 0
            or attributes & _UNUSUAL_ATTRIBUTES
            or max_ms > now_ms + self._after_max_ms
            or base_ms < now_ms - self._before_max_ms
            or (producer_id >= 0 and sequence < 0)
            or crc32c(records[ATTRIBUTES_OFFSET:]) != crc
        ):
            return self._plan_carefully(records, leader_epoch, now_ms, origin, checked_for)
        if producer_id < 0:
            return self._place(records, size, delta, max_ms, leader_epoch, now_ms, -1)
        known = self.producers.check(producer_id, epoch, sequence, count)
        if known is not None:
            return self._answer_known(known)
        plan = self._place(records, size, delta, max_ms, leader_epoch, now_ms, -1)
        plan.producer = (producer_id, epoch, (sequence + delta) & producer_state.SEQUENCE_MAX)
        return plan

    def commit_append(self, plan: AppendPlan) -> AppendResult:
        """The second half of `append`: the write has returned whole, so the batch is in the log."""
        segment, size, last_offset = plan.segment, plan.size, plan.last_offset
        if plan.headers is not None:
            return replicated.commit(self, plan, plan.headers)
        segment.appended(plan.position, size, last_offset, plan.max_timestamp_ms, self._config.index_interval_bytes)
        epochs = self.epochs.entries
        if not epochs or epochs[-1][0] != plan.leader_epoch:
            self.epochs.assign(plan.leader_epoch, plan.base_offset)
        if plan.producer is not None:
            producer_id, epoch, last_sequence = plan.producer
            delta = last_offset - plan.base_offset
            self.producers.update(producer_id, epoch, last_sequence, last_offset, delta, plan.max_timestamp_ms)
        self.log_end_offset = last_offset + 1
        self.count_written(size)
        return AppendResult(
            ErrorCode.none, plan.base_offset, last_offset, plan.log_append_time_ms, self.log_start_offset
        )

    def abort_append(self, plan: AppendPlan) -> None:
        """The write failed or came back short: cut what it left behind. Raises DirectoryFailedError."""
        try:
            self.storage.files.truncate(plan.segment.open_log().fd, plan.position)
        except OSError as error:
            raise DirectoryFailedError(f"cutting back {plan.segment.log_path}: {error}") from error

    def _write_rest(self, handle: Handle, plan: AppendPlan, written: int) -> None:
        """Go on after a short write, so that its cause shows as an error."""
        while written < plan.size:
            rest = (plan.buffer[written:],)
            written += self.storage.files.pwritev(handle.fd, rest, plan.position + written)

    def _plan_carefully(
        self, records: memoryview, leader_epoch: int, now_ms: int, origin: Origin, checked_for: "TopicConfig | None"
    ) -> AppendPlan | AppendResult:
        """As the rest of `plan_append`, for every batch, and saying what is wrong with it."""
        config = self._config
        try:
            records, header = validation.single_batch(records)
            if checked_for is not config:
                few = validation.is_cheap_to_look_into(records)
                records = checked(records, header, config, origin, now_ms, name_timestamps=few)
        except AppendRefusal as refusal:
            return refusal.result(self.log_start_offset)
        if header.producer_id >= 0 and origin == "client":
            known = self.producers.check(header.producer_id, header.producer_epoch, header.base_sequence, header.count)
            if known is not None:
                return self._answer_known(known)
        max_timestamp_ms, append_time_ms = header.max_timestamp, -1
        if config.message_timestamp_type == validation.LOG_APPEND_TIME:
            max_timestamp_ms = append_time_ms = now_ms
            set_log_append_time(records, 0, now_ms)
        elif header.attributes & TIMESTAMP_TYPE_FLAG:
            records[ATTRIBUTES_OFFSET + 1] &= ~TIMESTAMP_TYPE_FLAG & 0xFF
            set_crc(records, 0)
        plan = self._place(
            records, len(records), header.last_offset_delta, max_timestamp_ms, leader_epoch, now_ms, append_time_ms
        )
        if header.producer_id >= 0 and not header.is_control:
            plan.producer = (header.producer_id, header.producer_epoch, header.last_sequence)
        return plan

    def _answer_known(self, known: BatchMetadata | producer_state.Refusal) -> AppendResult:
        if isinstance(known, producer_state.Refusal):
            return AppendRefusal(known.error, known.message).result(self.log_start_offset)
        uses_append_time = self._config.message_timestamp_type == validation.LOG_APPEND_TIME
        append_time_ms = known.timestamp_ms if uses_append_time else -1
        answer = AppendResult(
            ErrorCode.none, known.first_offset, known.last_offset, append_time_ms, self.log_start_offset
        )
        answer.duplicate = True
        return answer

    def _place(
        self,
        records: memoryview,
        size: int,
        delta: int,
        max_timestamp_ms: int,
        leader_epoch: int,
        now_ms: int,
        log_append_time_ms: int,
    ) -> AppendPlan:
        base_offset = self.log_end_offset
        segment = self.segment_for(size, base_offset, base_offset + delta, max_timestamp_ms, now_ms)
        _BASE_OFFSET.pack_into(records, 0, base_offset)
        _LEADER_EPOCH.pack_into(records, LOG_OVERHEAD, leader_epoch)
        return AppendPlan(
            segment, records, size, base_offset, base_offset + delta, max_timestamp_ms, leader_epoch, log_append_time_ms
        )

    # -- reading --------------------------------------------------------------------------------------------------

    def locate(
        self, offset: int, max_bytes: int, *, upper_offset: int | None = None, minimum_one_batch: bool = True
    ) -> ReadRange | None:
        """Where the batches from `offset` on are, up to `upper_offset` (exclusive, None for the log end).

        The range ends within one segment, may cut off its last batch, is empty at the upper offset, and is pinned
        until `release`. A first batch larger than `max_bytes` is given whole if `minimum_one_batch`, else not at all.
        None when the search would have to wait for the disk: then `await locate_cold`.
        Raises OffsetOutOfRangeError, DamagedLogError, DirectoryFailedError.
        """
        try:
            return locating.locate(self, offset, max_bytes, upper_offset, minimum_one_batch)
        except (ColdError, CorruptIndexError):
            return None
        except OSError as error:
            raise DirectoryFailedError(f"reading {self.directory}: {error}") from error

    async def locate_cold(
        self, offset: int, max_bytes: int, *, upper_offset: int | None = None, minimum_one_batch: bool = True
    ) -> ReadRange:
        """As `locate`, searching in the executor."""
        return await locating.locate_cold(self, offset, max_bytes, upper_offset, minimum_one_batch)

    def note_read(self, read: ReadRange, view: memoryview) -> int:
        """What a range held: bytes of whole batches in it, and the next reader begins after those without a search.

        All of `view` when its batches are too many to look at. Raises DamagedLogError when all of the range was read
        and does not even hold one, or holds offsets that belong elsewhere.
        """
        return locating.note_read(self, read, view)

    def remember(self, offset: int, position: int) -> None:
        """The batch that begins with `offset` is, or will be, at this position of its segment."""
        if self.segment_of(offset).size < position:
            return
        reads = self.reads
        if reads is None:
            reads = self.reads = {}
        reads[offset] = position
        if len(reads) > READERS_MAX:
            del reads[next(iter(reads))]

    async def offset_for_timestamp(self, timestamp_ms: int) -> "lookup.FoundTimestamp | None":
        """The first record with at least this timestamp; None when there is none. Raises DirectoryFailedError."""
        return await lookup.first_at_or_after(self, timestamp_ms)

    async def max_timestamp_offset(self) -> "lookup.FoundTimestamp | None":
        """The first record that has the largest timestamp. Raises DirectoryFailedError."""
        return await lookup.with_largest_timestamp(self)

    def end_offset_for_epoch(self, epoch: int) -> EpochEntry:
        """(epoch, end offset) as OffsetForLeaderEpoch answers; (-1, -1) when unknown."""
        return self.epochs.end_offset_for(epoch, self.log_end_offset)

    # -- flushing, cutting, ageing (see the modules) -------------------------------------------------------------------

    def mark_dirty(self) -> None:
        """There is something to flush: tell whoever sees to it."""
        self.dirty = True
        self.storage.on_dirty(self)

    def begin_flush(self, *, everything: bool | None = None) -> FlushJob | None:
        """What to sync now, None when all is; `flush.run` does it. `everything` None: indexes too when it is time.

        Raises DirectoryFailedError.
        """
        return flush.begin(self, everything)

    def finish_flush(self, job: FlushJob, *, replaced: bool = True) -> None:
        """The job succeeded; `replaced` is what `flush.run` said."""
        flush.finish(self, job, replaced=replaced)

    def fail_flush(self, job: FlushJob) -> None:
        """The job failed: nothing moves, and the log must not be flushed again."""
        flush.release(job)

    def lower_recovery_point(self, offset: int) -> None:
        """To at most `offset`, so far that recovery finds the producers of what is below it."""
        cutting.lower_recovery_point(self, offset)

    def truncate_to(self, offset: int) -> int:
        """Remove every batch with an offset at or above `offset`; the new log end. Raises DirectoryFailedError.

        The log then ends with its last batch, below `offset` if that lay inside a batch or a gap. The caller has called
        `lower_recovery_point` with the same offset and made a checkpoint durable before.
        """
        return cutting.truncate_to(self, offset)

    def truncate_fully_and_start_at(self, offset: int, now_ms: int) -> None:
        """Remove everything; the log begins and ends at `offset`. Raises DirectoryFailedError."""
        cutting.truncate_fully_and_start_at(self, offset, now_ms)

    def advance_log_start(self, offset: int) -> bool:
        """Records below `offset` are gone for readers (DeleteRecords); False when they were already.

        Raises OffsetOutOfRangeError beyond the log end. The caller keeps the checkpoint of log start offsets.
        """
        return cutting.advance_log_start(self, offset)

    def delete_old_segments(self, now_ms: int, *, upper_offset: int | None = None, durably: bool = False) -> list[str]:
        """Take away what retention.ms, retention.bytes and the log start allow; files renamed to `.deleted`.

        Nothing at or above `upper_offset` (the high watermark; None for the log end). With `durably` only what a power
        loss can do no harm to: at most one segment, and the rest after the next full flush. The caller removes the
        files it gets after file.delete.delay.ms. Raises DirectoryFailedError, DiskFullError.
        """
        return retention.delete_old_segments(self, now_ms, upper_offset, durably=durably)

    def seal(self) -> None:
        """Before a clean stop: complete indexes, snapshot and epochs, so that after a full flush nothing is missing.

        Raises DirectoryFailedError.
        """
        flush.seal(self)

    def close(self) -> None:
        """Give up all descriptors. What was not flushed is left to the kernel."""
        for segment in self.segments:
            for path in (segment.log_path, segment.offset_index_path, segment.time_index_path):
                self.storage.descriptors.forget(path)
            segment.handle = None
        snapshots = [path_of(self.directory, offset, SNAPSHOT_SUFFIX) for offset in self.snapshot_offsets]
        for path in (*self.extra_dirty, *snapshots):
            self.storage.descriptors.forget(path)

    # -- opening --------------------------------------------------------------------------------------------------

    @staticmethod
    def open(
        storage: LogStorage,
        directory: str,
        *,
        topic: str,
        partition: int,
        topic_id: UUID,
        config: "TopicConfig",
        now_ms: int,
        log_start_offset: int = 0,
        recovery_point: int = 0,
        stop: "Stop" = Stop.CLEAN,
    ) -> "Log":
        """Open the directory's log, or begin one at `log_start_offset` where there are no segments.

        `stop` says how the last process ended; after a crash everything above `recovery_point` is checked and repaired.
        Raises DamagedLogError, DiskFullError, DirectoryFailedError.
        """
        identity = opening.Identity(topic, partition, topic_id)
        return opening.open_log(storage, directory, identity, config, now_ms, log_start_offset, recovery_point, stop)

    @staticmethod
    def open_intact(
        storage: LogStorage,
        directory: str,
        *,
        topic: str,
        partition: int,
        topic_id: UUID,
        config: "TopicConfig",
        damage: DamagedLogError,
    ) -> "Log":
        """Open what lies before the damage that `open` reported, for reading: `append` raises `damage` again.

        Raises DirectoryFailedError.
        """
        return opening.open_intact(storage, directory, opening.Identity(topic, partition, topic_id), config, damage)

    def repair(self) -> None:
        """Give up everything from the damage on, because an operator said so. Raises DirectoryFailedError."""
        cutting.repair(self)
