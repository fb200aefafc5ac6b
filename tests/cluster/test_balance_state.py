"""What a plan knows of the cluster comes from the image."""

from uuid import UUID

from odradek.balancing.model import Move, Transfer
from odradek.cluster.balance_state import balance_state
from odradek.cluster.balance_steps import begun, flows, leaders, transferred
from odradek.cluster.ids import uuid_text
from odradek.cluster.image import BrokerImage, ClusterImage, PartitionImage, TopicImage
from odradek.cluster.reassignments import reassigned
from odradek.cluster.records import LoadRecord, PartitionRecord
from tests.cluster.clusters import broker, brokers

TOPIC_ID = UUID(int=9)


def led(*replicas: int, target: tuple[int, ...] | None = None) -> PartitionImage:
    """Led by its first replica, all in sync; on the move when it has a target."""
    record = PartitionRecord(replicas, replicas[0], 1, 5, tuple((each, 1) for each in replicas))
    return PartitionImage.of(record if target is None else reassigned(record, target), 1)


def image(
    *parts: PartitionImage, known: dict[int, BrokerImage] | None = None, drained: str = "", **loads: LoadRecord
) -> ClusterImage:
    topic = TopicImage("t", TOPIC_ID, parts, {}, 1)
    return ClusterImage(
        brokers=brokers(*(broker(each) for each in range(1, 5))) if known is None else known,
        topics={"t": topic},
        topics_by_id={TOPIC_ID: topic},
        configs={("broker", ""): {"odradek.draining.brokers": drained}},
        reassigning={(TOPIC_ID, index): True for index, each in enumerate(parts) if each.adding or each.removing},
        loads={int(name[1:]): load for name, load in loads.items()},
    )


def test_brokers_are_up_draining_and_as_large_as_they_say() -> None:
    known = brokers(broker(1, rack="a"), broker(2, fenced=True), broker(3, draining=True))
    state = balance_state(image(known=known, drained="2,7", b1=LoadRecord(1000, 1, 1, 1)))
    assert [(each.is_up, each.is_draining) for each in state.brokers.values()] == [
        (True, False), (False, True), (False, False),
    ]  # fmt: skip
    assert (state.brokers[1].rack, state.brokers[1].disk_bytes, state.brokers[2].disk_bytes) == ("a", 1000, 0)


def test_large_replicas_have_their_size_and_the_others_their_leaders_mean() -> None:
    one = LoadRecord(0, 0, 130, 4, ((uuid_text(TOPIC_ID), 0, 70),))
    other = LoadRecord(0, 0, 100, 1, ((uuid_text(TOPIC_ID), 0, 100),))
    state = balance_state(image(led(1, 2), led(1, 2), led(3), b1=one, b2=other))
    assert [each.size_bytes for each in state.partitions] == [100, 20, 0]


def test_a_partition_on_the_move_counts_as_arrived() -> None:
    (partition,) = balance_state(image(led(1, 2, target=(3, 2)))).partitions
    assert (partition.replicas, partition.is_moving, partition.leader) == ((3, 2), True, 1)


def move(before: tuple[int, ...], after: tuple[int, ...]) -> Move:
    return Move("t", 0, before, after, 0, "because")


def test_a_planned_move_begins_only_where_everything_is_as_it_was_planned_for() -> None:
    change = begun(image(led(1, 2)), move((1, 2), (1, 3)))
    assert change is not None
    assert (change.election.record.adding, change.election.record.removing) == ((3,), (2,))
    assert begun(image(led(1, 2)), move((2, 1), (2, 3))) is None
    assert begun(image(led(1, 2, target=(4, 2))), move((4, 2, 1), (3, 2, 1))) is None
    assert begun(image(led(1, 2), drained="3"), move((1, 2), (1, 3))) is None
    assert begun(image(led(1, 2), known=brokers(broker(1), broker(3, fenced=True))), move((1, 2), (1, 3))) is None
    assert begun(image(), move((1, 2), (1, 3))) is None


def test_another_order_needs_no_data_and_is_done_when_it_begins() -> None:
    change = begun(image(led(1, 2)), move((1, 2), (2, 1)))
    assert change is not None
    assert (change.election.record.replicas, change.election.record.adding) == ((2, 1), ())
    assert change.election.record.leader == 1


def test_a_transfer_is_an_election_among_those_in_sync() -> None:
    change = transferred(image(led(1, 2)), Transfer("t", 0, 1, 2, "because"))
    assert change is not None
    assert (change.election.record.leader, change.election.record.leader_epoch) == (2, 6)
    assert transferred(image(led(2, 1)), Transfer("t", 0, 1, 2, "because")) is None
    assert transferred(image(led(1, 2)), Transfer("t", 0, 1, 3, "because")) is None


def test_what_is_being_copied_comes_from_the_leader_to_those_that_lack_it() -> None:
    moving = image(led(1, 2, target=(3, 2)), led(2))
    assert flows(moving) == [((3,), 1)]
    assert leaders(moving, [move((1, 2), (3, 2)), Move("gone", 1, (1,), (2,), 0, "because")]) == {
        ("t", 0): 1, ("gone", 1): -1,
    }  # fmt: skip
