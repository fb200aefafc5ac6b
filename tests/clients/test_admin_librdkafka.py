"""Everything confluent-kafka's AdminClient can ask of a broker."""

from collections.abc import Callable, Iterator
from typing import Any, cast

import pytest
from confluent_kafka import (
    ConsumerGroupState,
    ConsumerGroupTopicPartitions,
    ElectionType,
    IsolationLevel,
    KafkaError,
    KafkaException,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    NewTopic,
    OffsetSpec,
    ResourceType,
)

from tests.clients.vocabulary import Client, Membership, Sent

DEADLINE_S = 30
FROM_TOPIC, FROM_BROKER = 1, 2


@pytest.fixture(scope="module")
def admin(bootstrap: str) -> AdminClient:
    return AdminClient({"bootstrap.servers": bootstrap})


@pytest.fixture
def writer(clients: dict[str, Client]) -> Client:
    return clients["confluent-kafka"]


def only(futures: dict[Any, Any]) -> Any:
    """The result of the only future; raises its error."""
    (future,) = futures.values()
    return future.result(DEADLINE_S)


def partitions_of(admin: AdminClient, topic: str) -> int | None:
    found = admin.list_topics(timeout=DEADLINE_S).topics.get(topic)
    return None if found is None else len(found.partitions)


def described(admin: AdminClient, kind: ResourceType, name: str) -> dict[str, Any]:
    entries: dict[str, Any] = only(admin.describe_configs([ConfigResource(kind, name)]))
    return entries


def change(
    admin: AdminClient, kind: ResourceType, name: str, key: str, value: str | None, how: str, **more: Any
) -> None:
    entry = ConfigEntry(key, value, incremental_operation=AlterConfigOpType[how])
    resource = ConfigResource(kind, name, incremental_configs=[entry])
    only(admin.incremental_alter_configs([resource], **more))


def test_a_topic_is_made_described_and_deleted(admin: AdminClient, new_name: Callable[[], str]) -> None:
    topic = new_name()
    only(admin.create_topics([NewTopic(topic, 3, 1, config={"retention.ms": "1234567"})]))
    description = only(admin.describe_topics(TopicCollection([topic])))
    assert [partition.id for partition in description.partitions] == [0, 1, 2]
    assert [partition.leader.id for partition in description.partitions] == [1, 1, 1]
    assert not description.is_internal
    assert described(admin, ResourceType.TOPIC, topic)["retention.ms"].value == "1234567"
    only(admin.delete_topics([topic]))
    assert partitions_of(admin, topic) is None


def test_validation_makes_nothing(admin: AdminClient, new_name: Callable[[], str]) -> None:
    topic = new_name()
    only(admin.create_topics([NewTopic(topic, 3, 1)], validate_only=True))
    assert partitions_of(admin, topic) is None
    with pytest.raises(KafkaException) as refused:
        only(admin.create_topics([NewTopic(topic, 3, 1, config={"retention.ms": "soon"})], validate_only=True))
    assert refused.value.args[0].code() == KafkaError.INVALID_CONFIG


def test_replicas_are_placed_as_told(admin: AdminClient, new_name: Callable[[], str]) -> None:
    topic = new_name()
    only(admin.create_topics([NewTopic(topic, 2, replica_assignment=[[1], [1]])]))
    assert partitions_of(admin, topic) == 2
    with pytest.raises(KafkaException) as refused:
        only(admin.create_topics([NewTopic(new_name(), 1, replica_assignment=[[7]])]))
    assert refused.value.args[0].code() == KafkaError.INVALID_REPLICA_ASSIGNMENT


def test_partitions_are_added(admin: AdminClient, new_topic: Callable[..., str]) -> None:
    topic = new_topic(2)
    only(admin.create_partitions([NewPartitions(topic, 4)], validate_only=True))
    assert partitions_of(admin, topic) == 2
    only(admin.create_partitions([NewPartitions(topic, 4)]))
    assert partitions_of(admin, topic) == 4
    with pytest.raises(KafkaException) as refused:
        only(admin.create_partitions([NewPartitions(topic, 3)]))
    assert refused.value.args[0].code() == KafkaError.INVALID_PARTITIONS


def test_a_topics_configuration_is_changed_step_by_step(admin: AdminClient, new_topic: Callable[..., str]) -> None:
    topic = new_topic(segment_ms="5000")
    for key, value, how in (
        ("retention.ms", "7000", "SET"),
        ("segment.ms", None, "DELETE"),
        ("cleanup.policy", "compact", "APPEND"),
        ("cleanup.policy", "delete", "SUBTRACT"),
    ):
        change(admin, ResourceType.TOPIC, topic, key, value, how)
    entries = described(admin, ResourceType.TOPIC, topic)
    changed = {key: entry.value for key, entry in entries.items() if entry.source == FROM_TOPIC}
    assert changed == {"retention.ms": "7000", "cleanup.policy": "compact"}
    assert entries["segment.ms"].is_default


def test_a_change_can_be_tried(admin: AdminClient, new_topic: Callable[..., str]) -> None:
    topic = new_topic(segment_ms="5000")
    change(admin, ResourceType.TOPIC, topic, "segment.ms", "6000", "SET", validate_only=True)
    assert described(admin, ResourceType.TOPIC, topic)["segment.ms"].value == "5000"


def test_the_older_way_replaces_a_topics_configuration(admin: AdminClient, new_topic: Callable[..., str]) -> None:
    topic = new_topic(segment_ms="5000")
    replaced = ConfigResource(ResourceType.TOPIC, topic, set_config={"retention.ms": "7000"})
    with pytest.deprecated_call():
        only(admin.alter_configs([replaced]))
    entries = described(admin, ResourceType.TOPIC, topic)
    assert {key for key, entry in entries.items() if entry.source == FROM_TOPIC} == {"retention.ms"}


def test_a_brokers_configuration_changes_while_it_runs(admin: AdminClient, new_topic: Callable[..., str]) -> None:
    topic = new_topic()
    change(admin, ResourceType.BROKER, "1", "log.retention.ms", "7654321", "SET")
    try:
        entry = described(admin, ResourceType.BROKER, "1")["log.retention.ms"]
        assert (entry.value, entry.source) == ("7654321", FROM_BROKER)
        assert described(admin, ResourceType.TOPIC, topic)["retention.ms"].value == "7654321"
    finally:
        change(admin, ResourceType.BROKER, "1", "log.retention.ms", None, "DELETE")
    assert described(admin, ResourceType.TOPIC, topic)["retention.ms"].value == "604800000"


@pytest.fixture
def member(writer: Client, new_topic: Callable[..., str], new_group: Callable[[], str]) -> Iterator[tuple[str, str]]:
    """Topic and group of a stable group with one member, "static", which has committed 2 in each of two partitions."""
    topic, group = new_topic(2), new_group()
    writer.produce(topic, [Sent(b"x", partition=number % 2) for number in range(4)])
    consumer = writer.join(Membership(group, (topic,), instance_id="static"))
    seen = 0
    while seen < 4:
        seen += len(consumer.poll())
    consumer.commit()
    yield topic, group
    consumer.close()


def test_groups_are_listed_and_described(admin: AdminClient, member: tuple[str, str]) -> None:
    topic, group = member
    listed = admin.list_consumer_groups(states={ConsumerGroupState.STABLE}).result(DEADLINE_S)
    assert group in {found.group_id for found in listed.valid}
    assert not listed.errors
    description = only(admin.describe_consumer_groups([group], include_authorized_operations=True))
    assert (description.state, description.partition_assignor) == (ConsumerGroupState.STABLE, "range")
    (only_member,) = description.members
    assert only_member.group_instance_id == "static"
    assert {(each.topic, each.partition) for each in only_member.assignment.topic_partitions} == {
        (topic, 0),
        (topic, 1),
    }
    assert description.coordinator.id == 1
    assert len(description.authorized_operations) > 0


def test_groups_are_listed_the_older_way(admin: AdminClient, member: tuple[str, str]) -> None:
    _, group = member
    with pytest.deprecated_call():
        (found,) = cast(list[Any], admin.list_groups(group, timeout=DEADLINE_S))
    assert (found.id, found.state, found.protocol, len(found.members)) == (group, "Stable", "range", 1)


def test_a_groups_offsets_are_listed(admin: AdminClient, member: tuple[str, str]) -> None:
    topic, group = member
    assert committed(admin, group) == {(topic, 0): 2, (topic, 1): 2}


def committed(admin: AdminClient, group: str) -> dict[tuple[str, int], int]:
    found = only(admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)]))
    return {(each.topic, each.partition): each.offset for each in found.topic_partitions}


def test_a_group_with_members_keeps_its_offsets_and_itself(admin: AdminClient, member: tuple[str, str]) -> None:
    topic, group = member
    moved = ConsumerGroupTopicPartitions(group, [TopicPartition(topic, 0, 1)])
    (partition,) = only(admin.alter_consumer_group_offsets([moved])).topic_partitions
    assert partition.error.code() == KafkaError.UNKNOWN_MEMBER_ID
    with pytest.raises(KafkaException) as refused:
        only(admin.delete_consumer_groups([group]))
    assert refused.value.args[0].code() == KafkaError.NON_EMPTY_GROUP
    assert committed(admin, group) == {(topic, 0): 2, (topic, 1): 2}


def test_offsets_of_an_empty_group_are_moved_and_the_group_deleted(
    admin: AdminClient, new_topic: Callable[..., str], new_group: Callable[[], str]
) -> None:
    topic, group = new_topic(2), new_group()
    moved = ConsumerGroupTopicPartitions(group, [TopicPartition(topic, index, 5 + index) for index in (0, 1)])
    only(admin.alter_consumer_group_offsets([moved]))
    assert committed(admin, group) == {(topic, 0): 5, (topic, 1): 6}
    only(admin.delete_consumer_groups([group]))
    assert committed(admin, group) == {}


def test_records_are_deleted(admin: AdminClient, writer: Client, new_topic: Callable[..., str]) -> None:
    topic = new_topic()
    writer.produce(topic, [Sent(b"%d" % number) for number in range(10)])
    assert only(admin.delete_records([TopicPartition(topic, 0, 7)])).low_watermark == 7
    assert [record.value for record in writer.read(topic, 0, offset=7, count=3)] == [b"7", b"8", b"9"]
    with pytest.raises(KafkaException) as refused:
        only(admin.delete_records([TopicPartition(topic, 0, 11)]))
    assert refused.value.args[0].code() == KafkaError.OFFSET_OUT_OF_RANGE


@pytest.mark.parametrize("isolation", [IsolationLevel.READ_UNCOMMITTED, IsolationLevel.READ_COMMITTED])
def test_offsets_are_found_by_every_specification(
    admin: AdminClient, writer: Client, new_topic: Callable[..., str], isolation: IsolationLevel
) -> None:
    topic, start, spec_of = new_topic(), 1_600_000_000_000, cast(Any, OffsetSpec)
    for timestamp in (start, start + 5000, start + 1000):
        writer.produce(topic, [Sent(b"x", timestamp_ms=timestamp)])
    asked = {
        spec_of.earliest(): 0,
        spec_of.latest(): 3,
        spec_of.max_timestamp(): 1,
        spec_of.for_timestamp(start + 1): 1,
        spec_of.for_timestamp(start + 6000): -1,
    }
    found = {
        spec: only(admin.list_offsets({TopicPartition(topic, 0): spec}, isolation_level=isolation)).offset
        for spec in asked
    }
    assert found == asked


def test_the_cluster_is_described(admin: AdminClient, bootstrap: str) -> None:
    cluster = admin.describe_cluster(include_authorized_operations=True).result(DEADLINE_S)
    assert [f"{node.host}:{node.port}" for node in cluster.nodes] == [bootstrap]
    assert cluster.cluster_id == admin.cluster_id(timeout=DEADLINE_S)
    assert cluster.controller.id == 1
    assert len(cluster.authorized_operations) > 0


@pytest.mark.parametrize("election", [ElectionType.PREFERRED, ElectionType.UNCLEAN])
def test_an_election_of_the_only_replica_is_not_needed(
    admin: AdminClient, new_topic: Callable[..., str], election: ElectionType
) -> None:
    partition = TopicPartition(new_topic(), 0)
    (error,) = admin.elect_leaders(election, [partition]).result(DEADLINE_S).values()
    assert error.code() == KafkaError.ELECTION_NOT_NEEDED
