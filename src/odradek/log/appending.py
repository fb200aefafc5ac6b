"""Appending to a log: decide, write once, and only then move.

What every batch needs is decided here in a few comparisons; a batch that is unusual in any way takes the careful path,
which says what is wrong with it.
"""

from struct import Struct
from typing import TYPE_CHECKING

from crc32c import crc32c
from kio.schema.errors import ErrorCode

from odradek.log import producer_state, replicated, validation
from odradek.log.append import AppendPlan, AppendRefusal, AppendResult, Origin
from odradek.log.descriptors import Handle
from odradek.log.errors import DirectoryFailedError, disk_error
from odradek.log.log_state import LogState
from odradek.log.preparation import checked
from odradek.log.producer_state import BatchMetadata
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

_UNUSUAL_ATTRIBUTES = ~COMPRESSION_MASK
_BASE_OFFSET = Struct(">q")
_LEADER_EPOCH = Struct(">i")


class AppendableLog(LogState):
    """A log that takes batches; `Log` adds everything else."""

    __slots__ = ()

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
