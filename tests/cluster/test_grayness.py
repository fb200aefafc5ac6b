"""When a broker asks others to lead, and when it stops asking."""

from typing import get_args
from uuid import UUID

import pytest
from kio.schema.errors import ErrorCode

from odradek.balancing.planner import make_plan
from odradek.cluster.balance_state import balance_state
from odradek.cluster.duties import Rules, decide_duties
from odradek.cluster.grayness import DOUBLINGS_MAX, FORGOTTEN_AFTER, LOOK_S, TOLD, Grayness, Reason, gray_brokers
from odradek.cluster.image import BrokerImage, ClusterImage, PartitionImage, TopicImage
from odradek.cluster.leader_elections import plan_election
from odradek.cluster.results import ElectionType, Refusal
from tests.cluster.clusters import partition

AFTER_S, CALM_S = 5.0, 30.0


class Looks:
    """One look after the other."""

    def __init__(self) -> None:
        self.grayness = Grayness(AFTER_S, CALM_S)
        self.now_s = 100.0

    def __call__(self, *lost: Reason, elapsed_s: float = LOOK_S) -> Reason:
        for each in lost:
            self.now_s += elapsed_s
            self.grayness.look(self.now_s, elapsed_s, each)
        return self.grayness.reason

    def well(self, seconds: float) -> Reason:
        nothing: list[Reason] = [""] * int(seconds)
        return self(*nothing)

    def ill(self) -> Reason:
        """For long enough."""
        lost: list[Reason] = ["disk"] * 5
        return self(*lost)

    def until_well(self) -> float:
        """How long a gray broker has to wait."""
        begun = self.now_s
        while self.grayness.reason:
            self.well(1)
        return self.now_s - begun


@pytest.mark.parametrize("reason", [each for each in get_args(Reason) if each])
def test_time_lost_for_long_enough_makes_a_broker_gray_and_says_why(reason: Reason) -> None:
    looks = Looks()
    assert looks(*[reason] * 4) == ""
    assert looks(reason) == reason
    assert TOLD[reason]


def test_losses_that_lie_apart_do_not_count_together() -> None:
    looks = Looks()
    for _ in range(20):
        assert looks("disk", "", "", "") == ""


def test_half_of_the_time_lost_is_enough() -> None:
    looks = Looks()
    for _ in range(5):
        looks("disk", "")
    assert looks.grayness.reason == "disk"


def test_a_late_look_is_time_lost_to_the_loop() -> None:
    looks = Looks()
    assert looks("", elapsed_s=1.9) == ""
    assert looks("", elapsed_s=7.0) == "loop"


def test_a_loop_that_stands_still_again_and_again_counts_as_one_that_does_for_long() -> None:
    looks = Looks()
    looks("", "", elapsed_s=3.0)
    assert looks("", elapsed_s=3.0) == "loop"


def test_the_reason_is_what_most_was_lost_to() -> None:
    looks = Looks()
    assert looks("peers", "disk", "disk", "peers", "disk") == "disk"


def test_it_is_over_when_nothing_has_been_lost_for_long_enough() -> None:
    looks = Looks()
    looks.ill()
    assert looks.well(CALM_S - 1) == "disk"
    assert looks("disk") == "disk"
    assert looks.well(CALM_S - 1) == "disk"
    assert looks.well(1) == ""


def test_each_time_that_soon_follows_another_lasts_twice_as_long_up_to_a_bound() -> None:
    looks = Looks()
    waits = []
    for _ in range(DOUBLINGS_MAX + 2):
        looks.ill()
        waits.append(looks.until_well())
    assert waits == [CALM_S * 2 ** min(number, DOUBLINGS_MAX) for number in range(DOUBLINGS_MAX + 2)]


def test_after_a_long_time_it_begins_anew() -> None:
    looks = Looks()
    for _ in range(2):
        looks.ill()
        assert looks.until_well() == CALM_S
        looks.well(FORGOTTEN_AFTER * CALM_S)


def image(*brokers: str, parts: tuple[PartitionImage, ...] = ()) -> ClusterImage:
    """Brokers from 1 on: `ok`, `gray`, or `down` (gray when it was last heard of)."""
    topic = TopicImage("t", UUID(int=1), parts, {}, 1)
    return ClusterImage(
        brokers={number: _broker(number, state) for number, state in enumerate(brokers, 1)},
        live={number: 1 for number, state in enumerate(brokers, 1) if state != "down"},
        topics={"t": topic},
    )


def _broker(number: int, state: str) -> BrokerImage:
    return BrokerImage(number, 1, "", (), None, "", -1, state == "down", False, 1, "" if state == "ok" else "disk")


def led(*replicas: int, leader: int) -> PartitionImage:
    """All are in sync."""
    return partition(replicas, leader=(leader, 1), isr=[(each, 1) for each in replicas], last_leader=leader)


@pytest.mark.parametrize(
    ("brokers", "gray"),
    [
        ("ok ok ok", set()),
        ("ok gray ok", {2}),
        ("ok gray gray", set()),
        ("ok gray ok gray", {2, 4}),
        ("gray ok", {1}),
        ("gray", set()),
        ("gray ok down", {1}),
        ("gray down down", set()),
    ],
)
def test_brokers_are_gray_unless_most_are_or_nobody_is_left(brokers: str, gray: set[int]) -> None:
    assert gray_brokers(image(*brokers.split())) == gray


def test_a_gray_leader_is_replaced_where_another_replica_is_in_sync() -> None:
    parts = (led(1, 2, 3, leader=1), led(1, leader=1), led(2, 1, leader=2))
    duties = decide_duties(image("gray", "ok", "ok", parts=parts), Rules(lambda topic: 1, lambda topic: False))
    assert [(each.index, each.election.record.leader) for each in duties.partitions] == [(0, 2)]


def test_nobody_is_replaced_where_most_are_gray() -> None:
    parts = (led(1, 2, 3, leader=1),)
    assert not decide_duties(image("gray", "gray", "ok", parts=parts), Rules(lambda topic: 1, lambda topic: False))


def test_a_gray_broker_does_not_become_the_preferred_leader_before_it_is_well() -> None:
    parts = (led(1, 2, 3, leader=2),)
    refused = plan_election(image("gray", "ok", "ok", parts=parts), ElectionType.PREFERRED, "t", 0)
    assert isinstance(refused, Refusal)
    assert refused.error is ErrorCode.preferred_leader_not_available
    assert not isinstance(plan_election(image("ok", "ok", "ok", parts=parts), ElectionType.PREFERRED, "t", 0), Refusal)


def test_leaderships_go_back_once_a_broker_is_well_and_its_replicas_stay_where_they_are() -> None:
    parts = tuple(led(1, 2, leader=2) for _ in range(4))
    ill, well = (make_plan(balance_state(image(state, "ok", "ok", parts=parts))) for state in ("gray", "ok"))
    assert (ill.transfers, ill.moves, ill.waits_for) == ((), (), (1,))
    assert [each.target for each in well.transfers] == [1] * 4
