from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from kio.schema.errors import ErrorCode

from odradek.wire.fetch import Layout, PartitionResult, assemble, read_request
from odradek.wire.frame import read_request_header
from odradek.wire.produce import NodeEndpoint, TopicKey
from tests.wire.kio_frames import fields_of, module, read_response, request_content

VERSIONS = range(4, 19)
ID = UUID(int=77)


def topic_key(version: int) -> TopicKey:
    return ID if version >= 13 else "topic"


def kio_request(version: int, replica_id: int = -1) -> bytes:
    api = module(1, version, "request")
    partition = fields_of(
        api.FetchPartition, partition=4, current_leader_epoch=6, fetch_offset=1 << 40, last_fetched_epoch=5,
        log_start_offset=12, partition_max_bytes=1 << 20, high_watermark=99,
    )  # fmt: skip
    values: dict[str, Any] = {
        "replica_id": replica_id,
        "max_wait": timedelta(milliseconds=250),
        "min_bytes": 2,
        "max_bytes": 3 << 20,
        "isolation_level": 1,
        "session_id": 1234,
        "session_epoch": 9,
        "topics": (fields_of(api.FetchTopic, topic="topic", topic_id=ID, partitions=(partition,)),),
        "rack_id": "rack",
    }
    if version >= 7:
        forgotten = fields_of(api.ForgottenTopic, topic="topic", topic_id=ID, partitions=(1, 2))
        values["forgotten_topics_data"] = (forgotten,)
    if version >= 12:
        values["cluster_id"] = "cluster"
    if version >= 15:
        values["replica_state"] = api.ReplicaState(replica_id=replica_id, replica_epoch=55)
    return request_content(fields_of(api.FetchRequest, **values))


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("replica_id", [-1, 3])
def test_requests_written_by_kio_are_read(version: int, replica_id: int) -> None:
    content = kio_request(version, replica_id)
    header = read_request_header(content, 0, len(content))
    request = read_request(memoryview(content), header.body, len(content), version)
    assert (request.replica_id, request.max_wait_ms, request.min_bytes) == (replica_id, 250, 2)
    assert (request.max_bytes, request.isolation_level) == (3 << 20, 1)
    assert (request.session_id, request.session_epoch) == ((1234, 9) if version >= 7 else (0, -1))
    assert request.forgotten == ([(topic_key(version), [1, 2])] if version >= 7 else [])
    assert request.rack_id == ("rack" if version >= 11 else "")
    assert request.cluster_id == ("cluster" if version >= 12 else None)
    assert request.replica_epoch == (55 if version >= 15 else -1)
    ((key, (partition,)),) = request.topics
    assert (key, partition.partition, partition.fetch_offset) == (topic_key(version), 4, 1 << 40)
    assert partition.max_bytes == 1 << 20
    assert partition.log_start_offset == (12 if version >= 5 else -1)
    assert partition.current_leader_epoch == (6 if version >= 9 else -1)
    assert partition.last_fetched_epoch == (5 if version >= 12 else -1)


def frame_of(version: int, results: list[tuple[PartitionResult, bytes]], endpoints: list[NodeEndpoint]) -> bytes:
    layout = Layout(version, 3, 0, 88, 1)
    layout.add_topic(topic_key(version), len(results))
    positions = [layout.add_partition(result, len(records)) for result, records in results]
    parts = layout.finish(endpoints)
    buffer = bytearray(layout.size + 4)
    for position, (_, records) in zip(positions, results, strict=True):
        buffer[position : position + len(records)] = records
    assert assemble(parts, memoryview(buffer)) == len(buffer)
    return bytes(buffer)


@pytest.mark.parametrize("version", VERSIONS)
def test_responses_are_read_by_kio_with_the_records_in_their_places(version: int) -> None:
    api = module(1, version, "response")
    results = [
        (PartitionResult(0, 0, 10, 9, 1, [(5, 6)]), b"first records"),
        (PartitionResult(1, 0, 20, 19, 2, []), b""),
        (PartitionResult(2, 0, 30, 29, 3, None, diverging=(4, 400)), b"x" * 500),
        (PartitionResult(3, ErrorCode.not_leader_or_follower, leader=(2, 5)), b""),
    ]
    header, response = read_response(
        frame_of(version, results, [NodeEndpoint(2, "host", 9093, "rack")]), api.FetchResponse
    )
    partitions = response.responses[0].partitions
    assert header.correlation_id == 3
    assert response.throttle_time == timedelta(0)
    assert [each.records for each in partitions] == [b"first records", b"", b"x" * 500, b""]
    assert [each.partition_index for each in partitions] == [0, 1, 2, 3]
    assert [each.high_watermark for each in partitions] == [10, 20, 30, -1]
    assert [each.last_stable_offset for each in partitions] == [9, 19, 29, -1]
    assert partitions[3].error_code is ErrorCode.not_leader_or_follower
    assert [(each.producer_id, each.first_offset) for each in partitions[0].aborted_transactions] == [(5, 6)]
    assert (partitions[1].aborted_transactions, partitions[2].aborted_transactions) == ((), None)
    if version >= 5:
        assert [each.log_start_offset for each in partitions] == [1, 2, 3, -1]
    if version >= 7:
        assert (response.error_code, response.session_id) == (ErrorCode.none, 88)
    if version >= 11:
        assert {each.preferred_read_replica for each in partitions} == {-1}
    if version >= 12:
        assert (partitions[2].diverging_epoch.epoch, partitions[2].diverging_epoch.end_offset) == (4, 400)
        assert (partitions[3].current_leader.leader_id, partitions[3].current_leader.leader_epoch) == (2, 5)
    if version >= 16:
        (node,) = response.node_endpoints
        assert (node.node_id, node.host, node.port, node.rack) == (2, "host", 9093, "rack")


@pytest.mark.parametrize("version", VERSIONS)
def test_a_response_without_topics_is_read_by_kio(version: int) -> None:
    parts = Layout(version, 3, 0, 0, 0).finish()
    buffer = memoryview(bytearray(200))
    frame = bytes(buffer[: assemble(parts, buffer)])
    _, response = read_response(frame, module(1, version, "response").FetchResponse)
    assert response.responses == ()
