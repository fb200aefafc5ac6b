"""Everything kafka-python's KafkaAdminClient can ask of a broker."""

from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import pytest
from kafka import TopicPartition
from kafka import errors as kafka_errors
from kafka.admin import ConfigResource, KafkaAdminClient, MemberToRemove, OffsetSpec
from kafka.structs import OffsetAndMetadata

from odradek.wire.apis import APIS
from tests.clients.vocabulary import Client, Membership, Sent

PREFERRED = 0


@pytest.fixture(scope="module")
def admin(bootstrap: str) -> Iterator[Any]:
    client = KafkaAdminClient(bootstrap_servers=bootstrap)
    yield client
    client.close()


@pytest.fixture
def writer(clients: dict[str, Client]) -> Client:
    return clients["kafka-python"]


def partitions_of(admin: Any, topic: str) -> int | None:
    return len(admin.describe_topics([topic])[0]["partitions"]) if topic in admin.list_topics() else None


def configs(admin: Any, kind: str, name: str, *, modified: bool = True) -> dict[str, Any]:
    """Values by key."""
    chosen = "modified" if modified else "all"
    (found,) = admin.describe_configs([ConfigResource(kind, name)], config_filter=chosen)[kind.lower()].values()
    return {key: entry["value"] for key, entry in found.items()}


def test_a_topic_is_made_described_and_deleted(admin: Any, new_name: Callable[[], str]) -> None:
    topic = new_name()
    admin.create_topics({topic: {"num_partitions": 3, "replication_factor": 1, "configs": {"retention.ms": "1234"}}})
    admin.wait_for_topics([topic])
    (description,) = admin.describe_topics([topic])
    assert [partition["partition_index"] for partition in description["partitions"]] == [0, 1, 2]
    assert configs(admin, "TOPIC", topic) == {"retention.ms": "1234"}
    topic_id = UUID(description["topic_id"])
    assert admin.describe_topics([topic_id])[0]["name"] == topic
    admin.delete_topics([topic_id])
    assert partitions_of(admin, topic) is None


def test_a_topic_is_deleted_by_its_name(admin: Any, new_topic: Callable[..., str]) -> None:
    topic = new_topic()
    admin.delete_topics([topic])
    assert partitions_of(admin, topic) is None
    with pytest.raises(kafka_errors.UnknownTopicOrPartitionError):
        admin.delete_topics([topic])


def test_validation_makes_nothing(admin: Any, new_name: Callable[[], str]) -> None:
    topic = new_name()
    admin.create_topics({topic: {"num_partitions": 3}}, validate_only=True)
    assert partitions_of(admin, topic) is None
    with pytest.raises(kafka_errors.InvalidConfigurationError):
        admin.create_topics({topic: {"configs": {"retention.ms": "soon"}}}, validate_only=True)


def test_replicas_are_placed_as_told(admin: Any, new_name: Callable[[], str]) -> None:
    topic = new_name()
    admin.create_topics({topic: {"assignments": {0: [1], 1: [1]}}})
    assert partitions_of(admin, topic) == 2
    admin.create_partitions({topic: {"count": 3, "assignments": [[1]]}})
    assert partitions_of(admin, topic) == 3
    with pytest.raises(kafka_errors.InvalidReplicationAssignmentError):
        admin.create_topics({new_name(): {"assignments": {0: [7]}}})


def test_partitions_are_added(admin: Any, new_topic: Callable[..., str]) -> None:
    topic = new_topic(2)
    admin.create_partitions({topic: 4}, validate_only=True)
    assert partitions_of(admin, topic) == 2
    admin.create_partitions({topic: 4})
    assert partitions_of(admin, topic) == 4


def test_partitions_are_described_page_by_page(admin: Any, new_topic: Callable[..., str]) -> None:
    topic = new_topic(3)
    first = admin.describe_topic_partitions([topic], response_partition_limit=2)
    assert first["next_cursor"] is not None
    second = admin.describe_topic_partitions([topic], response_partition_limit=2, cursor=first["next_cursor"])
    assert second["next_cursor"] is None


@pytest.mark.parametrize("incremental", [True, False])
def test_a_topics_configuration_is_changed_and_reset(
    admin: Any, new_topic: Callable[..., str], incremental: bool
) -> None:
    topic = new_topic(segment_ms="5000")
    changed = ConfigResource("TOPIC", topic, {"retention.ms": "7000"})
    admin.alter_configs([changed], validate_only=True, incremental=incremental)
    assert configs(admin, "TOPIC", topic) == {"segment.ms": "5000"}
    admin.alter_configs([changed], incremental=incremental)
    assert configs(admin, "TOPIC", topic) == {"segment.ms": "5000", "retention.ms": "7000"}
    admin.reset_configs([ConfigResource("TOPIC", topic, ["segment.ms"])], incremental=incremental)
    assert configs(admin, "TOPIC", topic) == {"retention.ms": "7000"}


def test_words_are_added_to_a_list_and_taken_from_it(admin: Any, new_topic: Callable[..., str]) -> None:
    topic = new_topic()
    for how, word in (("APPEND", "compact"), ("SUBTRACT", "delete")):
        admin.alter_configs([ConfigResource("TOPIC", topic, {"cleanup.policy": (how, word)})])
    assert configs(admin, "TOPIC", topic) == {"cleanup.policy": "compact"}


def test_a_brokers_configuration_changes_while_it_runs(admin: Any, new_topic: Callable[..., str]) -> None:
    topic = new_topic()
    admin.alter_configs([ConfigResource("BROKER", "1", {"log.segment.bytes": "12345678"})])
    try:
        assert configs(admin, "TOPIC", topic, modified=False)["segment.bytes"] == "12345678"
    finally:
        admin.reset_configs([ConfigResource("BROKER", "1", ["log.segment.bytes"])])
    assert configs(admin, "TOPIC", topic, modified=False)["segment.bytes"] == "1073741824"


def test_resources_with_a_configuration_are_listed(admin: Any, new_topic: Callable[..., str]) -> None:
    topic = new_topic()
    found = admin.list_config_resources(["TOPIC", "BROKER"])
    assert topic in str(found)


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


def offsets(admin: Any, group: str) -> dict[tuple[str, int], int]:
    return {(at.topic, at.partition): found.offset for at, found in admin.list_group_offsets(group)[group].items()}


def test_groups_are_listed_and_described(admin: Any, member: tuple[str, str]) -> None:
    topic, group = member
    listed = admin.list_groups(states_filter=["Stable"], types_filter=["classic"])
    assert group in {found["group_id"] for found in listed}
    description = admin.describe_groups([group])[group]
    assert description["group_state"] == "Stable"
    assert [each["group_instance_id"] for each in description["members"]] == ["static"]
    assert offsets(admin, group) == {(topic, 0): 2, (topic, 1): 2}


def test_a_group_with_members_keeps_its_offsets_and_itself(admin: Any, member: tuple[str, str]) -> None:
    topic, group = member
    here = TopicPartition(topic, 0)
    moved = admin.alter_group_offsets(group, {here: OffsetAndMetadata(1, "", -1)})
    assert moved[here] is kafka_errors.UnknownMemberIdError
    assert admin.delete_groups([group])[group] != "OK"
    assert offsets(admin, group) == {(topic, 0): 2, (topic, 1): 2}


def test_a_member_is_removed(admin: Any, member: tuple[str, str]) -> None:
    _, group = member
    removed = admin.remove_group_members(group, [MemberToRemove(group_instance_id="static")])
    assert list(removed.values()) == [kafka_errors.NoError]
    assert admin.describe_groups([group])[group]["members"] == []


def test_offsets_of_an_empty_group_are_moved_reset_and_deleted(
    admin: Any, writer: Client, new_topic: Callable[..., str], new_group: Callable[[], str]
) -> None:
    topic, group = new_topic(2), new_group()
    writer.produce(topic, [Sent(b"x", partition=number % 2) for number in range(6)])
    here, there = TopicPartition(topic, 0), TopicPartition(topic, 1)
    admin.alter_group_offsets(group, {here: OffsetAndMetadata(1, "m", -1), there: OffsetAndMetadata(2, "", -1)})
    assert offsets(admin, group) == {(topic, 0): 1, (topic, 1): 2}
    admin.reset_group_offsets(group, {here: OffsetSpec.LATEST, there: OffsetSpec.EARLIEST})
    assert offsets(admin, group) == {(topic, 0): 3, (topic, 1): 0}
    assert admin.delete_group_offsets(group, [there])[there] is kafka_errors.NoError
    assert offsets(admin, group) == {(topic, 0): 3}
    admin.delete_groups([group])
    assert offsets(admin, group) == {}


def test_records_are_deleted(admin: Any, writer: Client, new_topic: Callable[..., str]) -> None:
    topic = new_topic()
    writer.produce(topic, [Sent(b"%d" % number) for number in range(10)])
    admin.delete_records({TopicPartition(topic, 0): 7})
    assert [record.value for record in writer.read(topic, 0, offset=7, count=3)] == [b"7", b"8", b"9"]
    assert (
        admin.list_partition_offsets({TopicPartition(topic, 0): OffsetSpec.EARLIEST})[TopicPartition(topic, 0)].offset
        == 7
    )


def test_offsets_are_found_by_every_specification(admin: Any, writer: Client, new_topic: Callable[..., str]) -> None:
    topic, start = new_topic(), 1_600_000_000_000
    for timestamp in (start, start + 5000, start + 1000):
        writer.produce(topic, [Sent(b"x", timestamp_ms=timestamp)])
    here = TopicPartition(topic, 0)
    asked = {
        OffsetSpec.EARLIEST: 0, OffsetSpec.LATEST: 3, OffsetSpec.MAX_TIMESTAMP: 1, OffsetSpec.EARLIEST_LOCAL: 0,
        OffsetSpec.LATEST_TIERED: -1, start + 1: 1, start + 6000: -1,
    }  # fmt: skip
    found = {spec: admin.list_partition_offsets({here: spec})[here].offset for spec in asked}
    assert found == asked


def test_the_cluster_is_described(admin: Any, bootstrap: str) -> None:
    cluster = admin.describe_cluster()
    assert [f"{node['host']}:{node['port']}" for node in cluster["brokers"]] == [bootstrap]
    assert cluster["controller_id"] == 1


def test_versions_and_features_are_told(admin: Any) -> None:
    assert {int(key): versions for key, versions in admin.api_versions().items()} == {
        api.key: (api.min_version, api.max_version) for api in APIS
    }
    assert admin.describe_features() == {}


def test_directories_and_their_partitions_are_described(
    admin: Any, writer: Client, new_topic: Callable[..., str]
) -> None:
    topic = new_topic(2)
    writer.produce(topic, [Sent(b"x" * 1000, partition=1)])
    (of_broker,) = admin.describe_log_dirs({topic: [0, 1]})
    sizes = {
        partition["partition_index"]: partition["partition_size"]
        for directory in of_broker["log_dirs"]
        for each in directory["topics"]
        for partition in each["partitions"]
    }
    assert sizes[0] == 0
    assert sizes[1] > 1000


def test_an_election_of_the_only_replica_is_not_needed(admin: Any, new_topic: Callable[..., str]) -> None:
    topic = new_topic()
    response = admin.elect_leaders(PREFERRED, {topic: [0]})
    (result,) = response.replica_election_results[0].partition_result
    assert result.error_code == kafka_errors.ElectionNotNeededError.errno


def test_producers_are_described(admin: Any, writer: Client, new_topic: Callable[..., str]) -> None:
    topic = new_topic()
    writer.produce(topic, [Sent(b"%d" % number) for number in range(5)], idempotent=True)
    (state,) = admin.describe_producers([TopicPartition(topic, 0)])[TopicPartition(topic, 0)].active_producers
    assert (state.producer_epoch, state.last_sequence) == (0, 4)
