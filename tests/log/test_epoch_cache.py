"""Start offsets of leader epochs."""

from odradek.log.epoch_cache import EpochCache


def test_an_epoch_ends_where_the_next_begins_and_the_last_at_the_log_end() -> None:
    cache = EpochCache([(1, 0), (3, 10), (7, 20)])
    assert cache.end_offset_for(1, 30) == (1, 10)
    assert cache.end_offset_for(3, 30) == (3, 20)
    assert cache.end_offset_for(7, 30) == (7, 30)


def test_an_epoch_nobody_wrote_in_answers_with_the_one_before() -> None:
    cache = EpochCache([(1, 0), (3, 10), (7, 20)])
    assert cache.end_offset_for(5, 30) == (3, 20)
    assert cache.end_offset_for(0, 30) == (0, 0)
    assert cache.end_offset_for(8, 30) == (-1, -1)
    assert cache.end_offset_for(-1, 30) == (-1, -1)
    assert EpochCache().end_offset_for(0, 0) == (-1, -1)


def test_an_epoch_is_assigned_once() -> None:
    cache = EpochCache()
    cache.assign(2, 0)
    cache.changed = False
    cache.assign(2, 5)
    assert cache.entries == ((2, 0),)
    assert not cache.changed


def test_an_epoch_that_wrote_nothing_gives_way() -> None:
    cache = EpochCache([(1, 0), (2, 10)])
    cache.assign(3, 10)
    assert cache.entries == ((1, 0), (3, 10))


def test_entries_that_would_break_the_order_are_dropped() -> None:
    cache = EpochCache([(1, 0), (5, 10), (6, 20)])
    cache.assign(4, 15)
    assert cache.entries == ((1, 0), (4, 15))


def test_truncation_forgets_epochs_beyond_the_end() -> None:
    cache = EpochCache([(1, 0), (5, 10), (6, 20)])
    cache.truncate_from_end(20)
    assert cache.entries == ((1, 0), (5, 10))
    cache.truncate_from_end(0)
    assert not cache.entries


def test_a_new_log_start_keeps_the_epoch_it_falls_into() -> None:
    cache = EpochCache([(1, 0), (5, 10), (6, 20)])
    cache.truncate_from_start(15)
    assert cache.entries == ((5, 15), (6, 20))
    assert cache.epoch_for_offset(14) == -1
    assert cache.epoch_for_offset(19) == 5
    assert cache.epoch_for_offset(20) == 6
