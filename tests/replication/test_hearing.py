"""Who still fetches."""

from odradek.replication.hearing import SILENT_S, Hearing


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def test_who_has_not_fetched_for_long_is_silent_until_it_fetches_again() -> None:
    clock = Clock()
    hearing = Hearing(clock)
    hearing.heard(2)
    clock.now_s += 1
    hearing.heard(3)
    clock.now_s += SILENT_S - 0.5
    assert (hearing.silent(), hearing.expected) == ([2], 2)
    hearing.heard(2)
    assert hearing.silent() == []


def test_who_has_left_or_follows_nothing_is_not_expected_to_fetch() -> None:
    clock = Clock()
    hearing = Hearing(clock)
    for broker_id in (2, 3, 4):
        hearing.heard(broker_id)
    clock.now_s += 2 * SILENT_S
    hearing.forget_all_but({2, 3})
    hearing.forget(3)
    hearing.forget(5)
    assert (hearing.silent(), hearing.expected) == ([2], 1)
