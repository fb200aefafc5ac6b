"""A broker that dies again and again is started less and less often, but always."""

from odradek.supervisor.restarts import BACKOFF_S, STEADY_S, Restarts


def test_the_first_death_is_followed_at_once_by_a_start_and_later_ones_by_a_pause() -> None:
    restarts = Restarts()
    assert [restarts.delay_s(1.0) for _ in BACKOFF_S] == list(BACKOFF_S)
    assert BACKOFF_S[0] == 0.0


def test_the_pause_is_bounded() -> None:
    restarts = Restarts()
    delays = [restarts.delay_s(0.0) for _ in range(1_000)]
    assert max(delays) == delays[-1] == BACKOFF_S[-1]


def test_who_has_served_for_long_begins_anew() -> None:
    restarts = Restarts()
    for _ in range(5):
        restarts.delay_s(1.0)
    assert restarts.delay_s(STEADY_S) == BACKOFF_S[0]
    assert restarts.delay_s(1.0) == BACKOFF_S[1]
