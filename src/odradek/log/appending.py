"""Appending to a log: decide, write once, and only then move.

What every batch needs is decided by `append_plain` in a few comparisons; a batch that is unusual in any way takes the
careful path, which says what is wrong with it.
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
from odradek.log.segment import Segment
from odradek.wire.records import (
    ATTRIBUTES_OFFSET,
    CODEC_MAX,
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

UNUSUAL = -1
"""Answer of `append_plain` that did nothing."""

_START = Struct(">qii")
"""Of a batch: base offset, length, leader epoch."""
_unpack_header = HEADER.unpack_from
_pack_start = _START.pack_into


class AppendableLog(LogState):
    """A log that takes batches; `Log` adds everything else."""

    __slots__ = ()

    def append_plain(self, records: memoryview, leader_epoch: int, now_ms: int) -> int:
        """`append` of one batch of a client with nothing unusual about it: its base offset.

        UNUSUAL for any other, of which nothing is written: `append` then decides. Raises as `append`.
        """
        size = len(records)
        if not HEADER_SIZE <= size <= self._plain_size_max or self.damage is not None:
            return UNUSUAL
        base, length, _, magic, crc, attributes, delta, base_ms, max_ms, producer_id, epoch, sequence, count = (
            _unpack_header(records)
        )
        if (
            length != size - LOG_OVERHEAD
            or magic != MAGIC
            or base != 0
            or count != delta + 1
            or count <= 0
            or not 0 <= attributes <= CODEC_MAX
            or max_ms < base_ms
            or max_ms > now_ms + self._after_max_ms
            or base_ms < now_ms - self._before_max_ms
            or crc32c(records[ATTRIBUTES_OFFSET:]) != crc
        ):
            return UNUSUAL
        if producer_id >= 0 and (
            sequence < 0 or self.producers.check(producer_id, epoch, sequence, count) is not None
        ):  # fmt: skip
            return UNUSUAL
        base_offset = self.log_end_offset
        last_offset = base_offset + delta
        segment = self.segment_for(size, base_offset, last_offset, max_ms, now_ms)
        _pack_start(records, 0, base_offset, length, leader_epoch)
        position = segment.size
        self._write(segment, records, position)
        self._written(segment, position, size, base_offset, last_offset, max_ms, leader_epoch)
        if producer_id >= 0:
            last_sequence = (sequence + delta) & producer_state.SEQUENCE_MAX
            self.producers.update(producer_id, epoch, last_sequence, last_offset, delta, max_ms)
        return base_offset

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
        if type(records) is not memoryview:
            records = memoryview(records)
        if origin == "client":
            base_offset = self.append_plain(records, leader_epoch, now_ms)
            if base_offset != UNUSUAL:
                return AppendResult(ErrorCode.none, base_offset, self.log_end_offset - 1, -1, self.log_start_offset)
        plan = self.plan_append(
            records, leader_epoch=leader_epoch, now_ms=now_ms, origin=origin, checked_for=checked_for
        )
        if isinstance(plan, AppendResult):
            return plan
        self._write(plan.segment, plan.buffer, plan.position)
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
        return self._plan_carefully(records, leader_epoch, now_ms, origin, checked_for)

    def commit_append(self, plan: AppendPlan) -> AppendResult:
        """The second half of `append`: the write has returned whole, so the batch is in the log."""
        if plan.headers is not None:
            return replicated.commit(self, plan, plan.headers)
        base_offset, last_offset, max_timestamp_ms = plan.base_offset, plan.last_offset, plan.max_timestamp_ms
        self._written(
            plan.segment, plan.position, plan.size, base_offset, last_offset, max_timestamp_ms, plan.leader_epoch
        )
        if plan.producer is not None:
            producer_id, epoch, last_sequence = plan.producer
            self.producers.update(
                producer_id, epoch, last_sequence, last_offset, last_offset - base_offset, max_timestamp_ms
            )
        return AppendResult(ErrorCode.none, base_offset, last_offset, plan.log_append_time_ms, self.log_start_offset)

    def abort_append(self, plan: AppendPlan) -> None:
        """The write failed or came back short: cut what it left behind. Raises DirectoryFailedError."""
        self._cut_back(plan.segment, plan.position)

    def _write(self, segment: Segment, records: memoryview, position: int) -> None:
        """All of it, or nothing. Raises DiskFullError, DirectoryFailedError."""
        try:
            handle = segment.open_log()
            handle.dirty = True
            written = self.storage.files.pwritev(handle.fd, (records,), position)
            if written != len(records):
                self._write_rest(handle, records, position, written)
        except OSError as error:
            self._cut_back(segment, position)
            raise disk_error(error, f"appending to {segment.log_path}") from error

    def _write_rest(self, handle: Handle, records: memoryview, position: int, written: int) -> None:
        """Go on after a short write, so that its cause shows as an error."""
        while written < len(records):
            written += self.storage.files.pwritev(handle.fd, (records[written:],), position + written)

    def _cut_back(self, segment: Segment, position: int) -> None:
        try:
            self.storage.files.truncate(segment.open_log().fd, position)
        except OSError as error:
            raise DirectoryFailedError(f"cutting back {segment.log_path}: {error}") from error

    def _written(
        self,
        segment: Segment,
        position: int,
        size: int,
        base_offset: int,
        last_offset: int,
        max_timestamp_ms: int,
        leader_epoch: int,
    ) -> None:
        """A batch is in the file: index it, and move the log end."""
        segment.appended(position, size, last_offset, max_timestamp_ms, self._config.index_interval_bytes)
        epochs = self.epochs.entries
        if not epochs or epochs[-1][0] != leader_epoch:
            self.epochs.assign(leader_epoch, base_offset)
        elif epochs[-1][1] == base_offset:  # Its leader had begun it, and it had no records yet.
            self.epochs.changed = True
        self.log_end_offset = last_offset + 1
        self.count_written(size)

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
        base_offset = self.log_end_offset
        last_offset = base_offset + header.last_offset_delta
        segment = self.segment_for(len(records), base_offset, last_offset, max_timestamp_ms, now_ms)
        _pack_start(records, 0, base_offset, len(records) - LOG_OVERHEAD, leader_epoch)
        plan = AppendPlan(
            segment, records, len(records), base_offset, last_offset, max_timestamp_ms, leader_epoch, append_time_ms
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
