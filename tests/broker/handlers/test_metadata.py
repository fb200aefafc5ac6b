"""Metadata: who is asked for, what is created on the way, and paging through partitions."""

from typing import Any

import pytest
from kio.schema.errors import ErrorCode

from tests.support.requests import Address, request, talk
from tests.support.wire_client import WireClient

UNASKED = -(2**31)


def names(response: Any) -> list[str]:
    return sorted(topic.name for topic in response.topics)


@pytest.mark.parametrize(("version", "topics"), [(0, []), (1, None), (9, None), (13, None)])
def test_all_topics_are_asked_for_in_each_versions_own_way(
    broker_address: Address, version: int, topics: list[Any] | None
) -> None:
    async def script(client: WireClient) -> Any:
        await client.create_topics({"all-1": 1, "all-2": 3})
        return await client.request(request("metadata", version, topics=topics))

    response = talk(broker_address, script)
    assert {"all-1", "all-2"} <= set(names(response))
    assert len(response.brokers) == 1


@pytest.mark.parametrize("version", [1, 4, 9, 13])
def test_an_empty_list_asks_for_none_since_version_1(broker_address: Address, version: int) -> None:
    response = talk(broker_address, lambda client: client.request(request("metadata", version, topics=[])))
    assert response.topics == ()
    assert [(each.host, each.port) for each in response.brokers] == [broker_address]


@pytest.mark.parametrize(("version", "allowed"), [(0, True), (3, True), (4, True), (12, True), (12, False)])
def test_asking_for_a_topic_makes_it_if_the_client_allows(broker_address: Address, version: int, allowed: bool) -> None:
    name = f"made-{version}-{allowed}"
    values: dict[str, Any] = {"topics": [{"name": name}]}
    if version >= 4:
        values["allow_auto_topic_creation"] = allowed

    response = talk(broker_address, lambda client: client.request(request("metadata", version, **values)))

    (topic,) = response.topics
    expected = ErrorCode.none if allowed else ErrorCode.unknown_topic_or_partition
    assert (topic.name, topic.error_code, len(topic.partitions)) == (name, expected, 1 if allowed else 0)


def test_a_topic_made_by_asking_takes_records_at_once(broker_address: Address) -> None:
    async def script(client: WireClient) -> Any:
        await client.request(request("metadata", 12, topics=[{"name": "made-to-write"}]))
        return await client.list_offset("made-to-write", 0)

    assert talk(broker_address, script).error_code is ErrorCode.none


def test_a_topic_asked_for_twice_is_told_once(broker_address: Address) -> None:
    asked = request("metadata", 12, topics=[{"name": "twice"}, {"name": "twice"}])
    assert names(talk(broker_address, lambda client: client.request(asked))) == ["twice"]


def test_topics_are_found_by_their_id_whatever_name_is_given_with_it(broker_address: Address) -> None:
    async def script(client: WireClient) -> Any:
        created = await client.create_topics({"by-id": 2})
        topic_id = created.topics[0].topic_id
        return await client.request(request("metadata", 12, topics=[{"name": "other", "topic_id": topic_id}]))

    (topic,) = talk(broker_address, script).topics
    assert (topic.name, len(topic.partitions)) == ("by-id", 2)


@pytest.mark.parametrize(("asked", "of_topic", "of_cluster"), [(False, UNASKED, UNASKED), (True, 3576, 8096)])
def test_authorized_operations_are_told_when_asked_for(
    broker_address: Address, asked: bool, of_topic: int, of_cluster: int
) -> None:
    values = {"include_topic_authorized_operations": asked, "include_cluster_authorized_operations": asked}
    response = talk(
        broker_address, lambda client: client.request(request("metadata", 8, topics=[{"name": "allowed"}], **values))
    )
    assert response.topics[0].topic_authorized_operations == of_topic
    assert response.cluster_authorized_operations == of_cluster


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 2000])
def test_partitions_are_paged_through_without_a_gap(broker_address: Address, limit: int) -> None:
    wanted = {"paged-a": 3, "paged-b": 4}

    async def script(client: WireClient) -> list[tuple[str, int]]:
        await client.create_topics(wanted)
        found: list[tuple[str, int]] = []
        cursor = None
        while True:
            values = {"topics": [{"name": name} for name in wanted], "response_partition_limit": limit}
            page = await client.request(request("describe_topic_partitions", 0, cursor=cursor, **values))
            told = [(topic.name, each.partition_index) for topic in page.topics for each in topic.partitions]
            assert 0 < len(told) <= limit
            found += told
            if page.next_cursor is None:
                return found
            cursor = {"topic_name": page.next_cursor.topic_name, "partition_index": page.next_cursor.partition_index}

    assert talk(broker_address, script) == [(name, index) for name, count in wanted.items() for index in range(count)]
