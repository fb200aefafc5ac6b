"""What the metadata is made of, from reports and an older store."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odradek.cluster.ids import uuid_text
from odradek.cluster.image import ClusterImage, PartitionImage, TopicImage
from odradek.recovery.plan import RecoveryPlan, RecoveryRefusedError, make_plan
from odradek.recovery.report import PartitionReport, Report
from tests.cluster.clusters import broker, brokers, partition

KNOWN, UNKNOWN = UUID(int=7), UUID(int=8)


def image(*parts: PartitionImage, live: tuple[int, ...] = (), name: str = "t") -> ClusterImage:
    topic = TopicImage(name, KNOWN, parts, {}, 1)
    return ClusterImage(
        "cluster",
        brokers=brokers(*(broker(each, 50) for each in (1, 2, 3))),
        live=dict.fromkeys(live, 50),
        topics={name: topic} if parts else {},
        topics_by_id={KNOWN: topic} if parts else {},
        parts={KNOWN: dict(enumerate(parts))} if parts else {},
    )


def has(index: int, epoch: int, end: int, *, topic: str = "t", topic_id: UUID = KNOWN) -> PartitionReport:
    return PartitionReport(topic, uuid_text(topic_id), index, epoch, 0, end)


def report(broker_id: int, *partitions: PartitionReport, revision: int = 400, producer_id: int = -1) -> Report:
    return Report("cluster", broker_id, revision, 90, producer_id, partitions)


def led() -> PartitionImage:
    return partition([1, 2, 3], leader=(1, 50), isr=[(1, 50), (2, 50), (3, 50)], leader_epoch=4, min_isr=2)


def plan(store: ClusterImage, *reports: Report, without: tuple[int, ...] = ()) -> RecoveryPlan:
    return make_plan(store, [], reports, without)


def test_the_log_with_the_latest_epoch_and_then_the_furthest_end_counts() -> None:
    made = plan(image(led()), report(1, has(0, 4, 900)), report(2, has(0, 6, 20)), report(3, has(0, 6, 30)))
    (only,) = made.partitions
    record = only.record
    assert only.best == record.last_leader == 3
    assert (record.leader, record.isr, record.elr, record.replicas) == (-1, (), (), (1, 2, 3))
    assert record.leader_epoch > 6
    assert record.min_isr == 2


def test_an_epoch_of_the_store_that_is_in_no_log_is_not_given_again() -> None:
    (only,) = plan(image(led()), *(report(each, has(0, 1, 5)) for each in (1, 2, 3))).partitions
    assert only.record.leader_epoch > led().leader_epoch


def test_a_move_that_was_lost_is_taken_up_where_the_best_log_is_elsewhere() -> None:
    moved = [report(1), report(2, has(0, 4, 5)), report(3), report(4, has(0, 5, 9))]
    (only,) = plan(image(led()), *moved).partitions
    assert (only.best, only.record.replicas) == (4, (1, 2, 4))


def test_topics_that_the_store_does_not_know_are_made_anew_with_their_ids() -> None:
    logs = [has(index, 2, 10 * index, topic="new", topic_id=UNKNOWN) for index in (0, 2)]
    made = plan(image(led()), report(1, has(0, 4, 1), *logs), report(2, logs[0]), report(3))
    assert dict(made.made) == {UNKNOWN: "new"}
    new = {each.index: each for each in made.partitions if each.topic == "new"}
    assert {index: (each.best, each.record.replicas) for index, each in new.items()} == {
        0: (1, (1, 2)), 1: (-1, (1, 2)), 2: (1, (1,)),
    }  # fmt: skip
    assert [each.index for each in made.empty] == [1]
    assert "its configuration is lost" in " ".join(made.notes)


def test_partitions_that_were_added_since_are_there_again() -> None:
    made = plan(image(led()), report(1, has(0, 4, 1), has(2, 0, 8)), report(2), report(3))
    assert [(each.index, each.best) for each in made.partitions] == [(0, 1), (1, -1), (2, 1)]


def test_of_two_topics_of_one_name_the_one_with_logs_counts() -> None:
    again = has(0, 0, 3, topic="t", topic_id=UNKNOWN)
    made = plan(image(led()), report(1, again), report(2), report(3))
    assert (dict(made.made), dict(made.replaced)) == ({UNKNOWN: "t"}, {KNOWN: "t"})
    assert [each.topic_id for each in made.partitions] == [UNKNOWN]


def test_where_both_have_logs_the_store_decides_and_it_is_told() -> None:
    again = has(0, 0, 3, topic="t", topic_id=UNKNOWN)
    made = plan(image(led()), report(1, again, has(0, 4, 1)), report(2), report(3))
    assert [each.topic_id for each in made.partitions] == [KNOWN]
    assert "set aside" in " ".join(made.notes)


def test_counters_rise_above_all_that_was_seen() -> None:
    made = plan(image(led()), report(1, producer_id=5_300), report(2, revision=4_000), report(3))
    assert made.producer_id > 5_300
    assert made.steps > 4_000
    assert made.epoch_floor > 4_000
    assert dict(made.brokers) == {1: 400, 2: 4_000, 3: 400}


@pytest.mark.parametrize(
    ("store", "reports", "without", "told"),
    [
        (image(led()), (), (), "name the reports"),
        (image(led(), live=(2,)), (1, 2, 3), (), "brokers 2 count as alive"),
        (image(led()), (1, 2), (), "there is no report of broker 3"),
        (image(led()), (1,), (3,), "there is no report of broker 2"),
        (ClusterImage(), (1,), (), "holds no metadata"),
    ],
)
def test_what_cannot_be_complete_is_refused(
    store: ClusterImage, reports: tuple[int, ...], without: tuple[int, ...], told: str
) -> None:
    with pytest.raises(RecoveryRefusedError, match=told):
        plan(store, *(report(each) for each in reports), without=without)


def test_a_broker_that_is_gone_for_good_is_named_and_done_without() -> None:
    (only,) = plan(image(led()), report(1, has(0, 4, 5)), report(2, has(0, 4, 7)), without=(3,)).partitions
    assert only.best == 2


RANKS = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 50)), min_size=3, max_size=3)


@given(RANKS)
def test_nobody_has_more_than_the_one_that_is_to_lead(ranks: list[tuple[int, int]]) -> None:
    reports = [report(broker_id, has(0, *rank)) for broker_id, rank in enumerate(ranks, 1)]
    (only,) = plan(image(led()), *reports).partitions
    assert ranks[only.best - 1] == max(ranks)
    assert only.record.leader_epoch > max(epoch for epoch, _ in ranks)
