"""Everything aiokafka's AIOKafkaAdminClient can ask of a broker."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic, RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import InvalidPartitionsError

from tests.clients.loop_thread import LoopThread
from tests.clients.vocabulary import Client, Membership, Sent

NO_ERROR, INVALID_CONFIG = 0, 40


class Admin:
    """aiokafka's admin client, every method waits for its result."""

    def __init__(self, loop: LoopThread, client: Any) -> None:
        self._loop, self._client = loop, client

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return lambda *args, **kwargs: self._loop.run(getattr(self._client, name)(*args, **kwargs))


@pytest.fixture(scope="module")
def admin(bootstrap: str) -> Iterator[Admin]:
    loop = LoopThread()

    async def start() -> Any:
        client = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
        await client.start()
        return client

    admin = Admin(loop, loop.run(start()))
    yield admin
    admin.close()
    loop.close()


@pytest.fixture
def writer(clients: dict[str, Client]) -> Client:
    return clients["aiokafka"]


def errors(response: Any) -> list[int]:
    """The error of each topic."""
    topics = response.to_object()
    return [each["error_code"] for each in topics.get("topic_errors") or topics["topic_error_codes"]]


def partitions_of(admin: Admin, topic: str) -> int | None:
    if topic not in admin.list_topics():
        return None
    return len(admin.describe_topics([topic])[0]["partitions"])


def config(admin: Admin, kind: ConfigResourceType, name: str) -> dict[str, str]:
    """Values by key."""
    (response,) = admin.describe_configs([ConfigResource(kind, name)], include_synonyms=True)
    (resource,) = response.to_object()["resources"]
    assert resource["error_code"] == NO_ERROR
    return {entry["config_names"]: entry["config_value"] for entry in resource["config_entries"]}


def test_a_topic_is_made_described_and_deleted(admin: Admin, new_name: Callable[[], str]) -> None:
    topic = new_name()
    assert errors(admin.create_topics([NewTopic(topic, 3, 1, topic_configs={"retention.ms": "1234"})])) == [NO_ERROR]
    assert partitions_of(admin, topic) == 3
    assert config(admin, ConfigResourceType.TOPIC, topic)["retention.ms"] == "1234"
    assert errors(admin.delete_topics([topic])) == [NO_ERROR]
    assert partitions_of(admin, topic) is None


def test_validation_makes_nothing(admin: Admin, new_name: Callable[[], str]) -> None:
    topic = new_name()
    assert errors(admin.create_topics([NewTopic(topic, 3, 1)], validate_only=True)) == [NO_ERROR]
    bad = NewTopic(topic, 3, 1, topic_configs={"retention.ms": "soon"})
    assert errors(admin.create_topics([bad], validate_only=True)) == [INVALID_CONFIG]
    assert partitions_of(admin, topic) is None


def test_replicas_are_placed_as_told(admin: Admin, new_name: Callable[[], str]) -> None:
    topic = new_name()
    assigned = NewTopic(topic, -1, -1, replica_assignments={0: [1], 1: [1]})
    assert errors(admin.create_topics([assigned])) == [NO_ERROR]
    assert partitions_of(admin, topic) == 2


def test_partitions_are_added(admin: Admin, new_topic: Callable[..., str]) -> None:
    topic = new_topic(2)
    assert errors(admin.create_partitions({topic: NewPartitions(4)}, validate_only=True)) == [NO_ERROR]
    assert partitions_of(admin, topic) == 2
    assert errors(admin.create_partitions({topic: NewPartitions(4, [[1], [1]])})) == [NO_ERROR]
    assert partitions_of(admin, topic) == 4
    with pytest.raises(InvalidPartitionsError):
        admin.create_partitions({topic: NewPartitions(3)})


def test_a_topics_configuration_is_replaced(admin: Admin, new_topic: Callable[..., str]) -> None:
    topic = new_topic(segment_ms="5000")
    admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, {"retention.ms": "7000"})])
    found = config(admin, ConfigResourceType.TOPIC, topic)
    assert (found["retention.ms"], found["segment.ms"]) == ("7000", "604800000")


def test_a_brokers_configuration_is_described(admin: Admin) -> None:
    assert config(admin, ConfigResourceType.BROKER, "1")["num.partitions"] == "1"


def test_groups_are_listed_and_described(
    admin: Admin, writer: Client, new_topic: Callable[..., str], new_group: Callable[[], str]
) -> None:
    topic, group = new_topic(2), new_group()
    writer.produce(topic, [Sent(b"x", partition=number % 2) for number in range(4)])
    member = writer.join(Membership(group, (topic,)))
    try:
        seen = 0
        while seen < 4:
            seen += len(member.poll())
        member.commit()
        assert (group, "consumer") in [tuple(found)[:2] for found in admin.list_consumer_groups()]
        (response,) = admin.describe_consumer_groups([group])
        (found,) = response.to_object()["groups"]
        assert (found["state"], len(found["members"])) == ("Stable", 1)
        offsets = admin.list_consumer_group_offsets(group)
        assert {at.partition: position.offset for at, position in offsets.items()} == {0: 2, 1: 2}
        assert admin.find_coordinator(group) == 1
    finally:
        member.close()


def test_records_are_deleted(admin: Admin, writer: Client, new_topic: Callable[..., str]) -> None:
    topic = new_topic()
    writer.produce(topic, [Sent(b"%d" % number) for number in range(10)])
    here = TopicPartition(topic, 0)
    assert admin.delete_records({here: RecordsToDelete(before_offset=7)}) == {here: 7}
    assert [record.value for record in writer.read(topic, 0, offset=7, count=3)] == [b"7", b"8", b"9"]


def test_the_cluster_is_described(admin: Admin, bootstrap: str) -> None:
    cluster = admin.describe_cluster()
    assert [f"{node['host']}:{node['port']}" for node in cluster["brokers"]] == [bootstrap]
    assert cluster["controller_id"] == 1
