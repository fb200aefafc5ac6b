"""Appending what the leader sent: any number of batches, whose offsets and epochs stay as they are."""

from typing import TYPE_CHECKING

from kio.schema.errors import ErrorCode

from odradek.log.append import AppendPlan, AppendRefusal, AppendResult
from odradek.log.errors import UnexpectedOffsetError
from odradek.wire.errors import InvalidBatchError
from odradek.wire.records import BatchHeader, batches, crc_is_valid

if TYPE_CHECKING:
    from odradek.log.log_state import LogState


def plan(log: "LogState", records: memoryview, now_ms: int) -> AppendPlan | AppendResult:
    """All whole batches of what a fetch brought; a cut-off last one is left for the next fetch.

    CORRUPT_MESSAGE for a bad batch, also for one of an earlier leader epoch than the log has.
    Raises UnexpectedOffsetError when offsets do not rise from the log end on.
    """
    try:
        headers = list(batches(records))
    except InvalidBatchError as error:
        return AppendRefusal(ErrorCode.corrupt_message, str(error)).result(log.log_start_offset)
    if not headers:
        return AppendRefusal(ErrorCode.corrupt_message, "no whole batch").result(log.log_start_offset)
    expected_offset, epoch = log.log_end_offset, log.epochs.latest_epoch
    for position, header in headers:
        if header.base_offset < expected_offset or header.last_offset_delta < 0:
            raise UnexpectedOffsetError(f"batch at offset {header.base_offset} where {expected_offset} is next")
        if not crc_is_valid(records, position, header):
            message = f"the batch at offset {header.base_offset} does not match its CRC"
            return AppendRefusal(ErrorCode.corrupt_message, message).result(log.log_start_offset)
        if header.leader_epoch < epoch:
            message = f"the batch at offset {header.base_offset} is of epoch {header.leader_epoch}, behind {epoch}"
            return AppendRefusal(ErrorCode.corrupt_message, message).result(log.log_start_offset)
        expected_offset, epoch = header.last_offset + 1, header.leader_epoch
    return _place(log, records, headers, now_ms)


def _place(log: "LogState", records: memoryview, headers: list[tuple[int, BatchHeader]], now_ms: int) -> AppendPlan:
    position, last = headers[-1]
    first = headers[0][1]
    size = position + last.size
    timestamp_ms = max(header.max_timestamp for _, header in headers)
    segment = log.segment_for(size, first.base_offset, last.last_offset, timestamp_ms, now_ms)
    placed = AppendPlan(
        segment, records[:size], size, first.base_offset, last.last_offset, timestamp_ms, last.leader_epoch, -1
    )
    placed.headers = headers
    return placed


def commit(log: "LogState", placed: AppendPlan, headers: list[tuple[int, BatchHeader]]) -> AppendResult:
    """The set is in the log: index each batch, follow epochs and producers."""
    interval_bytes = log.config.index_interval_bytes
    for position, header in headers:
        placed.segment.appended(
            placed.position + position, header.size, header.last_offset, header.max_timestamp, interval_bytes
        )
        if header.leader_epoch > log.epochs.latest_epoch:
            log.epochs.assign(header.leader_epoch, header.base_offset)
        if header.producer_id >= 0:
            log.update_producer(header)
    log.log_end_offset = placed.last_offset + 1
    log.count_written(placed.size)
    return AppendResult(ErrorCode.none, placed.base_offset, placed.last_offset, -1, log.log_start_offset)
