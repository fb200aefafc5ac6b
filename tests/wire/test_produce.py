from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from kio.schema.errors import ErrorCode

from odradek.wire.frame import read_request_header
from odradek.wire.produce import (
    NodeEndpoint,
    PartitionResponse,
    TopicKey,
    read_request,
    write_response,
)
from tests.wire.kio_frames import fields_of, module, read_response, request_content

VERSIONS = range(3, 14)
ID = UUID(int=0x1234)
TIME = datetime(2024, 5, 1, tzinfo=UTC)
TIME_MS = 1714521600000


def topic_key(version: int, name: str = "some topic") -> TopicKey:
    return ID if version >= 13 else name


def kio_request(version: int, topics: list[tuple[str, dict[int, bytes | None]]], transactional_id: str | None) -> bytes:
    api = module(0, version, "request")
    data = tuple(
        fields_of(
            api.TopicProduceData,
            name=name,
            topic_id=ID,
            partition_data=tuple(
                api.PartitionProduceData(index=index, records=records) for index, records in partitions.items()
            ),
        )
        for name, partitions in topics
    )
    return request_content(
        api.ProduceRequest(
            transactional_id=transactional_id, acks=-1, timeout=timedelta(milliseconds=1500), topic_data=data
        )
    )


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    "topics",
    [
        [("some topic", {3: b"records"})],
        [("some topic", {3: b""})],
        [("some topic", {3: None})],
        [("some topic", {0: b"a" * 300, 1: b"b"}), ("other", {7: b"c"})],
        [("some topic", {})],
        [],
    ],
    ids=["one", "empty", "null", "many", "no partitions", "no topics"],
)
@pytest.mark.parametrize("transactional_id", [None, "tx"])
def test_requests_written_by_kio_are_read(
    version: int, topics: list[tuple[str, dict[int, bytes | None]]], transactional_id: str | None
) -> None:
    content = kio_request(version, topics, transactional_id)
    header = read_request_header(content, 0, len(content))
    request = read_request(memoryview(content), header.body, len(content), version)
    assert (header.correlation_id, header.client_id) == (7, "client")
    assert (request.transactional_id, request.acks, request.timeout_ms) == (transactional_id, -1, 1500)
    found = [
        (key, {each.partition: None if each.records is None else bytes(each.records) for each in partitions})
        for key, partitions in request.topics
    ]
    assert found == [(topic_key(version, name), partitions) for name, partitions in topics]


@pytest.mark.parametrize("version", VERSIONS)
def test_records_are_views_of_what_was_received(version: int) -> None:
    content = bytearray(kio_request(version, [("t", {0: b"records"})], None))
    header = read_request_header(content, 0, len(content))
    ((_, ((_, records),)),) = read_request(memoryview(content), header.body, len(content), version).topics
    assert records is not None
    records[0:1] = b"R"
    assert b"Records" in content


def kio_topic(version: int, *partitions: Any) -> Any:
    api = module(0, version, "response")
    return fields_of(api.TopicProduceResponse, name="some topic", topic_id=ID, partition_responses=partitions)


@pytest.mark.parametrize("version", VERSIONS)
def test_the_usual_response_is_read_by_kio(version: int) -> None:
    api = module(0, version, "response")
    answer = PartitionResponse(5, 0, 1000, TIME_MS, 17)
    header, response = read_response(write_response(version, 42, [(topic_key(version), [answer])]), api.ProduceResponse)
    expected = fields_of(
        api.PartitionProduceResponse, index=5, error_code=ErrorCode.none, base_offset=1000, log_append_time=TIME,
        log_start_offset=17, record_errors=(), error_message=None,
    )  # fmt: skip
    assert header.correlation_id == 42
    assert response.responses == (kio_topic(version, expected),)
    assert response.throttle_time == timedelta(0)


@pytest.mark.parametrize("version", VERSIONS)
def test_responses_with_everything_in_them_are_read_by_kio(version: int) -> None:
    api = module(0, version, "response")
    failed = PartitionResponse(
        1, ErrorCode.invalid_record, record_errors=[(0, "no key"), (3, None)], error_message="2 records"
    )
    moved = PartitionResponse(2, ErrorCode.not_leader_or_follower, leader_id=9, leader_epoch=300)
    frame = write_response(
        version, 1, [(topic_key(version), [failed, moved])], [NodeEndpoint(9, "host", 9092, None)], throttle_time_ms=20
    )
    _, response = read_response(frame, api.ProduceResponse)
    first, second = response.responses[0].partition_responses
    assert (first.index, first.error_code, first.base_offset) == (1, ErrorCode.invalid_record, -1)
    assert (second.index, second.error_code) == (2, ErrorCode.not_leader_or_follower)
    assert response.throttle_time == timedelta(milliseconds=20)
    if version >= 8:
        errors = [(each.batch_index, each.batch_index_error_message) for each in first.record_errors]
        assert (errors, first.error_message) == ([(0, "no key"), (3, None)], "2 records")
    if version >= 10:
        assert first.current_leader.leader_id == -1
        assert (second.current_leader.leader_id, second.current_leader.leader_epoch) == (9, 300)
        assert [(node.node_id, node.host, node.port) for node in response.node_endpoints] == [(9, "host", 9092)]
