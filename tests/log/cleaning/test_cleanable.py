"""Which part of a log may be compacted, and when that is due."""

from dataclasses import replace

import pytest

from odradek.config.values import LONG_MAX
from odradek.log.cleaning.cleanable import LogFacts, SegmentFacts, assess

NOW_MS = 1_000_000
FACTS = LogFacts(
    segments=tuple(SegmentFacts(base, 100, NOW_MS - 1000 + base, NOW_MS - 1000 + base) for base in (0, 100, 200, 300)),
    log_start_offset=0,
    log_end_offset=350,
    stable_offset=350,
    cleaned_offset=-1,
    min_compaction_lag_ms=0,
    max_compaction_lag_ms=LONG_MAX,
)


def part(**changes: object) -> tuple[int, int]:
    found = assess(replace(FACTS, **changes), NOW_MS)  # type: ignore[arg-type]
    return found.first_dirty_offset, found.upper_offset


def test_a_log_that_was_never_compacted_is_dirty_up_to_its_active_segment() -> None:
    found = assess(FACTS, NOW_MS)
    assert (found.first_dirty_offset, found.upper_offset) == (0, 300)
    assert (found.clean_bytes, found.dirty_bytes, found.dirty_ratio) == (0, 300, 1.0)


def test_it_goes_on_where_it_ended() -> None:
    found = assess(replace(FACTS, cleaned_offset=200), NOW_MS)
    assert (found.first_dirty_offset, found.upper_offset) == (200, 300)
    assert (found.clean_bytes, found.dirty_bytes) == (200, 100)


@pytest.mark.parametrize(("cleaned_offset", "first_dirty"), [(49, 50), (50, 50), (51, 51), (350, 350), (351, 50)])
def test_an_end_that_lies_outside_of_the_log_is_worth_nothing(cleaned_offset: int, first_dirty: int) -> None:
    assert part(log_start_offset=50, cleaned_offset=cleaned_offset)[0] == first_dirty


@pytest.mark.parametrize(("stable_offset", "upper"), [(0, 0), (99, 0), (100, 100), (199, 100), (300, 300), (350, 300)])
def test_only_segments_that_are_committed_as_a_whole_are_compacted(stable_offset: int, upper: int) -> None:
    assert part(stable_offset=stable_offset) == (0, upper)


def test_a_segment_with_a_record_younger_than_the_least_lag_is_not_compacted_nor_what_follows() -> None:
    assert part(min_compaction_lag_ms=900) == (0, 200)
    assert part(min_compaction_lag_ms=899) == (0, 200)
    assert part(min_compaction_lag_ms=901) == (0, 100)
    assert part(min_compaction_lag_ms=2000) == (0, 0)


def test_the_lag_does_not_ask_for_segments_that_are_clean() -> None:
    assert part(min_compaction_lag_ms=2000, cleaned_offset=100) == (100, 100)


def test_it_is_due_when_the_dirty_share_is_above_the_ratio() -> None:
    half = assess(replace(FACTS, cleaned_offset=150), NOW_MS)
    assert half.dirty_ratio == 0.5
    assert half.is_due(0.49)
    assert not half.is_due(0.5)


def test_it_is_due_when_a_record_has_waited_too_long_whatever_the_ratio_is() -> None:
    late = assess(replace(FACTS, cleaned_offset=200, max_compaction_lag_ms=799), NOW_MS)
    assert late.delay_ms == 1
    assert late.is_due(1.0)
    assert not assess(replace(FACTS, cleaned_offset=200, max_compaction_lag_ms=800), NOW_MS).is_due(1.0)


def test_it_is_never_due_when_nothing_may_be_compacted() -> None:
    assert not assess(replace(FACTS, stable_offset=0, max_compaction_lag_ms=1), NOW_MS).is_due(0.0)
    assert not assess(replace(FACTS, cleaned_offset=300), NOW_MS).is_due(0.0)


def test_a_log_without_bytes_is_not_dirty() -> None:
    assert assess(replace(FACTS, segments=(SegmentFacts(0, 0),)), NOW_MS).dirty_ratio == 0.0
