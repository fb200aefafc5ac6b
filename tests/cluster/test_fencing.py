"""Whose silence the controller believes."""

from collections.abc import Mapping

import pytest

from odradek.cluster.fencing import Silence
from odradek.cluster.image import BrokerImage, ClusterImage
from tests.cluster.clusters import broker, brokers

TTL_S = 9.0


def image(*registered: BrokerImage, live: Mapping[int, int]) -> ClusterImage:
    return ClusterImage(brokers=brokers(*registered), live=live)


def five(*silent: int, epoch: int = 1) -> ClusterImage:
    return image(*(broker(each, epoch) for each in range(5)), live={x: epoch for x in range(5) if x not in silent})


def test_one_that_vanishes_is_gone() -> None:
    assert Silence(TTL_S).spared(five(3), 100.0) == frozenset()
    assert Silence(TTL_S).spared(image(broker(0), broker(1), live={0: 1}), 100.0) == frozenset()


def test_two_of_five_are_gone_and_three_together_are_waited_for() -> None:
    assert Silence(TTL_S).spared(five(3, 4), 100.0) == frozenset()
    assert Silence(TTL_S).spared(five(2, 3, 4), 100.0) == {2, 3, 4}


def test_who_does_not_come_back_in_a_lease_time_is_gone() -> None:
    silence = Silence(TTL_S)
    assert silence.spared(five(2, 3, 4), 100.0) == {2, 3, 4}
    assert silence.wait_s(104.0) == 5.0
    assert silence.spared(five(2, 3, 4), 108.9) == {2, 3, 4}
    assert silence.spared(five(2, 3, 4), 109.0) == frozenset()


def test_when_enough_have_come_back_the_rest_is_gone_at_once() -> None:
    silence = Silence(TTL_S)
    silence.spared(five(1, 2, 3, 4), 100.0)
    assert silence.spared(five(3, 4), 101.0) == frozenset()
    assert silence.spared(five(), 102.0) == frozenset()
    assert silence.wait_s(102.0) is None


@pytest.mark.parametrize("absent", [broker(2, fenced=True), broker(2, draining=True)], ids=["fenced", "leaving"])
def test_who_is_fenced_already_or_said_good_bye_does_not_count(absent: BrokerImage) -> None:
    registered = [broker(0), broker(1), absent, broker(3), broker(4)]
    assert Silence(TTL_S).spared(image(*registered, live={0: 1, 1: 1, 4: 1}), 100.0) == frozenset()


def test_a_new_registration_is_silent_anew() -> None:
    silence = Silence(TTL_S)
    silence.spared(five(2, 3, 4), 100.0)
    assert silence.spared(five(2, 3, 4, epoch=7), 108.0) == {2, 3, 4}
    assert silence.wait_s(108.0) == TTL_S
