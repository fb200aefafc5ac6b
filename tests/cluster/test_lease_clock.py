"""How long a broker is sure that the others still count on it."""

from odradek.cluster.lease_clock import LeaseClock


def test_before_the_first_renewal_there_is_nothing_to_doubt() -> None:
    assert not LeaseClock().is_doubtful(1e9)


def test_past_two_thirds_of_the_lease_since_the_renewal_was_asked_for_it_is_doubtful() -> None:
    clock = LeaseClock()
    clock.renewed(100.0, 9.0)
    assert not clock.is_doubtful(106.0)
    assert clock.is_doubtful(106.1)
    clock.renewed(105.0, 9.0)
    assert not clock.is_doubtful(111.0)
