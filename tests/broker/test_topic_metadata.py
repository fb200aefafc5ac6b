"""What clients are told of topics, from images of clusters in good and bad shape, and when it is told anew."""

from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from kio.schema.errors import ErrorCode

from odradek.broker.topic_metadata import TopicMetadata, controller_id, describe_partition, reachable_brokers
from odradek.cluster.image import BrokerImage, ClusterImage, PartitionImage, TopicImage
from odradek.cluster.records import Endpoint
from odradek.wire.metadata_codec import NO_OPERATIONS, described_topic, described_topics_response
from tests.wire.test_metadata_codec import read

INSIDE = "PLAINTEXT"


def broker(broker_id: int, *, fenced: bool = False, listener: str = INSIDE) -> BrokerImage:
    endpoints = (Endpoint(listener, f"host{broker_id}", 9092),)
    return BrokerImage(broker_id, 1, "i", endpoints, None, "", -1, fenced, False, 1)


def partition(leader: int, replicas: tuple[int, ...] = (1, 2), isr: tuple[int, ...] = (1, 2)) -> PartitionImage:
    epochs = tuple(1 for _ in isr)
    return PartitionImage(replicas, (), (), leader, 1, 4, isr, epochs, (), (), 1, -1, 1)


def topic(name: str, *partitions: PartitionImage, number: int = 1) -> TopicImage:
    return TopicImage(name, UUID(int=number), partitions, {}, 1)


def cluster(brokers: list[BrokerImage], *topics: TopicImage, controller: int = -1) -> ClusterImage:
    return ClusterImage(
        cluster_id="c",
        controller_id=controller,
        brokers={each.broker_id: each for each in brokers},
        topics={each.name: each for each in topics},
        topics_by_id={each.topic_id: each for each in topics},
    )


def told(image: ClusterImage, version: int = 12) -> Any:
    """The answer to "all topics"."""
    return read("metadata", version, TopicMetadata(lambda: image).all_topics(version, INSIDE, -1, NO_OPERATIONS))


def test_a_partition_in_good_shape_has_a_leader_and_nobody_offline() -> None:
    (described,) = told(cluster([broker(1), broker(2)], topic("t", partition(leader=2)))).topics[0].partitions
    assert (described.error_code, described.leader_id, described.leader_epoch) == (ErrorCode.none, 2, 4)
    assert (described.replica_nodes, described.isr_nodes, described.offline_replicas) == ((1, 2), (1, 2), ())


@pytest.mark.parametrize("leader", [-1, 2])
def test_without_a_live_leader_the_client_is_told_to_wait(leader: int) -> None:
    image = cluster([broker(1), broker(2, fenced=True)], topic("t", partition(leader)))
    (described,) = told(image).topics[0].partitions
    assert (described.error_code, described.leader_id) == (ErrorCode.leader_not_available, -1)
    assert described.offline_replicas == (2,)


@pytest.mark.parametrize(("version", "error"), [(5, "leader_not_available"), (6, "listener_not_found")])
def test_a_leader_without_the_listener_has_its_own_error_since_version_6(version: int, error: str) -> None:
    image = cluster([broker(1), broker(2, listener="OTHER")], topic("t", partition(leader=2)))
    (described,) = told(image, version).topics[0].partitions
    assert described.error_code.name == error


def test_version_0_leaves_out_replicas_that_are_away() -> None:
    image = cluster([broker(1), broker(2, fenced=True)], topic("t", partition(leader=1)))
    (described,) = told(image, 0).topics[0].partitions
    assert (described.error_code, described.leader_id) == (ErrorCode.replica_not_available, 1)
    assert (described.replica_nodes, described.isr_nodes) == ((1,), (1,))


def test_internal_topics_are_flagged() -> None:
    image = cluster([broker(1)], topic("__consumer_offsets", number=1), topic("orders", number=2))
    assert {each.name: each.is_internal for each in told(image).topics} == {"__consumer_offsets": True, "orders": False}


def test_fenced_brokers_are_not_offered_to_clients() -> None:
    image = cluster([broker(2), broker(1, fenced=True)])
    assert [each.node_id for each in told(image).brokers] == [2]
    assert [each.broker_id for each, _, _ in reachable_brokers(image, INSIDE, include_fenced=True)] == [1, 2]


@pytest.mark.parametrize(("controller", "told_id"), [(2, 2), (3, 1), (9, 1)])
def test_the_controller_is_one_that_clients_can_reach(controller: int, told_id: int) -> None:
    image = cluster([broker(1), broker(2), broker(3, fenced=True)], controller=controller)
    assert controller_id(image, INSIDE) == told_id
    assert controller_id(cluster([]), INSIDE) == -1


class Holder:
    """Stands for the cluster: an image that changes."""

    def __init__(self, image: ClusterImage) -> None:
        self.image = image
        self.metadata = TopicMetadata(lambda: self.image)

    def leaders(self) -> list[int]:
        body = self.metadata.all_topics(12, INSIDE, -1, NO_OPERATIONS)
        return [each.leader_id for found in read("metadata", 12, body).topics for each in found.partitions]


def test_an_answer_is_made_once_for_each_image() -> None:
    holder = Holder(cluster([broker(1), broker(2)], topic("t", partition(leader=1))))
    first = holder.metadata.all_topics(12, INSIDE, -1, NO_OPERATIONS)
    assert holder.metadata.all_topics(12, INSIDE, -1, NO_OPERATIONS) is first
    assert holder.metadata.all_topics(13, INSIDE, -1, NO_OPERATIONS) != first


def test_a_new_leader_is_told_at_once() -> None:
    holder = Holder(cluster([broker(1), broker(2)], topic("t", partition(leader=1))))
    assert holder.leaders() == [1]
    changed = topic("t", partition(leader=2))
    holder.image = replace(holder.image, topics={"t": changed}, topics_by_id={changed.topic_id: changed})
    assert holder.leaders() == [2]


def test_a_broker_that_is_fenced_takes_its_leaderships_out_of_answers_already_made() -> None:
    holder = Holder(cluster([broker(1), broker(2)], topic("t", partition(leader=1))))
    assert holder.leaders() == [1]
    holder.image = replace(holder.image, brokers={1: broker(1, fenced=True), 2: broker(2)})
    assert holder.leaders() == [-1]


def test_topics_that_come_and_go_do_not_pile_up() -> None:
    holder = Holder(cluster([broker(1)]))
    for number in range(1, 500):
        each = topic("t", partition(leader=1), number=number)
        holder.image = replace(holder.image, topics={"t": each}, topics_by_id={each.topic_id: each})
        holder.leaders()
    assert sum(len(kept) for kept in holder.metadata._topics.values()) <= 4


def test_who_led_a_partition_without_leader_is_its_last_known_eligible_replica() -> None:
    registered = [broker(1, fenced=True), broker(2, fenced=True), broker(3)]
    orphan = PartitionImage((3, 2, 1), (3,), (1,), -1, -1, 4, (), (), (1,), (1,), 2, 2, 1)
    image = cluster(registered, topic("t", orphan), controller=3)
    topics = [described_topic(0, "t", UUID(int=1), False, [describe_partition(image, 0, orphan, INSIDE)], -1)]
    response = read("describe_topic_partitions", 0, described_topics_response(topics, None))
    (described,) = response.topics[0].partitions
    assert (described.leader_id, described.replica_nodes, described.isr_nodes) == (-1, (3, 2, 1), ())
    assert (described.eligible_leader_replicas, described.last_known_elr) == ((1,), (2,))
    assert described.offline_replicas == (2, 1)
    led = partition(leader=3, replicas=(3, 2), isr=(3,))
    topics = [described_topic(0, "t", UUID(int=1), False, [describe_partition(image, 0, led, INSIDE)], -1)]
    (described,) = read("describe_topic_partitions", 0, described_topics_response(topics, None)).topics[0].partitions
    assert described.last_known_elr == ()


def test_replicas_on_the_move_are_replicas() -> None:
    moving = PartitionImage((2, 1), (2,), (1,), 1, 1, 4, (1,), (1,), (), (), 1, 1, 1)
    (described,) = told(cluster([broker(1), broker(2)], topic("t", moving))).topics[0].partitions
    assert (described.replica_nodes, described.isr_nodes, described.offline_replicas) == ((2, 1), (1,), ())
