"""The hand-written parts of metadata answers read back, by kio, as what was put in."""

from importlib import import_module
from typing import Any
from uuid import UUID

import pytest
from kio.schema.errors import ErrorCode
from kio.serial import entity_reader

from odradek.wire.metadata_codec import (
    NO_OPERATIONS,
    described_partition,
    described_topic,
    described_topics_response,
    metadata_broker,
    metadata_partition,
    metadata_response,
    metadata_topic,
)

TOPIC_ID = UUID(int=0x1234_5678_9ABC_DEF0)
METADATA_VERSIONS = range(14)


def read(api: str, version: int, body: bytes) -> Any:
    module = import_module(f"kio.schema.{api}.v{version}.response")
    camel = "".join(part.capitalize() for part in api.split("_"))
    entity, size = entity_reader(getattr(module, f"{camel}Response"))(body, 0)
    assert size == len(body)
    return entity


def metadata(version: int, *, operations: int = 7) -> Any:
    leader_gone = ErrorCode.leader_not_available
    partitions = (
        metadata_partition(version, 0, 0, 1, 5, (1, 2, 3), (1, 2), (3,)),
        metadata_partition(version, leader_gone, 1, -1, 6, (), (), ()),
    )
    topics = (
        metadata_topic(version, 0, "orders", TOPIC_ID, True, partitions, operations),
        metadata_topic(version, ErrorCode.unknown_topic_or_partition, "nope", UUID(int=0), False, (), NO_OPERATIONS),
    )
    brokers = (
        metadata_broker(version, 1, "one.example", 9092, "rack"),
        metadata_broker(version, 2, "zwei.exämple", 9093, None),
    )
    return read("metadata", version, metadata_response(version, brokers, "cluster", 2, topics, operations))


@pytest.mark.parametrize("version", METADATA_VERSIONS)
def test_every_version_has_brokers_topics_and_partitions(version: int) -> None:
    response = metadata(version)

    assert [(each.node_id, each.host, each.port) for each in response.brokers] == [
        (1, "one.example", 9092),
        (2, "zwei.exämple", 9093),
    ]
    orders, nope = response.topics
    assert (orders.error_code, orders.name) == (ErrorCode.none, "orders")
    assert (nope.error_code, nope.name, nope.partitions) == (ErrorCode.unknown_topic_or_partition, "nope", ())
    healthy, leaderless = orders.partitions
    assert (healthy.error_code, healthy.partition_index, healthy.leader_id) == (ErrorCode.none, 0, 1)
    assert (healthy.replica_nodes, healthy.isr_nodes) == ((1, 2, 3), (1, 2))
    assert (leaderless.error_code, leaderless.leader_id) == (ErrorCode.leader_not_available, -1)


@pytest.mark.parametrize("version", METADATA_VERSIONS)
def test_a_version_has_what_it_brought_and_keeps(version: int) -> None:
    response = metadata(version)
    orders = response.topics[0]
    since: dict[int, list[tuple[Any, str, Any]]] = {
        1: [(response, "controller_id", 2), (response.brokers[0], "rack", "rack"), (orders, "is_internal", True)],
        2: [(response, "cluster_id", "cluster")],
        5: [(orders.partitions[0], "offline_replicas", (3,))],
        7: [(orders.partitions[0], "leader_epoch", 5)],
        8: [(orders, "topic_authorized_operations", 7)],
        10: [(orders, "topic_id", TOPIC_ID)],
        13: [(response, "error_code", ErrorCode.none)],
    }
    for first, expected in since.items():
        for holder, name, value in expected:
            assert hasattr(holder, name) == (version >= first)
            assert version < first or getattr(holder, name) == value
    assert hasattr(response, "cluster_authorized_operations") == (8 <= version <= 10)


def test_a_topic_asked_for_by_an_unknown_id_has_no_name() -> None:
    topic = metadata_topic(12, ErrorCode.unknown_topic_id, None, TOPIC_ID, False, (), NO_OPERATIONS)
    (read_back,) = read("metadata", 12, metadata_response(12, (), None, -1, (topic,))).topics
    assert (read_back.name, read_back.topic_id) == (None, TOPIC_ID)


@pytest.mark.parametrize("cursor", [None, ("orders", 3)])
def test_described_topics_read_back_with_their_cursor(cursor: tuple[str, int] | None) -> None:
    partition = described_partition(2, 1, 5, (1, 2, 3), (1, 2), (3,), (4,), (2,))
    topic = described_topic(0, "orders", TOPIC_ID, False, (partition,), 3576)
    response = read("describe_topic_partitions", 0, described_topics_response((topic,), cursor))

    (orders,) = response.topics
    (described,) = orders.partitions
    assert (orders.name, orders.topic_id, orders.topic_authorized_operations) == ("orders", TOPIC_ID, 3576)
    assert (described.partition_index, described.leader_id, described.leader_epoch) == (2, 1, 5)
    assert (described.replica_nodes, described.isr_nodes) == ((1, 2, 3), (1, 2))
    assert (described.eligible_leader_replicas, described.last_known_elr, described.offline_replicas) == (
        (3,),
        (4,),
        (2,),
    )
    found = response.next_cursor
    assert (None if found is None else (found.topic_name, found.partition_index)) == cursor


def test_a_thousand_partitions_are_all_there() -> None:
    partitions = [metadata_partition(12, 0, index, 1, 0, (1,), (1,), ()) for index in range(1000)]
    topic = metadata_topic(12, 0, "wide", TOPIC_ID, False, partitions, NO_OPERATIONS)
    (wide,) = read("metadata", 12, metadata_response(12, (), "cluster", 1, (topic,))).topics
    assert [each.partition_index for each in wide.partitions] == list(range(1000))
