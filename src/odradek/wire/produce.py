"""Produce (API 0), versions 3 to 13, by hand: kio's writer alone would cost more than the append.

Version 5 adds the log start offset to the response, 8 record errors and an error message, 9 is flexible, 10 adds the
current leader and node endpoints as tagged fields (KIP-951), 13 replaces topic names by topic ids (KIP-516).

Records are views of the buffer they were read from, valid as long as it is not read into again. Most requests are for
one partition and have a shorter way: `plain_produce`.
"""

from collections.abc import Sequence
from struct import Struct
from typing import NamedTuple
from uuid import UUID

from odradek.wire.errors import MalformedRequestError
from odradek.wire.primitives import (
    INT32,
    checked_end,
    read_array,
    read_array_size,
    read_nullable_string,
    read_string,
    read_uuid,
    skip_tagged_fields,
    write_array_size,
    write_nullable_string,
    write_string,
    write_unsigned_varint,
)

FIRST_FLEXIBLE = 9
FIRST_WITH_TOPIC_IDS = 13
FIRST_WITH_LEADERS = 10

PARTITIONS_MAX = 10_000
"""Of one request, topics counted too. More than producers fill with batches; few enough to be served in one go."""

TopicKey = str | UUID
"""A topic's name, or its id from version 13 on."""

_ACKS_TIMEOUT = Struct(">hi")
_INDEX = Struct(">i")

_RESULT = Struct(">ihqq")
_START = Struct(">q")
_LEADER = Struct(">bbbiib")


class PartitionData(NamedTuple):
    """One partition's records: as a rule one batch. None when the client sent null."""

    partition: int
    records: memoryview | None


class ProduceRequest(NamedTuple):
    """`topics`: what to append, in the order sent. `acks` is -1 for all in-sync replicas, 0 for no answer, or 1."""

    transactional_id: str | None
    acks: int
    timeout_ms: int
    topics: list[tuple[TopicKey, list[PartitionData]]]


class PartitionResponse(NamedTuple):
    """What one partition answers; `leader_id` and `leader_epoch` are sent with NOT_LEADER_OR_FOLLOWER."""

    partition: int
    error_code: int
    base_offset: int = -1
    log_append_time_ms: int = -1
    log_start_offset: int = -1
    record_errors: Sequence[tuple[int, str | None]] = ()
    error_message: str | None = None
    leader_id: int = -1
    leader_epoch: int = -1


class NodeEndpoint(NamedTuple):
    """Where a leader is reached (KIP-951)."""

    node_id: int
    host: str
    port: int
    rack: str | None


def read_request(view: memoryview, position: int, end: int, version: int) -> ProduceRequest:
    """The body in view[position:end]. Raises MalformedRequestError."""
    flexible = version >= FIRST_FLEXIBLE
    transactional_id, position = read_nullable_string(view, position, end, flexible)
    after = checked_end(position, _ACKS_TIMEOUT.size, end)
    acks, timeout_ms = _ACKS_TIMEOUT.unpack_from(view, position)
    count, position = read_array(view, after, end, flexible, 3)
    topics: list[tuple[TopicKey, list[PartitionData]]] = []
    left = _left_of(PARTITIONS_MAX, count)
    for _ in range(count):
        key: TopicKey
        if version >= FIRST_WITH_TOPIC_IDS:
            key, position = read_uuid(view, position, end)
        else:
            key, position = read_string(view, position, end, flexible)
        partitions, position = _read_partitions(view, position, end, flexible, left)
        left -= len(partitions)
        topics.append((key, partitions))
    if flexible:
        skip_tagged_fields(view, position, end)
    return ProduceRequest(transactional_id, acks, timeout_ms, topics)


def _left_of(allowed: int, count: int) -> int:
    if count > allowed:
        raise MalformedRequestError(f"a produce request for more than {PARTITIONS_MAX} partitions")
    return allowed - count


def _read_partitions(
    view: memoryview, position: int, end: int, flexible: bool, allowed: int
) -> tuple[list[PartitionData], int]:
    count, position = read_array(view, position, end, flexible, 6)
    _left_of(allowed, count)
    partitions = []
    for _ in range(count):
        after = checked_end(position, _INDEX.size, end)
        (index,) = _INDEX.unpack_from(view, position)
        records, position = _read_records(view, after, end, flexible)
        partitions.append(PartitionData(index, records))
        if flexible:
            position = skip_tagged_fields(view, position, end)
    if flexible:
        position = skip_tagged_fields(view, position, end)
    return partitions, position


def _read_records(view: memoryview, position: int, end: int, flexible: bool) -> tuple[memoryview | None, int]:
    size, position = read_array_size(view, position, end, flexible)
    if size < -1:
        raise MalformedRequestError(f"records of {size} bytes")
    if size == -1:
        return None, position
    after = checked_end(position, size, end)
    return view[position:after], after


def write_response(
    version: int,
    correlation_id: int,
    topics: Sequence[tuple[TopicKey, Sequence[PartitionResponse]]],
    endpoints: Sequence[NodeEndpoint] = (),
    throttle_time_ms: int = 0,
) -> bytes:
    """The whole frame."""
    flexible = version >= FIRST_FLEXIBLE
    parts = [INT32.pack(correlation_id), b"\x00" if flexible else b"", write_array_size(len(topics), flexible)]
    for key, partitions in topics:
        parts.append(key.bytes if isinstance(key, UUID) else write_string(key, flexible))
        parts.append(write_array_size(len(partitions), flexible))
        for partition in partitions:
            _write_partition(parts, partition, version)
        if flexible:
            parts.append(b"\x00")
    parts.append(INT32.pack(throttle_time_ms))
    if flexible:
        parts.append(write_endpoints(endpoints) if version >= FIRST_WITH_LEADERS else b"\x00")
    content = b"".join(parts)
    return INT32.pack(len(content)) + content


def _write_partition(parts: list[bytes], partition: PartitionResponse, version: int) -> None:
    flexible = version >= FIRST_FLEXIBLE
    parts.append(_RESULT.pack(*partition[:4]))
    if version >= 5:
        parts.append(_START.pack(partition.log_start_offset))
    if version >= 8:
        parts.append(write_array_size(len(partition.record_errors), flexible))
        for batch_index, message in partition.record_errors:
            parts += (INT32.pack(batch_index), write_nullable_string(message, flexible), b"\x00" if flexible else b"")
        parts.append(write_nullable_string(partition.error_message, flexible))
    if flexible:
        has_leader = version >= FIRST_WITH_LEADERS and (partition.leader_id, partition.leader_epoch) != (-1, -1)
        parts.append(write_leader(0, partition.leader_id, partition.leader_epoch) if has_leader else b"\x00")


def write_leader(tag: int, leader_id: int, leader_epoch: int) -> bytes:
    """A section of tagged fields that holds the current leader alone: {leader id i32, leader epoch i32}."""
    return _LEADER.pack(1, tag, 9, leader_id, leader_epoch, 0)


def write_endpoints(endpoints: Sequence[NodeEndpoint]) -> bytes:
    """A section of tagged fields that holds the node endpoints alone, as tag 0, or nothing."""
    if not endpoints:
        return b"\x00"
    parts = [write_array_size(len(endpoints), True)]
    for node_id, host, port, rack in endpoints:
        parts += (INT32.pack(node_id), write_string(host, True), INT32.pack(port))
        parts += (write_nullable_string(rack, True), b"\x00")
    content = b"".join(parts)
    return b"\x01\x00" + write_unsigned_varint(len(content)) + content
