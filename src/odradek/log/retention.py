"""Which segments are old enough to go: below the log start, beyond retention.bytes, older than retention.ms.

Segments go from the oldest on, never one that reaches above the high watermark. The active segment goes too when all of
it is too old: a new one begins first.

A power loss keeps any subset of the renames and creations that were not synced. So that it leaves neither a hole nor an
empty log, a segment goes only when the next one is certain to survive, and one at a time with a flush in between.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from odradek.log import cutting
from odradek.log.errors import DirectoryFailedError

if TYPE_CHECKING:
    from odradek.log.log_state import LogState
    from odradek.log.segment import Segment


def delete_old_segments(log: "LogState", now_ms: int, upper_offset: int | None, *, durably: bool) -> list[str]:
    """As `Log.delete_old_segments`."""
    if log.swap is not None:
        return []  # Its files have other names for a moment: the next sweep sees to it.
    upper = log.log_end_offset if upper_offset is None else upper_offset
    try:
        count = _below_log_start(log, upper)
        if "delete" in log.config.cleanup_policy:
            count = max(count, _beyond_size(log, upper), _beyond_age(log, upper, now_ms))
        if count == 0:
            return []
        if count == len(log.segments):
            log.roll(now_ms)
            log.mark_dirty()
        if durably:
            if log.segments[1].base_offset > min(log.durable_base_offset, log.recovery_point):
                return []
            count = 1
        removed = log.segments[:count]
        log.segments = log.segments[count:]
        log.size_bytes -= sum(segment.size for segment in removed)
        log.durable_base_offset = log.segments[0].base_offset
        cutting.advance_log_start(log, log.segments[0].base_offset)
        return cutting.set_aside(log, removed)
    except OSError as error:
        raise DirectoryFailedError(f"deleting segments of {log.directory}: {error}") from error


def _leading(log: "LogState", upper_offset: int, is_old: "Callable[[Segment, int], bool]") -> int:
    """How many segments from the first on are old; `is_old(segment, end offset)`."""
    segments = log.segments
    for index, segment in enumerate(segments):
        is_active = segment is log.active
        end_offset = log.log_end_offset if is_active else segments[index + 1].base_offset
        if end_offset > upper_offset or (is_active and segment.size == 0) or not is_old(segment, end_offset):
            return index
    return len(segments)


def _below_log_start(log: "LogState", upper_offset: int) -> int:
    def is_old(segment: "Segment", end_offset: int) -> bool:
        return segment is not log.active and end_offset <= log.log_start_offset

    return _leading(log, upper_offset, is_old)


def _beyond_size(log: "LogState", upper_offset: int) -> int:
    if log.config.retention_bytes < 0:
        return 0
    excess = log.size_bytes - log.config.retention_bytes

    def is_old(segment: "Segment", _: int) -> bool:
        nonlocal excess
        excess -= segment.size
        return excess >= 0

    return _leading(log, upper_offset, is_old)


def _beyond_age(log: "LogState", upper_offset: int, now_ms: int) -> int:
    retention_ms = log.config.retention_ms
    if retention_ms < 0:
        return 0

    def is_old(segment: "Segment", _: int) -> bool:
        newest_ms = segment.largest_timestamp_ms()
        if newest_ms < 0:
            newest_ms = log.storage.files.stat(segment.log_path).modified_ms
        return now_ms - newest_ms > retention_ms

    return _leading(log, upper_offset, is_old)
