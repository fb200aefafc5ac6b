"""What a rolling restart may do next, without a broker."""

from dataclasses import replace

import pytest

from odradek.cli.errors import CommandError
from odradek.cli.restart_steps import (
    Glimpse,
    alone_on,
    chosen,
    done_line,
    is_back,
    is_gone,
    lost_move,
    next_of,
    not_back,
    not_stopped,
    not_well,
    progress_line,
    time_left_s,
    told,
    troubles,
)
from odradek.cli.survey import Disks, SeenBroker, SeenPartition, Survey
from odradek.cli.time_left import in_words

DISKS = Disks(100, 50, {})
BROKERS = tuple(SeenBroker(each, "h", 9000 + each, None, False, DISKS) for each in (1, 2, 3))
WELL = SeenPartition("t", 0, 1, (1, 2, 3), (3, 1, 2))
MOVING = SeenPartition("t", 1, 2, (2, 3, 1), (2, 1), (3,), (1,))
SEEN = Survey("c", 1, BROKERS, (WELL, MOVING))


def with_broker(seen: Survey, broker: SeenBroker) -> Survey:
    return replace(seen, brokers=tuple(broker if each.broker_id == broker.broker_id else each for each in seen.brokers))


# Whom


def test_everybody_who_is_up_and_stays_is_restarted() -> None:
    seen = replace(with_broker(SEEN, replace(BROKERS[1], is_fenced=True)), draining=frozenset([3]))
    assert chosen(SEEN, []) == [1, 2, 3]
    assert chosen(seen, []) == [1]
    assert chosen(SEEN, [3, 1, 3]) == [3, 1]


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        (9, "no broker 9: there is 1, 2, 3, see `odradek cluster status`"),
        (2, "broker 2 is down: start it"),
        (3, "broker 3 is drained: stop it, or `odradek cluster undrain 3` first"),
    ],
)
def test_who_cannot_be_restarted_is_told_with_what_to_do(wanted: int, said: str) -> None:
    seen = replace(with_broker(SEEN, replace(BROKERS[1], is_fenced=True)), draining=frozenset([3]))
    with pytest.raises(CommandError, match="broker") as raised:
        chosen(seen, [1, wanted])
    assert str(raised.value) == said


def test_the_controller_is_the_last() -> None:
    assert [next_of([1, 2, 3], controller) for controller in (1, 2, -1)] == [2, 1, 1]
    assert next_of([1], 1) == 1


# When


def test_in_a_healthy_cluster_nothing_is_wrong_also_while_replicas_move() -> None:
    assert troubles(SEEN) == frozenset()


def test_everything_is_named_that_makes_the_absence_of_one_more_broker_dangerous() -> None:
    seen = with_broker(SEEN, replace(BROKERS[2], is_fenced=True))
    seen = with_broker(seen, replace(BROKERS[1], disks=None))
    lacking, led_by_nobody = replace(WELL, isr=(1, 2)), replace(WELL, index=2, leader=-1)
    found = troubles(replace(seen, partitions=(lacking, led_by_nobody)))
    assert told(found) == (
        "broker 3 is down, broker 2 does not answer, t-2 has no leader, t-0 on broker 3 is not in sync"
    )
    several = troubles(replace(SEEN, partitions=tuple(replace(lacking, index=each) for each in range(1200))))
    assert told(several) == "1,200 replicas are not in sync (t-0 on broker 3 first)"


def test_a_replica_that_is_only_being_added_is_not_missing_but_one_that_is_to_go_still_counts() -> None:
    assert not troubles(replace(SEEN, partitions=(MOVING,)))
    assert told(troubles(replace(SEEN, partitions=(replace(MOVING, isr=(2,)),)))) == "t-1 on broker 1 is not in sync"


def test_partitions_that_only_one_broker_has_are_away_with_it() -> None:
    assert alone_on(replace(SEEN, partitions=(WELL, SeenPartition("u", 0, 2, (2,), (2,)))), 2) == 1
    assert alone_on(SEEN, 2) == 0


def test_a_move_is_lost_when_it_is_neither_done_nor_under_way() -> None:
    def after(*partitions: SeenPartition) -> Survey:
        return replace(SEEN, partitions=partitions)

    done = SeenPartition("t", 1, 3, (2, 3), (2, 3))
    turned = SeenPartition("t", 1, 2, (2, 3, 1), (2, 1), (), (3,))
    given_up = SeenPartition("t", 1, 2, (2, 1), (2, 1))
    assert [lost_move(SEEN, after(WELL, each)) for each in (MOVING, done, turned)] == [None] * 3
    assert lost_move(SEEN, after(WELL)) is None
    assert lost_move(SEEN, after(WELL, given_up)) == "the move of t-1 to brokers 2, 3 was given up"


# How far


def test_a_broker_is_gone_when_others_say_so_or_nobody_listens_or_another_process_does() -> None:
    serving = Glimpse(is_fenced=False, answers=True, refuses=False, pid=7)
    assert not is_gone(7, serving)
    assert not is_gone(None, replace(serving, pid=None))
    assert not is_gone(None, replace(serving, answers=False))
    assert is_gone(None, replace(serving, is_fenced=True))
    assert is_gone(None, replace(serving, answers=False, refuses=True))
    assert is_gone(7, replace(serving, pid=8))
    assert is_gone(7, replace(serving, pid=None))


def test_it_is_back_when_its_successor_is_registered_and_serves() -> None:
    serving = Glimpse(is_fenced=False, answers=True, refuses=False, pid=8)
    assert is_back(7, serving)
    assert is_back(None, replace(serving, pid=None))
    assert not is_back(7, replace(serving, pid=7))
    assert not is_back(7, replace(serving, pid=None))
    assert not is_back(None, replace(serving, is_fenced=True))
    assert not is_back(None, replace(serving, answers=False))


# What is said


def test_a_broker_that_stays_away_is_told_with_how_to_go_on() -> None:
    assert not_back(BROKERS[1], True, 60, [2, 1]) == (
        "broker 2 at h:9002 is not back after 60 s: nothing starts it again: start it, then `odradek cluster restart 1`"
    )
    assert not_back(BROKERS[1], False, 0.5, [2]) == "broker 2 at h:9002 is not back after 0.5 s: start it there"
    assert not_stopped(BROKERS[1], True, 60, [2, 1]) == (
        "broker 2 at h:9002 has not stopped within 60 s of SIGTERM: see its log, then `odradek cluster restart 2 1`"
    )
    assert "was not restarted within 60 s" in not_stopped(BROKERS[1], False, 60, [2])


def test_replicas_that_do_not_get_on_end_the_restart() -> None:
    lacking = troubles(replace(SEEN, partitions=(replace(WELL, isr=(1, 2)),)))
    assert not_well(lacking, 300, [1]) == (
        "t-0 on broker 3 is not in sync, and nothing has changed for 300 s: see `odradek cluster status`, "
        "then `odradek cluster restart 1`"
    )


def test_the_time_left_is_that_of_those_that_are_done() -> None:
    assert time_left_s([], 3, 1.0) is None
    assert time_left_s([10.0, 14.0], 2, 5.0) == 19.0
    assert time_left_s([10.0], 1, 25.0) == 0.0
    assert progress_line(2, 1, 3, "stopping", "") == "broker 2 (1 of 3): stopping"
    assert progress_line(3, 2, 3, "starting", in_words(19)) == "broker 3 (2 of 3): starting, about 19 s left"
    assert done_line(BROKERS[0], 1.26, 3.0, 1) == (
        "broker 1 was away for 1.3 s, everything is in sync after 3.0 s; 1 broker left"
    )
    assert done_line(BROKERS[0], 1.26, 3.0, 0).endswith("after 3.0 s")
