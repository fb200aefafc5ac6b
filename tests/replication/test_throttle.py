"""The catch-up throttle: a rate over all throttled replicas of a broker."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odradek.config.values import LONG_MAX
from odradek.replication.throttle import Throttle, is_throttled


def test_a_second_of_the_rate_may_be_taken_at_once_and_then_it_is_waited_for() -> None:
    throttle = Throttle(1000)
    throttle.record(1000, 0.0)
    assert not throttle.is_exceeded(0.0)
    throttle.record(500, 0.0)
    assert throttle.is_exceeded(0.0)
    assert throttle.wait_s(60.0) == pytest.approx(0.5)
    assert throttle.is_exceeded(0.4)
    assert not throttle.is_exceeded(0.501)


def test_a_pause_does_not_save_up_more_than_a_second() -> None:
    throttle = Throttle(1000)
    throttle.record(2500, 3600.0)
    assert throttle.wait_s(60.0) == pytest.approx(1.5)


def test_a_rate_of_nothing_stops_until_it_is_changed() -> None:
    throttle = Throttle(0)
    assert throttle.is_exceeded(1e6)
    assert throttle.wait_s(1.0) == 1.0
    throttle.set_rate(10, 1e6)
    assert not throttle.is_exceeded(1e6 + 1)


def test_a_rate_that_is_lifted_counts_at_once() -> None:
    throttle = Throttle(10)
    throttle.record(1_000_000, 0.0)
    throttle.set_rate(LONG_MAX, 0.0)
    assert not throttle.is_exceeded(0.001)


def test_without_a_limit_nothing_is_ever_exceeded() -> None:
    throttle = Throttle(LONG_MAX)
    throttle.record(1 << 40, 0.0)
    assert not throttle.is_exceeded(0.0)


@given(st.integers(1, 10_000), st.lists(st.tuples(st.integers(0, 5_000), st.floats(0, 3)), max_size=50))
def test_over_any_time_no_more_is_taken_than_the_rate_allows(rate: int, received: list[tuple[int, float]]) -> None:
    throttle, now, taken = Throttle(rate), 0.0, 0
    for size, pause in received:
        now += pause
        if not throttle.is_exceeded(now):
            throttle.record(size, now)
            taken += size
            assert taken <= rate * (now + 1) + size + 1


def test_a_topic_names_its_throttled_replicas() -> None:
    assert is_throttled(("*",), 3, 1)
    assert is_throttled(("0:2", "3:1"), 3, 1)
    assert not is_throttled(("3:2", "0:1"), 3, 1)
    assert not is_throttled((), 3, 1)
