"""A replica's requests as kio and the leader read them, and its reading of what kio and the leader write."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kio.schema.errors import ErrorCode
from kio.serial import entity_reader

from odradek.wire import fetch
from odradek.wire.errors import MalformedResponseError
from odradek.wire.fetch import Layout, PartitionResult, assemble
from odradek.wire.frame import read_request_header
from odradek.wire.produce import NodeEndpoint, TopicKey
from odradek.wire.replica_fetch import (
    VERSION,
    FetchedPartition,
    FetchResponse,
    Key,
    Limits,
    Position,
    read_response,
    write_request,
)
from tests.wire.kio_frames import fields_of, module, write

FLIGHTS, CREWS = UUID(int=0xF1), UUID(int=0xC2)
POSITIONS: dict[Key, Position] = {
    (FLIGHTS.bytes, 0): Position(3, 1 << 40, 2, 10, 1 << 39),
    (CREWS.bytes, 7): Position(0, 0, -1, 0, 0),
    (FLIGHTS.bytes, 300): Position(1 << 30, 5, 4, 5, 5),
}
FORGOTTEN: list[Key] = [(CREWS.bytes, 1), (FLIGHTS.bytes, 2), (CREWS.bytes, 3)]
LIMITS = Limits(500, 1, 10 << 20, 1 << 20)


def request(positions: dict[Key, Position], forgotten: list[Key]) -> bytes:
    return write_request(77, "broker-2-fetcher-0", (2, 1 << 33), LIMITS, (12, 34), positions, forgotten)


def test_a_request_is_what_kio_reads() -> None:
    frame = request(POSITIONS, FORGOTTEN)
    assert int.from_bytes(frame[:4], "big") == len(frame) - 4
    api = module(1, VERSION, "request")
    header, size = entity_reader(api.FetchRequest.__header_schema__)(frame, 4)
    body, body_size = entity_reader(api.FetchRequest)(frame, 4 + size)
    assert 4 + size + body_size == len(frame)
    assert (header.request_api_key, header.request_api_version, header.correlation_id) == (1, VERSION, 77)
    assert header.client_id == "broker-2-fetcher-0"
    assert (body.max_wait, body.min_bytes, body.max_bytes) == (timedelta(milliseconds=500), 1, 10 << 20)
    assert (body.isolation_level, body.session_id, body.session_epoch, body.rack_id) == (0, 12, 34, "")
    assert (body.replica_state.replica_id, body.replica_state.replica_epoch) == (2, 1 << 33)
    asked = {
        (topic.topic_id.bytes, each.partition): Position(
            each.current_leader_epoch,
            each.fetch_offset,
            each.last_fetched_epoch,
            each.log_start_offset,
            each.high_watermark,
        )
        for topic in body.topics
        for each in topic.partitions
    }
    assert asked == POSITIONS
    assert {each.partition_max_bytes for topic in body.topics for each in topic.partitions} == {1 << 20}
    assert {each.topic_id: each.partitions for each in body.forgotten_topics_data} == {CREWS: (1, 3), FLIGHTS: (2,)}


@pytest.mark.parametrize("forgotten", [[], FORGOTTEN])
@pytest.mark.parametrize("positions", [{}, POSITIONS])
def test_a_request_is_what_the_leader_reads(positions: dict[Key, Position], forgotten: list[Key]) -> None:
    frame = request(positions, forgotten)
    header = read_request_header(frame, 4, len(frame))
    found = fetch.read_request(memoryview(frame), header.body, len(frame), VERSION)
    assert (found.replica_id, found.replica_epoch, found.session_id, found.session_epoch) == (2, 1 << 33, 12, 34)
    assert (found.max_wait_ms, found.min_bytes, found.max_bytes, found.isolation_level) == (500, 1, 10 << 20, 0)
    asked = {(id_of(key), each.partition): each[1:] for key, some in found.topics for each in some}
    assert asked == {key: (*each[:4], 1 << 20) for key, each in positions.items()}
    assert sorted((id_of(key), index) for key, some in found.forgotten for index in some) == sorted(forgotten)


def id_of(key: TopicKey) -> bytes:
    assert isinstance(key, UUID)
    return key.bytes


def kio_response(*, endpoints: bool = False, snapshot: bool = False) -> bytes:
    api = module(1, VERSION, "response")
    aborted = tuple(fields_of(api.AbortedTransaction, producer_id=n, first_offset=n) for n in range(3))
    extra: dict[str, Any] = {"snapshot_id": api.SnapshotId(end_offset=9, epoch=1)} if snapshot else {}
    partitions = (
        partition(api, 0, records=b"first records", aborted_transactions=aborted, **extra),
        partition(api, 1, records=None, aborted_transactions=None),
        partition(api, 2, records=b"", diverging_epoch=api.EpochEndOffset(epoch=4, end_offset=400)),
        partition(
            api, 3, error_code=ErrorCode.fenced_leader_epoch,
            current_leader=api.LeaderIdAndEpoch(leader_id=5, leader_epoch=6),
        ),
    )  # fmt: skip
    topics = (
        api.FetchableTopicResponse(topic_id=FLIGHTS, partitions=partitions),
        api.FetchableTopicResponse(topic_id=CREWS, partitions=(partition(api, 0, records=b"x" * 300),)),
    )
    nodes = (api.NodeEndpoint(node_id=5, host="host", port=9093, rack="rack"),) if endpoints else ()
    entity = api.FetchResponse(
        throttle_time=timedelta(milliseconds=11),
        error_code=ErrorCode.none,
        session_id=88,
        responses=topics,
        node_endpoints=nodes,
    )
    header = api.FetchResponse.__header_schema__(correlation_id=77)
    return write(header) + write(entity)


def partition(api: Any, index: int, **values: Any) -> Any:
    fields = {
        "error_code": ErrorCode.none,
        "high_watermark": 100 + index,
        "last_stable_offset": 50,
        "log_start_offset": index,
        "aborted_transactions": (),
        "records": None,
    }
    return api.PartitionData(partition_index=index, **fields | values)


def shown(response: FetchResponse) -> list[tuple[Any, ...]]:
    return [(UUID(bytes=each.topic_id), *each[1:5], bytes(each.records), *each[6:]) for each in response.partitions]


EXPECTED = [
    (FLIGHTS, 0, 0, 100, 0, b"first records", None, None),
    (FLIGHTS, 1, 0, 101, 1, b"", None, None),
    (FLIGHTS, 2, 0, 102, 2, b"", (4, 400), None),
    (FLIGHTS, 3, ErrorCode.fenced_leader_epoch, 103, 3, b"", None, (5, 6)),
    (CREWS, 0, 0, 100, 0, b"x" * 300, None, None),
]


@pytest.mark.parametrize("snapshot", [False, True])
@pytest.mark.parametrize("endpoints", [False, True])
def test_a_response_written_by_kio_is_read(endpoints: bool, snapshot: bool) -> None:
    response = read_response(memoryview(kio_response(endpoints=endpoints, snapshot=snapshot)), 77)
    assert (response.throttle_ms, response.error_code, response.session_id) == (11, 0, 88)
    assert shown(response) == EXPECTED


def leader_response() -> memoryview:
    """As a broker of this project answers, without its size."""
    layout = Layout(VERSION, 77, 0, 88, 2)
    layout.add_topic(FLIGHTS, 4)
    results = [
        PartitionResult(0, 0, 100, 50, 0, []),
        PartitionResult(1, 0, 101, 50, 1),
        PartitionResult(2, 0, 102, 50, 2, diverging=(4, 400)),
        PartitionResult(3, ErrorCode.fenced_leader_epoch, 103, 50, 3, leader=(5, 6)),
    ]
    records = [b"first records", b"", b"", b""]
    places = [layout.add_partition(result, len(some)) for result, some in zip(results, records, strict=True)]
    layout.add_topic(CREWS, 1)
    places.append(layout.add_partition(PartitionResult(0, 0, 100, 50, 0), 300))
    parts = layout.finish([NodeEndpoint(5, "host", 9093, "rack")])
    frame = bytearray(layout.size + 4)
    for place, some in zip(places, [*records, b"x" * 300], strict=True):
        frame[place : place + len(some)] = some
    assemble(parts, memoryview(frame))
    return memoryview(frame)[4:]


def test_a_response_written_by_the_leader_is_read_and_its_records_are_where_they_were_received() -> None:
    view = leader_response()
    response = read_response(view, 77)
    assert shown(response) == EXPECTED
    assert response.partitions[4].records.obj is view.obj


def test_a_response_with_an_error_has_nothing_else() -> None:
    parts = Layout(VERSION, 3, ErrorCode.fetch_session_id_not_found, 0, 0).finish()
    frame = bytearray(100)
    size = assemble(parts, memoryview(frame))
    response = read_response(memoryview(frame)[4:size], 3)
    assert response == FetchResponse(0, ErrorCode.fetch_session_id_not_found, 0, [])


def test_the_answer_to_another_request_is_refused() -> None:
    with pytest.raises(MalformedResponseError, match="request 77, not 78"):
        read_response(leader_response(), 78)


def test_every_cut_of_a_response_and_anything_behind_it_is_refused() -> None:
    whole = bytes(leader_response())
    for end in range(len(whole)):
        with pytest.raises(MalformedResponseError):
            read_response(memoryview(whole[:end]), 77)
    with pytest.raises(MalformedResponseError):
        read_response(memoryview(whole + b"\x00"), 77)


def read_or_refused(content: bytes) -> list[FetchedPartition]:
    try:
        found = read_response(memoryview(content), int.from_bytes(content[:4], "big", signed=True)).partitions
    except MalformedResponseError:
        return []
    assert sum(len(each.records) for each in found) <= len(content)
    return found


@given(st.binary(max_size=160))
def test_responses_of_any_bytes_are_read_or_refused(content: bytes) -> None:
    read_or_refused(content)


@given(st.booleans(), st.integers(0, 700), st.integers(0, 255), st.integers(0, 700))
def test_responses_with_a_byte_changed_are_read_or_refused(by_kio: bool, position: int, value: int, end: int) -> None:
    content = bytearray(kio_response(endpoints=True, snapshot=True) if by_kio else leader_response())
    content[position % len(content)] = value
    read_or_refused(bytes(content[: end % (len(content) + 1)]))
    read_or_refused(bytes(content))
