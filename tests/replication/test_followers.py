"""The leader's view of its followers: who is in sync, who joins, who leaves, who is counted meanwhile."""

from types import MappingProxyType

import pytest

from odradek.cluster.image import BrokerImage, PartitionImage
from odradek.cluster.records import ReplicaEpochs
from odradek.replication.followers import Followers, FollowerState

LEADER, OWN_EPOCH = 1, 11
EPOCHS = {1: OWN_EPOCH, 2: 12, 3: 13}
LAG_S = 30.0


def broker(broker_id: int, *, epoch: int = 0, fenced: bool = False, draining: bool = False) -> BrokerImage:
    return BrokerImage(broker_id, epoch or EPOCHS[broker_id], "i", (), None, "d", -1, fenced, draining, 1)


BROKERS = MappingProxyType({each: broker(each) for each in EPOCHS})


def image(*isr: int, replicas: tuple[int, ...] = (1, 2, 3), mod_revision: int = 5) -> PartitionImage:
    epochs = tuple(EPOCHS[each] for each in isr)
    return PartitionImage(replicas, (), (), LEADER, OWN_EPOCH, 3, isr, epochs, (), (), 1, LEADER, mod_revision)


def followers(*isr: int, now_s: float = 0.0) -> Followers:
    return Followers(LEADER, image(*isr), now_s)


def fetch(of: Followers, broker_id: int, offset: int, *, end: int, now_s: float = 0.0, epoch: int = 0) -> FollowerState:
    state = of.state_of(broker_id, epoch or EPOCHS[broker_id])
    assert state is not None
    state.fetched(offset, 0, end, now_s)
    return state


def propose(
    of: Followers, *, end: int = 10, high_watermark: int = 5, epoch_start: int = 0, now_s: float = 0.0,
    brokers: "MappingProxyType[int, BrokerImage]" = BROKERS, min_isr: int = 1, gray: tuple[int, ...] = (),
) -> ReplicaEpochs | None:  # fmt: skip
    return of.propose(
        OWN_EPOCH,
        brokers,
        high_watermark=high_watermark,
        epoch_start=epoch_start,
        end_offset=end,
        now_s=now_s,
        lag_s_max=LAG_S,
        min_isr=min_isr,
        gray=gray,
    )


def counted(of: Followers) -> set[int]:
    return {each.broker_id for each in of if each.counted}


def test_the_committed_isr_is_counted_and_nothing_changes_while_all_fetch() -> None:
    all_three = followers(1, 2, 3)
    assert counted(all_three) == {2, 3}
    for each in (2, 3):
        fetch(all_three, each, 10, end=10)
    assert propose(all_three, now_s=1000.0) is None


def test_a_replica_that_reaches_the_high_watermark_joins_in_the_epoch_it_fetched_with() -> None:
    two = followers(1, 2)
    fetch(two, 2, 10, end=10)
    fetch(two, 3, 4, end=10)
    assert propose(two) is None
    fetch(two, 3, 5, end=10)
    assert propose(two) == ((1, 11), (2, 12), (3, 13))
    assert counted(two) == {2, 3}


def test_nobody_joins_below_the_start_of_the_leaders_epoch() -> None:
    """What lies below it may not be the leader's: the high watermark of a new leader can be an old one."""
    alone = followers(1)
    fetch(alone, 2, 7, end=10)
    assert propose(alone, high_watermark=5, epoch_start=8) is None
    fetch(alone, 2, 8, end=10)
    assert propose(alone, high_watermark=5, epoch_start=8) == ((1, 11), (2, 12))


@pytest.mark.parametrize(
    "absent",
    [broker(3, fenced=True), broker(3, draining=True), broker(3, epoch=14)],
    ids=["fenced", "draining", "registered anew"],
)
def test_nobody_joins_whose_broker_is_not_active_in_that_epoch(absent: BrokerImage) -> None:
    two = followers(1, 2)
    fetch(two, 2, 10, end=10)
    fetch(two, 3, 10, end=10)
    assert propose(two, brokers=MappingProxyType({**BROKERS, 3: absent})) is None


def test_an_old_incarnation_and_a_broker_without_the_partition_are_no_replicas() -> None:
    two = followers(1, 2)
    fetch(two, 2, 10, end=10, epoch=20)
    assert two.state_of(2, 12) is None
    assert two.state_of(9, 1) is None


def test_who_lags_too_long_leaves() -> None:
    all_three = followers(1, 2, 3)
    fetch(all_three, 2, 20, end=20, now_s=40.0)
    fetch(all_three, 3, 10, end=10, now_s=5.0)
    assert propose(all_three, end=20, now_s=35.0) is None
    assert propose(all_three, end=20, now_s=35.1) == ((1, 11), (2, 12))
    assert counted(all_three) == {2, 3}, "it is waited for until its leaving is committed"
    all_three.follow(image(1, 2, mod_revision=6), 36.0)
    assert counted(all_three) == {2}


def test_a_replica_that_always_reaches_where_the_log_ended_a_fetch_ago_keeps_up() -> None:
    two = followers(1, 2)
    for second in range(100):
        fetch(two, 2, 10 * second, end=10 * (second + 1), now_s=float(second))
    assert propose(two, end=1001, now_s=100.0) is None


def test_an_idle_partition_stays_in_sync_and_has_the_whole_time_when_it_wakes() -> None:
    two = followers(1, 2)
    fetch(two, 2, 10, end=10, now_s=1.0)
    assert propose(two, end=10, now_s=500.0) is None
    assert propose(two, end=11, now_s=529.0) is None
    assert propose(two, end=11, now_s=530.5) == ((1, 11),)


def test_one_change_is_proposed_at_a_time() -> None:
    two = followers(1, 2)
    fetch(two, 2, 10, end=10)
    fetch(two, 3, 10, end=10)
    assert propose(two) is not None
    assert propose(two) is None
    two.failed(is_certain=True)
    assert counted(two) == {2}
    assert propose(two) is not None


def test_while_nobody_knows_whether_a_change_counts_who_was_to_join_is_counted_until_another_is_written() -> None:
    two = followers(1, 2)
    fetch(two, 2, 10, end=10)
    fetch(two, 3, 10, end=10)
    propose(two)
    two.failed(is_certain=False)
    assert counted(two) == {2, 3}
    gone = MappingProxyType({**BROKERS, 3: broker(3, fenced=True)})
    assert propose(two, brokers=gone) == ((1, 11), (2, 12)), "the same ISR again settles it"
    two.failed(is_certain=True)
    assert counted(two) == {2, 3}, "that refusal says nothing of the first one"
    two.follow(image(1, 2, mod_revision=7), 1.0)
    assert counted(two) == {2}


def test_an_image_without_news_of_the_partition_settles_nothing() -> None:
    two = followers(1, 2)
    fetch(two, 2, 10, end=10)
    fetch(two, 3, 10, end=10)
    propose(two)
    two.follow(image(1, 2), 1.0)
    assert counted(two) == {2, 3}
    assert propose(two) is None


def test_replicas_that_are_assigned_later_begin_unknown_and_those_removed_are_forgotten() -> None:
    two = followers(1, 2)
    fetch(two, 2, 10, end=10)
    two.follow(image(1, 2, replicas=(1, 2), mod_revision=6), 1.0)
    assert [each.broker_id for each in two] == [2]
    two.follow(image(1, 2, mod_revision=7), 2.0)
    assert [(each.broker_id, each.offset, each.counted) for each in two] == [(2, 10, True), (3, -1, False)]


def test_gray_followers_are_not_waited_for_while_enough_others_are_in_sync() -> None:
    all_three = followers(1, 2, 3)
    for each in (2, 3):
        fetch(all_three, each, 10, end=10)
    assert propose(all_three, min_isr=2, gray=(2,)) == ((1, 11), (3, 13))


def test_where_too_few_would_be_left_a_gray_follower_stays() -> None:
    all_three = followers(1, 2, 3)
    for each in (2, 3):
        fetch(all_three, each, 10, end=10)
    assert propose(all_three, min_isr=3, gray=(2,)) is None
    assert propose(all_three, min_isr=2, gray=(2, 3)) == ((1, 11), (2, 12))


def test_a_gray_replica_joins_only_where_it_is_needed() -> None:
    two = followers(1, 2)
    for each in (2, 3):
        fetch(two, each, 10, end=10)
    assert propose(two, min_isr=2, gray=(3,)) is None
    assert counted(two) == {2}
    assert propose(two, min_isr=3, gray=(3,)) == ((1, 11), (2, 12), (3, 13))


def test_a_gray_leader_leads_on_until_others_do() -> None:
    all_three = followers(1, 2, 3)
    for each in (2, 3):
        fetch(all_three, each, 10, end=10)
    assert propose(all_three, gray=(LEADER,)) is None
