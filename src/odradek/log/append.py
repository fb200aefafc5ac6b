"""What goes into and comes out of an append."""

from typing import TYPE_CHECKING, Literal

from kio.schema.errors import ErrorCode

if TYPE_CHECKING:
    from odradek.config import TopicConfig
    from odradek.log.segment import Segment
    from odradek.wire.records import BatchHeader

Origin = Literal["client", "coordinator", "replication"]
"""Who made the batch: a producer, a coordinator of this broker, or the leader, whose offsets and epochs stay."""

RecordError = tuple[int, str]
"""(index of the record in its batch, message): field RecordErrors of a ProduceResponse."""


class AppendResult:
    """Answer to one append. Without error, `base_offset` to `last_offset` (inclusive) are those of the batch.

    `log_append_time_ms` is -1 under CreateTime. A duplicate carries the original's offsets; nothing was written.
    """

    __slots__ = (
        "base_offset",
        "duplicate",
        "error",
        "error_message",
        "last_offset",
        "log_append_time_ms",
        "log_start_offset",
        "record_errors",
    )

    def __init__(
        self, error: ErrorCode, base_offset: int, last_offset: int, log_append_time_ms: int, log_start_offset: int
    ) -> None:
        self.error = error
        self.base_offset = base_offset
        self.last_offset = last_offset
        self.log_append_time_ms = log_append_time_ms
        self.log_start_offset = log_start_offset
        self.duplicate = False
        self.record_errors: tuple[RecordError, ...] = ()
        self.error_message: str | None = None


class AppendRefusal(Exception):
    """Why a batch is not written; becomes an AppendResult."""

    def __init__(self, error: ErrorCode, message: str, record_errors: tuple[RecordError, ...] = ()) -> None:
        super().__init__(message)
        self.error = error
        self.message = message
        self.record_errors = record_errors

    def result(self, log_start_offset: int) -> AppendResult:
        """The answer: offsets are -1."""
        answer = AppendResult(self.error, -1, -1, -1, log_start_offset)
        answer.error_message = self.message
        answer.record_errors = self.record_errors
        return answer


def too_large(size: int, config: "TopicConfig") -> AppendRefusal:
    """MESSAGE_TOO_LARGE."""
    return AppendRefusal(
        ErrorCode.message_too_large,
        f"a record batch of {size} bytes exceeds the maximum configured size of {config.max_message_bytes}",
    )


class AppendPlan:
    """A write that may be done: checked, patched and given its place, while the log has not changed.

    At most one plan of a log may be open; `commit_append` or `abort_append` ends it.
    """

    __slots__ = (
        "base_offset",
        "buffer",
        "headers",
        "last_offset",
        "leader_epoch",
        "log_append_time_ms",
        "max_timestamp_ms",
        "position",
        "producer",
        "segment",
        "size",
    )

    def __init__(
        self,
        segment: "Segment",
        buffer: memoryview,
        size: int,
        base_offset: int,
        last_offset: int,
        max_timestamp_ms: int,
        leader_epoch: int,
        log_append_time_ms: int,
    ) -> None:
        self.segment = segment
        self.position = segment.size
        """Where in the segment's file `buffer` is to be written."""
        self.buffer = buffer
        self.size = size
        self.base_offset = base_offset
        self.last_offset = last_offset
        self.max_timestamp_ms = max_timestamp_ms
        self.leader_epoch = leader_epoch
        self.log_append_time_ms = log_append_time_ms
        self.producer: tuple[int, int, int] | None = None
        """Of an idempotent producer's batch: producer id, epoch, last sequence."""
        self.headers: list[tuple[int, BatchHeader]] | None = None
        """Of a replicated batch set: position in the buffer and header."""
