"""Replicas move without a moment in which fewer are in sync, and what a client asks for is answered as Kafka does."""

from collections.abc import Mapping
from uuid import UUID

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kio.schema.errors import ErrorCode as E

from odradek.cluster.elections import elect, is_electable, to_record
from odradek.cluster.image import BrokerImage, ClusterImage, PartitionImage, TopicImage
from odradek.cluster.reassignments import (
    Reassignment,
    cancelled,
    finished,
    is_reassigning,
    original_replicas,
    plan_reassignment,
    reassigned,
    target_replicas,
)
from odradek.cluster.records import PartitionRecord
from odradek.cluster.results import Refusal
from tests.cluster.clusters import broker, brokers, partition

EVERYBODY = brokers(*(broker(each) for each in range(1, 7)))


def record(
    *replicas: int, isr: tuple[int, ...] | None = None, leader: int | None = None, elr: tuple[int, ...] = (),
    adding: tuple[int, ...] = (), removing: tuple[int, ...] = (), min_isr: int = 1,
) -> PartitionRecord:  # fmt: skip
    """Led by its first replica in broker epoch 1, all in sync, unless said otherwise."""
    members = replicas if isr is None else isr
    led_by = (members[0] if members else -1) if leader is None else leader
    return PartitionRecord(
        replicas, led_by, -1 if led_by < 0 else 1, 5, tuple((each, 1) for each in members),
        tuple((each, 1) for each in elr), adding, removing, min_isr, led_by,
    )  # fmt: skip


def image_with(led: PartitionRecord, known: Mapping[int, BrokerImage] = EVERYBODY) -> ClusterImage:
    topic = TopicImage("t", UUID(int=7), (PartitionImage.of(led, 1),), {}, 1)
    return ClusterImage(brokers=known, topics={"t": topic}, topics_by_id={topic.topic_id: topic})


def planned(
    led: PartitionRecord,
    replicas: tuple[int, ...] | None,
    *,
    topic: str = "t",
    index: int = 0,
    unclean: bool = False,
    may_change_factor: bool = True,
    known: Mapping[int, BrokerImage] = EVERYBODY,
) -> PartitionRecord | Refusal:
    wanted = Reassignment(topic, index, replicas, may_change_factor)
    return plan_reassignment(image_with(led, known), wanted, unclean_allowed=unclean)


def test_new_replicas_come_before_those_that_go() -> None:
    begun = planned(record(1, 2, 3), (4, 2, 5))
    assert begun == record(4, 2, 5, 1, 3, isr=(1, 2, 3), adding=(4, 5), removing=(1, 3))


def test_it_is_done_when_every_replica_of_the_target_is_in_sync() -> None:
    begun = record(4, 2, 1, isr=(1, 2), adding=(4,), removing=(1,))
    assert finished(begun, EVERYBODY) is None
    caught_up = record(4, 2, 1, isr=(1, 2, 4), adding=(4,), removing=(1,))
    done = finished(caught_up, EVERYBODY)
    assert done is not None
    assert (done.replicas, done.isr, done.adding, done.removing) == ((4, 2), ((2, 1), (4, 1)), (), ())
    assert (done.leader, done.leader_epoch) == (4, 6)


def test_a_leader_that_stays_goes_on_in_a_new_epoch_that_the_dropped_ones_never_see() -> None:
    done = finished(record(1, 4, 2, isr=(1, 2, 4), adding=(4,), removing=(2,)), EVERYBODY)
    assert done is not None
    assert (done.leader, done.leader_epoch, done.replicas) == (1, 6, (1, 4))


def test_more_replicas_need_no_new_epoch() -> None:
    done = finished(record(1, 2, isr=(1, 2), adding=(2,)), EVERYBODY)
    assert done is not None
    assert (done.leader, done.leader_epoch, done.replicas, done.adding) == (1, 5, (1, 2), ())


def test_another_order_and_fewer_replicas_are_done_at_once() -> None:
    assert planned(record(1, 2, 3), (3, 2, 1)) == record(3, 2, 1, isr=(1, 2, 3))
    fewer = planned(record(1, 2, 3), (2,))
    assert isinstance(fewer, PartitionRecord)
    assert (fewer.replicas, fewer.isr, fewer.leader, fewer.leader_epoch) == ((2,), ((2, 1),), 2, 6)


def test_a_member_of_the_target_that_lost_its_data_is_waited_for_again() -> None:
    begun = record(4, 1, isr=(1, 4), adding=(4,), removing=(1,))
    again = brokers(broker(1), broker(4, 9))
    assert finished(begun, again) is None
    assert finished(begun, brokers(broker(1), broker(4, fenced=True))) is None


def test_a_newer_target_takes_the_place_of_one_under_way() -> None:
    begun = record(4, 2, 1, isr=(1, 2), adding=(4,), removing=(1,))
    turned = planned(begun, (5, 2))
    assert turned == record(5, 2, 1, 4, isr=(1, 2), adding=(4, 5), removing=(1, 4))
    assert isinstance(turned, PartitionRecord)
    assert (target_replicas(turned), original_replicas(turned)) == ((5, 2), (2, 1))


def test_a_target_that_is_the_original_ends_it() -> None:
    begun = record(4, 2, 1, isr=(1, 2), adding=(4,), removing=(1,))
    back = planned(begun, (1, 2))
    assert isinstance(back, PartitionRecord)
    assert (back.replicas, back.leader, back.leader_epoch, is_reassigning(back)) == ((1, 2), 1, 6, False)


def test_cancelling_goes_back_to_the_original() -> None:
    begun = record(4, 2, 1, isr=(1, 2, 4), leader=4, adding=(4,), removing=(1,))
    back = planned(begun, None)
    assert isinstance(back, PartitionRecord)
    assert (back.replicas, back.isr, back.adding, back.removing) == ((2, 1), ((1, 1), (2, 1)), (), ())
    assert (back.leader, back.leader_epoch) == (2, 6)


def test_cancelling_keeps_eligible_leaders_among_the_original_replicas() -> None:
    begun = record(4, 2, 1, isr=(1,), elr=(2, 4), leader=1, adding=(4,), removing=(1,), min_isr=2)
    back = planned(begun, None)
    assert isinstance(back, PartitionRecord)
    assert (back.replicas, back.isr, back.elr) == ((2, 1), ((1, 1),), ((2, 1),))


def test_cancelling_what_only_new_replicas_hold_would_be_an_unclean_election() -> None:
    begun = record(4, 1, isr=(4,), adding=(4,), removing=(1,))
    message = "Unable to revert partition assignment for t:0 because it would require an unclean leader election."
    assert planned(begun, None) == Refusal(E.invalid_replica_assignment, message)
    back = planned(begun, None, unclean=True)
    assert isinstance(back, PartitionRecord)
    assert (back.replicas, back.isr, back.leader) == ((1,), ((1, 1),), 1)


REFUSED: list[tuple[str, tuple[int, ...] | None, dict[str, object], E, str]] = [
    ("unknown topic", (1,), {"topic": "u"}, E.unknown_topic_or_partition, "Unable to find a topic named u."),
    ("unknown partition", (1,), {"index": 4}, E.unknown_topic_or_partition, "Unable to find partition t:4."),
    ("nothing to cancel", None, {}, E.no_reassignment_in_progress, "No partition reassignment is in progress."),
    ("nobody", (), {}, E.invalid_replica_assignment, "The manual partition assignment includes an empty replica list."),
    (
        "unknown broker", (1, 99), {}, E.invalid_replica_assignment,
        "The manual partition assignment includes broker 99, but no such broker is registered.",
    ),
    (
        "negative broker", (-1, 1), {}, E.invalid_replica_assignment,
        "The manual partition assignment includes broker -1, but no such broker is registered.",
    ),
    (
        "same broker twice", (1, 1), {}, E.invalid_replica_assignment,
        "The manual partition assignment includes the broker 1 more than once.",
    ),
    (
        "another factor", (1, 2), {"may_change_factor": False}, E.invalid_replication_factor,
        "The replication factor is changed from 3 to 2",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("what", "replicas", "options", "error", "message"), REFUSED, ids=[row[0] for row in REFUSED])
def test_what_cannot_be_is_refused_in_kafkas_words(
    what: str, replicas: tuple[int, ...] | None, options: dict[str, object], error: E, message: str
) -> None:
    assert planned(record(1, 2, 3), replicas, **options) == Refusal(error, message)  # type: ignore[arg-type]


def test_the_factor_that_must_stay_is_that_of_the_target_under_way() -> None:
    begun = record(4, 5, 1, 2, isr=(1, 2), adding=(4, 5), removing=(1, 2))
    assert isinstance(planned(begun, (4, 6), may_change_factor=False), PartitionRecord)


def test_a_target_that_is_down_is_waited_for() -> None:
    known = {**EVERYBODY, 4: broker(4, fenced=True)}
    begun = planned(record(1, 2), (1, 4), known=known)
    assert begun == record(1, 4, 2, isr=(1, 2), adding=(4,), removing=(2,))


replica_sets = st.lists(st.integers(1, 6), min_size=1, max_size=4, unique=True).map(tuple)


@st.composite
def partitions(draw: st.DrawFn) -> PartitionRecord:
    """Any partition that is led, on the move or not."""
    replicas = draw(replica_sets)
    isr = tuple(draw(st.lists(st.sampled_from(replicas), min_size=1, unique=True)))
    rest = [each for each in replicas if each not in isr]
    min_isr = draw(st.integers(1, 3))
    elr = tuple(draw(st.lists(st.sampled_from(rest), unique=True))) if rest and len(isr) < min_isr else ()
    led = record(*replicas, isr=isr, leader=draw(st.sampled_from(isr)), elr=elr, min_isr=min_isr)
    return reassigned(led, draw(replica_sets)) if draw(st.booleans()) else led


@st.composite
def situations(draw: st.DrawFn) -> tuple[PartitionRecord, dict[int, BrokerImage]]:
    known = draw(st.lists(st.integers(1, 6), min_size=1, unique=True))
    states = {
        each: broker(each, draw(st.sampled_from([1, 1, 1, 2])), fenced=draw(st.integers(0, 4)) == 0) for each in known
    }
    return draw(partitions()), states


@settings(deadline=None)
@given(partitions(), replica_sets)
def test_beginning_keeps_everybody_and_remembers_the_way_back(before: PartitionRecord, target: tuple[int, ...]) -> None:
    begun = reassigned(before, target)
    assert target_replicas(begun) == target
    assert set(original_replicas(begun)) == set(original_replicas(before))
    assert set(before.replicas) <= set(begun.replicas)
    assert len(set(begun.replicas)) == len(begun.replicas)
    assert (begun.isr, begun.elr, begun.leader, begun.leader_epoch) == (
        before.isr, before.elr, before.leader, before.leader_epoch,
    )  # fmt: skip


@settings(deadline=None)
@given(situations())
def test_nobody_is_dropped_before_the_whole_target_has_everything(
    situation: tuple[PartitionRecord, dict[int, BrokerImage]],
) -> None:
    before, known = situation
    done = finished(before, known)
    if done is None:
        return
    assert done.replicas == target_replicas(before)
    assert {each for each, _ in done.isr} == set(done.replicas)
    assert set(done.isr) <= set(before.isr)
    assert all(is_electable(entry, known) for entry in done.isr)
    assert done.elr == ()
    assert (done.leader, done.leader_broker_epoch) in done.isr
    dropped = set(before.replicas) - set(done.replicas)
    moved = (done.leader, done.leader_broker_epoch) != (before.leader, before.leader_broker_epoch)
    assert done.leader_epoch == before.leader_epoch + bool(dropped or moved)


@settings(deadline=None)
@given(situations())
def test_going_back_keeps_a_replica_with_every_committed_record_or_is_refused(
    situation: tuple[PartitionRecord, dict[int, BrokerImage]],
) -> None:
    before, known = situation
    if not is_reassigning(before):
        return
    back = cancelled(before, known, unclean_allowed=False)
    holders = {each for each, _ in (*before.isr, *before.elr)}
    if back is None:
        assert not holders & set(original_replicas(before))
        return
    assert back.replicas == original_replicas(before)
    assert holders & set(back.replicas)
    assert {each for each, _ in (*back.isr, *back.elr)} <= holders & set(back.replicas)
    assert not back.elr or len(back.isr) < back.min_isr
    assert back.leader == -1 or (back.leader, back.leader_broker_epoch) in back.isr
    assert back.last_leader in (*back.replicas, -1)


@settings(deadline=None)
@given(situations())
def test_elections_and_reassignments_get_along_whatever_order_they_come_in(
    situation: tuple[PartitionRecord, dict[int, BrokerImage]],
) -> None:
    before, known = situation
    election = elect(PartitionImage.of(before, 1), known)
    elected = before if election is None else election.record
    assert (elected.replicas, elected.adding, elected.removing) == (before.replicas, before.adding, before.removing)
    done = finished(elected, known)
    if done is not None:
        assert elect(PartitionImage.of(done, 2), known) is None


def test_a_record_goes_through_the_image_as_it_is() -> None:
    begun = record(4, 2, 1, isr=(1, 2), elr=(4,), adding=(4,), removing=(1,), min_isr=3)
    assert to_record(PartitionImage.of(begun, 3)) == msgspec.structs.replace(begun, op_id="")
    assert partition([1]).adding == ()
