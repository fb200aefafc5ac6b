"""Topics are created, grown, described and deleted."""

from typing import Any
from uuid import UUID

import pytest
from kio.schema.errors import ErrorCode

from tests.support.requests import Address, request, talk
from tests.support.wire_client import WireClient


def creation(name: str, **more: Any) -> Any:
    validate_only = more.pop("validate_only", False)
    topic = {"name": name, "num_partitions": -1, "replication_factor": -1, **more}
    return request("create_topics", 7, topics=[topic], validate_only=validate_only)


async def partitions_of(client: WireClient, name: str) -> int:
    (topic,) = (await client.metadata([name])).topics
    return len(topic.partitions)


def test_a_created_topic_is_told_with_its_configuration(broker_address: Address) -> None:
    created = creation("told", configs=[{"name": "retention.ms", "value": "1000"}])
    (topic,) = talk(broker_address, lambda client: client.request(created)).topics

    configs = {config.name: (config.value, config.config_source) for config in topic.configs}
    assert (topic.error_code, topic.num_partitions, topic.replication_factor) == (ErrorCode.none, 1, 1)
    assert topic.topic_id is not None
    assert configs["retention.ms"] == ("1000", 1)
    assert configs["segment.bytes"] == ("1073741824", 5)
    assert list(configs) == sorted(configs)


def test_a_topic_is_made_with_the_replicas_it_is_given(broker_address: Address) -> None:
    async def script(client: WireClient) -> int:
        given = [{"partition_index": index, "broker_ids": [1]} for index in range(3)]
        await client.request(creation("given", assignments=given))
        return await partitions_of(client, "given")

    assert talk(broker_address, script) == 3


def test_validation_alone_creates_nothing(broker_address: Address) -> None:
    async def script(client: WireClient) -> tuple[Any, Any]:
        validated = await client.request(creation("imagined", num_partitions=4, validate_only=True))
        return validated.topics[0], (await client.metadata(["imagined"])).topics[0]

    validated, found = talk(broker_address, script)
    assert (validated.error_code, validated.num_partitions) == (ErrorCode.none, 4)
    assert found.error_code is ErrorCode.unknown_topic_or_partition


def test_a_topic_grows_and_validation_alone_does_not_grow_it(broker_address: Address) -> None:
    def growth(count: int, *, validate_only: bool) -> Any:
        topics = [{"name": "growing", "count": count, "assignments": None}]
        return request("create_partitions", 3, topics=topics, validate_only=validate_only)

    async def script(client: WireClient) -> list[int]:
        await client.create_topics({"growing": 1})
        await client.request(growth(5, validate_only=True))
        before = await partitions_of(client, "growing")
        await client.request(growth(3, validate_only=False))
        return [before, await partitions_of(client, "growing")]

    assert talk(broker_address, script) == [1, 3]


@pytest.mark.parametrize("by", ["name", "id"])
def test_a_deleted_topic_is_gone_and_its_name_can_be_used_again(broker_address: Address, by: str) -> None:
    name = f"deleted-by-{by}"

    async def script(client: WireClient) -> tuple[Any, ErrorCode, UUID, UUID]:
        first = (await client.create_topics({name: 1})).topics[0].topic_id
        topic = {"name": name} if by == "name" else {"name": None, "topic_id": first}
        deleted = await client.request(request("delete_topics", 6, topics=[topic]))
        found = (await client.metadata([name])).topics[0].error_code
        second = (await client.create_topics({name: 1})).topics[0].topic_id
        return deleted.responses[0], found, first, second

    deleted, found, first, second = talk(broker_address, script)
    assert (deleted.name, deleted.topic_id, deleted.error_code) == (name, first, ErrorCode.none)
    assert found is ErrorCode.unknown_topic_or_partition
    assert first != second


def test_a_topic_asked_for_by_name_and_by_id_at_once_stays(broker_address: Address) -> None:
    async def script(client: WireClient) -> tuple[Any, int]:
        topic_id = (await client.create_topics({"two-ways": 2})).topics[0].topic_id
        topics = [{"name": "two-ways"}, {"name": None, "topic_id": topic_id}]
        deleted = await client.request(request("delete_topics", 6, topics=topics))
        return deleted, await partitions_of(client, "two-ways")

    deleted, partitions = talk(broker_address, script)
    (refused,) = deleted.responses
    assert refused.error_message == "The provided topic name maps to an ID that was already supplied."
    assert partitions == 2


def test_log_directories_tell_what_each_partition_takes(broker_address: Address) -> None:
    async def script(client: WireClient) -> Any:
        await client.create_topics({"sized": 2, "unasked": 1})
        topics = [{"topic": "sized", "partitions": [0, 1, 99]}]
        return await client.request(request("describe_log_dirs", 5, topics=topics))

    response = talk(broker_address, script)
    (directory,) = response.results
    (topic,) = directory.topics
    assert (directory.error_code, directory.is_cordoned) == (ErrorCode.none, False)
    assert 0 < directory.usable_bytes <= directory.total_bytes
    assert topic.name == "sized"
    assert [(each.partition_index, each.partition_size, each.is_future_key) for each in topic.partitions] == [
        (0, 0, False),
        (1, 0, False),
    ]


def test_an_election_of_everything_names_no_partition_that_needs_none(broker_address: Address) -> None:
    async def script(client: WireClient) -> Any:
        await client.create_topics({"led": 2})
        return await client.request(request("elect_leaders", 2, topic_partitions=None))

    response = talk(broker_address, script)
    assert response.error_code is ErrorCode.none
    assert {each.topic: each.partition_result for each in response.replica_election_results}["led"] == ()
