"""What a leader's answer means for a replica that follows it: pure functions of the answer and of the replica's log.

Where the logs differ is decided by leader epochs alone, never by the high watermark (KIP-101, KIP-279). The replica
asks with the epoch of its last batch; a leader whose log has another history names the largest epoch up to it that it
knows, and where that one ends (KIP-595). What the replica has beyond that, or beyond the end of its own part of that
epoch, is not in the leader's log. It is cut, and the replica asks again, until the leader finds nothing to object to.

Nothing committed is ever cut, with one exception. A replica that is in sync when its leader is elected knows that the
leader has all that is committed: if the answer says otherwise the replica keeps its log and stops following, until a
new leader epoch begins. One that is not in sync cannot know: its leader may have been elected although it had lost
records (an unclean election, or the last leader's return after everybody lost power). It follows, and says so.
"""

from dataclasses import dataclass
from typing import NamedTuple

from kio.schema.errors import ErrorCode

from odradek.log.epoch_cache import NO_EPOCH, EpochCache
from odradek.wire.records import HEADER_SIZE, read_header
from odradek.wire.replica_fetch import FetchedPartition

FIRST_BACKOFF_MS = 20
"""A leader that does not lead yet does so in a moment; each further attempt waits twice as long, up to the bound."""


class OwnLog(NamedTuple):
    """The replica as it was when it asked. `was_in_sync`: in the ISR at any time of its leader's epoch."""

    log_start_offset: int
    log_end_offset: int
    high_watermark: int
    epochs: EpochCache
    was_in_sync: bool

    @property
    def is_empty(self) -> bool:
        return self.log_start_offset == self.log_end_offset


@dataclass(frozen=True, slots=True)
class Take:
    """Append the records, if there are any, and take over high watermark and log start."""


TAKE = Take()


@dataclass(frozen=True, slots=True)
class Cut:
    """Remove what begins at or above `offset`, and ask again. `committed_lost`: offsets known to be committed."""

    offset: int
    committed_lost: int = 0


@dataclass(frozen=True, slots=True)
class BeginAt:
    """Remove everything and begin anew at `offset`; `then_take` the records that were sent."""

    offset: int
    committed_lost: int = 0
    then_take: bool = False


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing can be done with the answer: try again later, or when the leader changes."""

    error: ErrorCode
    reason: str


@dataclass(frozen=True, slots=True)
class Fail:
    """What must not be: do not follow in this leader epoch any more, and let somebody look at it."""

    reason: str


Decision = Take | Cut | BeginAt | Wait | Fail


def decide(answer: FetchedPartition, own: OwnLog) -> Decision:
    """What the replica is to do with the answer to a request made for its log as it is."""
    error = _error_of(answer.error_code)
    if error is ErrorCode.offset_out_of_range:
        return _out_of_range(answer, own)
    if error is not ErrorCode.none:
        return Wait(error, f"the leader answers {error.name}")
    if answer.diverging is not None:
        return _diverged(answer, answer.diverging, own)
    if len(answer.records) < HEADER_SIZE:
        return TAKE if not answer.records else Wait(ErrorCode.corrupt_message, "no whole batch was sent")
    return _aligned(answer, own)


def truncation_offset(diverging: tuple[int, int], epochs: EpochCache, log_end_offset: int) -> int:
    """From where on a log is not that of a leader who says where an epoch of it ends, (epoch, end offset)."""
    epoch, leader_end = diverging
    _, own_end = epochs.end_offset_for(epoch, log_end_offset)
    return leader_end if own_end < 0 else min(leader_end, own_end)


def backoff_ms(attempts: int, most_ms: int) -> int:
    """How long to wait after so many failures in a row (from 1 on)."""
    return min(FIRST_BACKOFF_MS << min(attempts - 1, 20), most_ms)


def _diverged(answer: FetchedPartition, diverging: tuple[int, int], own: OwnLog) -> Decision:
    offset = truncation_offset(diverging, own.epochs, own.log_end_offset)
    if diverging[0] == NO_EPOCH or not 0 <= offset < own.log_end_offset:
        reason = f"the leader's epoch {diverging[0]} ends at {diverging[1]}, which contradicts nothing here"
        return Wait(ErrorCode.unknown_server_error, reason)
    if offset < own.log_start_offset:
        return _begin_at(answer.log_start_offset, own, f"the leader's epoch {diverging[0]} ended at {diverging[1]}")
    lost = max(own.high_watermark - offset, 0)
    if lost and own.was_in_sync:
        return Fail(f"the leader's log differs from offset {offset} on, but {own.high_watermark} was committed")
    return Cut(offset, lost)


def _out_of_range(answer: FetchedPartition, own: OwnLog) -> Decision:
    """Below the leader's log everything here is old; an empty log beyond its end has nothing to compare."""
    start_offset = answer.log_start_offset
    if own.log_end_offset < start_offset:
        return BeginAt(start_offset)
    if own.is_empty and start_offset >= 0:
        return _begin_at(start_offset, own, f"{own.log_end_offset} lies beyond the leader's log")
    return Wait(ErrorCode.offset_out_of_range, f"{own.log_end_offset} lies beyond the leader's log")


def _begin_at(offset: int, own: OwnLog, reason: str) -> Decision:
    lost = max(own.high_watermark - offset, 0)
    if lost and own.was_in_sync:
        return Fail(f"{reason}, but {own.high_watermark} was committed")
    return BeginAt(offset, lost)


def _aligned(answer: FetchedPartition, own: OwnLog) -> Decision:
    """The records follow the log's end; one exception: a log that begins within a batch, as DeleteRecords allows."""
    first = read_header(answer.records)
    if first.base_offset >= own.log_end_offset:
        return TAKE
    if own.is_empty and first.base_offset >= 0 and first.last_offset >= own.log_end_offset:
        return BeginAt(first.base_offset, then_take=True)
    reason = f"records from offset {first.base_offset} on were sent where {own.log_end_offset} is next"
    return Wait(ErrorCode.corrupt_message, reason)


def _error_of(code: int) -> ErrorCode:
    try:
        return ErrorCode(code)
    except ValueError:
        return ErrorCode.unknown_server_error
