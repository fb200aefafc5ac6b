"""Which replica a consumer is sent to (KIP-392)."""

import pytest

from odradek.cluster.image import BrokerImage
from odradek.replication.followers import FollowerState
from odradek.replication.nearest import nearest_replica
from tests.cluster.clusters import broker, brokers

LEADER = broker(1, rack="a")


def follower(broker_id: int, offset: int, *, start: int = 0, caught_up_s: float = 0.0) -> FollowerState:
    state = FollowerState(broker_id, offset, caught_up_s=caught_up_s)
    state.log_start_offset = start
    return state


def nearest(rack: str, offset: int, *followers: FollowerState, others: tuple[BrokerImage, ...] = ()) -> int | None:
    known = others or (broker(2, rack="b"), broker(3, rack="b"))
    return nearest_replica(rack, offset, 1, followers, brokers(LEADER, *known))


def test_a_consumer_reads_from_its_own_rack() -> None:
    assert nearest("b", 5, follower(2, 9)) == 2
    assert nearest("a", 5, follower(2, 9)) is None


@pytest.mark.parametrize("rack", ["", "c"])
def test_without_a_rack_or_a_replica_in_it_the_leader_is_read(rack: str) -> None:
    assert nearest(rack, 5, follower(2, 9)) is None


def test_a_replica_without_the_offset_is_not_chosen() -> None:
    assert nearest("b", 10, follower(2, 9)) is None
    assert nearest("b", 5, follower(2, 9, start=6)) is None
    assert nearest("b", 0, follower(2, -1, start=-1)) is None


def test_of_several_the_one_that_has_most_and_was_last_up_to_date() -> None:
    assert nearest("b", 5, follower(2, 8), follower(3, 9)) == 3
    assert nearest("b", 5, follower(2, 9, caught_up_s=7.0), follower(3, 9, caught_up_s=3.0)) == 2


@pytest.mark.parametrize("absent", [broker(2, rack="b", fenced=True), broker(2, rack="b", draining=True)])
def test_a_broker_that_is_not_there_is_not_chosen(absent: BrokerImage) -> None:
    assert nearest("b", 5, follower(2, 9), others=(absent,)) is None
