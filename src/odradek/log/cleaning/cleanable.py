"""Which part of a log may be compacted, and is it worth it now? (Kafka: LogCleanerManager.cleanableOffsets)"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

NO_TIMESTAMP = -1


class SegmentFacts(NamedTuple):
    """Of one segment. Timestamps that the topic's lags do not ask for need not be known: -1."""

    base_offset: int
    size: int
    largest_timestamp_ms: int = NO_TIMESTAMP
    first_timestamp_ms: int = NO_TIMESTAMP
    """The largest of its first batch."""


@dataclass(frozen=True, slots=True)
class LogFacts:
    """What the decision depends on. `segments` are all of the log, the active one last."""

    segments: Sequence[SegmentFacts]
    log_start_offset: int
    log_end_offset: int
    stable_offset: int
    """Below it everything is committed, decided and on stable storage."""
    cleaned_offset: int
    """Where the last cleaning ended, -1 when there was none."""
    min_compaction_lag_ms: int
    max_compaction_lag_ms: int


class Cleanable(NamedTuple):
    """`upper_offset` is the base offset of the first segment that may not be compacted yet."""

    first_dirty_offset: int
    upper_offset: int
    clean_bytes: int
    dirty_bytes: int
    delay_ms: int
    """By how much max.compaction.lag.ms is exceeded."""

    @property
    def dirty_ratio(self) -> float:
        """0 to 1."""
        total = self.clean_bytes + self.dirty_bytes
        return self.dirty_bytes / total if total else 0.0

    def is_due(self, min_dirty_ratio: float) -> bool:
        """Dirty enough, or for too long."""
        if self.dirty_bytes == 0 or self.upper_offset <= self.first_dirty_offset:
            return False
        return self.delay_ms > 0 or self.dirty_ratio > min_dirty_ratio


def first_dirty_offset(log_start_offset: int, log_end_offset: int, cleaned_offset: int) -> int:
    """Where the last cleaning ended, or the log start where that cannot be true any more."""
    if log_start_offset <= cleaned_offset <= log_end_offset:
        return cleaned_offset
    return log_start_offset


def assess(facts: LogFacts, now_ms: int) -> Cleanable:
    """The dirty part of a log that may be compacted: below the active segment, all committed, older than the lag."""
    first_dirty = first_dirty_offset(facts.log_start_offset, facts.log_end_offset, facts.cleaned_offset)
    closed = facts.segments[:-1]
    dirty = [each for each, end in zip(closed, _end_offsets(facts), strict=True) if end > first_dirty]
    upper = min(facts.stable_offset, facts.segments[-1].base_offset)
    if facts.min_compaction_lag_ms > 0:
        newest_ms = now_ms - facts.min_compaction_lag_ms
        young = [each.base_offset for each in dirty if each.largest_timestamp_ms > newest_ms]
        upper = min(upper, *young[:1]) if young else upper
    whole = [each for each, end in zip(closed, _end_offsets(facts), strict=True) if end <= upper]
    cleanable = [each for each in dirty if each in whole]
    return Cleanable(
        first_dirty,
        facts.segments[len(whole)].base_offset,
        sum(each.size for each in closed if each.base_offset < first_dirty),
        sum(each.size for each in cleanable),
        _delay_ms(dirty, now_ms, facts.max_compaction_lag_ms),
    )


def _end_offsets(facts: LogFacts) -> list[int]:
    return [each.base_offset for each in facts.segments[1:]]


def _delay_ms(dirty: Sequence[SegmentFacts], now_ms: int, max_lag_ms: int) -> int:
    known = [each.first_timestamp_ms for each in dirty if each.first_timestamp_ms > 0]
    return max(now_ms - max_lag_ms - min(known), 0) if known else 0
