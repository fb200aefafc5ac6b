"""Work rests as long as it takes to stay below its rate."""

from odradek.log.cleaning.throttle import Throttle


def test_it_rests_until_the_average_is_what_is_allowed() -> None:
    throttle = Throttle(1000.0, 10.0)
    assert throttle.rest_s(500, 10.0) == 0.5
    assert throttle.rest_s(500, 10.5) == 0.5
    assert throttle.rest_s(0, 10.9) == 11.0 - 10.9


def test_it_does_not_rest_when_the_work_is_slower() -> None:
    assert Throttle(1000.0, 10.0).rest_s(500, 12.0) == 0.0
    assert Throttle(1.7976931348623157e308, 0.0).rest_s(1 << 40, 0.0) < 1e-9
