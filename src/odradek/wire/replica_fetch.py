"""A replica's Fetch (API 1), version 18, by hand: its request is written, the response read where it was received.

This is the follower's half of what `wire.fetch` is for the leader. Topic ids stay 16 bytes, which compare and hash
faster than UUIDs; records are views of the receive buffer, valid until something else is received into it.

Beside what every reader sends, a replica says who it is (broker id and broker epoch, KIP-903), and of each partition
which high watermark it knows (KIP-1166), so that its leader tells it of a higher one at once.
"""

from collections.abc import Iterable, Mapping
from struct import Struct
from typing import NamedTuple

from odradek.wire.apis import FETCH
from odradek.wire.errors import MalformedRequestError, MalformedResponseError
from odradek.wire.frame import REQUEST_START, SIZE
from odradek.wire.primitives import (
    INT32,
    UUID_SIZE,
    checked_count,
    checked_end,
    read_array,
    read_tagged_count,
    read_unsigned_varint,
    skip_tagged_fields,
    write_unsigned_varint,
)

VERSION = 18

Key = tuple[bytes, int]
"""Topic id and partition."""

_LIMITS_AND_SESSION = Struct(">iiibii")
_PARTITION = Struct(">iiqiqiBBBq")
_REPLICA_STATE = Struct(">BBBiqB")
_THROTTLE_ERROR_SESSION = Struct(">ihi")
_RESULT = Struct(">ihqqqB")
_RESULT_SIZE_MIN = _RESULT.size + INT32.size + 2
_ABORTED_SIZE_MIN = 17
_EPOCH_END = Struct(">iq")
_LEADER = Struct(">ii")


class Position(NamedTuple):
    """What is asked of one partition: what follows `fetch_offset`, in this leader epoch.

    `last_fetched_epoch` is that of the last batch before it, -1 when there is none.
    """

    leader_epoch: int
    fetch_offset: int
    last_fetched_epoch: int
    log_start_offset: int
    high_watermark: int


class Limits(NamedTuple):
    """How long the leader may wait for how much, and how much it may send: a first batch always, whatever its size."""

    max_wait_ms: int
    min_bytes: int
    max_bytes: int
    partition_max_bytes: int


class FetchedPartition(NamedTuple):
    """One partition's answer. `diverging` is (epoch, end offset); `leader` (id, epoch) where another one is known."""

    topic_id: bytes
    partition: int
    error_code: int
    high_watermark: int
    log_start_offset: int
    records: memoryview
    diverging: tuple[int, int] | None = None
    leader: tuple[int, int] | None = None


class FetchResponse(NamedTuple):
    """A response; with an error it has no partitions."""

    throttle_ms: int
    error_code: int
    session_id: int
    partitions: list[FetchedPartition]


def write_request(
    correlation_id: int,
    client_id: str,
    replica: tuple[int, int],
    limits: Limits,
    session: tuple[int, int],
    positions: Mapping[Key, Position],
    forgotten: Iterable[Key] = (),
) -> bytes:
    """The whole frame. `replica` is (broker id, broker epoch), `session` (id, epoch); `forgotten` leave the session."""
    name = client_id.encode()
    parts = [
        REQUEST_START.pack(FETCH, VERSION, correlation_id, len(name)) + name + b"\x00",
        _LIMITS_AND_SESSION.pack(limits.max_wait_ms, limits.min_bytes, limits.max_bytes, 0, *session),
    ]
    pack, max_bytes = _PARTITION.pack, limits.partition_max_bytes
    topics: dict[bytes, list[bytes]] = {}
    for (topic_id, index), (leader_epoch, offset, last_epoch, log_start_offset, high_watermark) in positions.items():
        encoded = pack(index, leader_epoch, offset, last_epoch, log_start_offset, max_bytes, 1, 1, 8, high_watermark)
        topics.setdefault(topic_id, []).append(encoded)
    _write_topics(parts, topics)
    topics = {}
    for topic_id, index in forgotten:
        topics.setdefault(topic_id, []).append(INT32.pack(index))
    _write_topics(parts, topics)
    no_rack = b"\x01"
    parts.append(no_rack + _REPLICA_STATE.pack(1, 1, _REPLICA_STATE.size - 3, *replica, 0))
    body = b"".join(parts)
    return SIZE.pack(len(body)) + body


def _write_topics(parts: list[bytes], topics: Mapping[bytes, list[bytes]]) -> None:
    parts.append(write_unsigned_varint(len(topics) + 1))
    for topic_id, partitions in topics.items():
        parts += (topic_id, write_unsigned_varint(len(partitions) + 1), *partitions, b"\x00")


def read_response(view: memoryview, correlation_id: int) -> FetchResponse:
    """The whole frame without its size. Raises MalformedResponseError."""
    try:
        return _read_response(view, len(view), correlation_id)
    except MalformedRequestError as error:
        raise MalformedResponseError(f"the answer to a fetch: {error}") from error


def _read_response(view: memoryview, end: int, correlation_id: int) -> FetchResponse:
    checked_end(0, INT32.size, end)
    (answered_id,) = INT32.unpack_from(view, 0)
    if answered_id != correlation_id:
        raise MalformedRequestError(f"it belongs to request {answered_id}, not {correlation_id}")
    position = skip_tagged_fields(view, INT32.size, end)
    after = checked_end(position, _THROTTLE_ERROR_SESSION.size, end)
    throttle_ms, error_code, session_id = _THROTTLE_ERROR_SESSION.unpack_from(view, position)
    partitions: list[FetchedPartition] = []
    count, position = read_array(view, after, end, True, UUID_SIZE + 2)
    for _ in range(count):
        position = _read_topic(view, position, end, partitions)
    position = skip_tagged_fields(view, position, end)
    if position != end:
        raise MalformedRequestError(f"{end - position} bytes follow it")
    return FetchResponse(throttle_ms, error_code, session_id, partitions)


def _read_topic(view: memoryview, position: int, end: int, partitions: list[FetchedPartition]) -> int:
    after = checked_end(position, UUID_SIZE, end)
    topic_id = bytes(view[position:after])
    count, position = read_array(view, after, end, True, _RESULT_SIZE_MIN)
    for _ in range(count):
        position = _read_partition(view, position, end, topic_id, partitions)
    return skip_tagged_fields(view, position, end)


def _read_partition(
    view: memoryview, position: int, end: int, topic_id: bytes, partitions: list[FetchedPartition]
) -> int:
    after = checked_end(position, _RESULT.size, end)
    index, error_code, high_watermark, _, log_start_offset, aborted = _RESULT.unpack_from(view, position)
    if aborted > 1:
        after = _skip_aborted(view, after - 1, end)
    size, start = read_unsigned_varint(view, checked_end(after, INT32.size, end), end)
    records_end = checked_end(start, max(size - 1, 0), end)
    diverging = leader = None
    if records_end < end and view[records_end] == 0:
        position = records_end + 1
    else:
        diverging, leader, position = _read_tags(view, records_end, end)
    records = view[start:records_end]
    partitions.append(
        FetchedPartition(
            topic_id, index, error_code, high_watermark, log_start_offset, records, diverging, leader
        )
    )  # fmt: skip
    return position


def _skip_aborted(view: memoryview, position: int, end: int) -> int:
    """Aborted transactions, which nobody sends to a replica."""
    size, position = read_unsigned_varint(view, position, end)
    for _ in range(checked_count(size - 1, position, end, _ABORTED_SIZE_MIN)):
        position = skip_tagged_fields(view, checked_end(position, _ABORTED_SIZE_MIN - 1, end), end)
    return position


def _read_tags(view: memoryview, position: int, end: int) -> tuple[tuple[int, int] | None, tuple[int, int] | None, int]:
    """Diverging epoch (tag 0) and current leader (1), each None when absent, and where the section ends."""
    diverging = leader = None
    count, position = read_tagged_count(view, position, end)
    for _ in range(count):
        tag, position = read_unsigned_varint(view, position, end)
        size, position = read_unsigned_varint(view, position, end)
        after = checked_end(position, size, end)
        if tag == 0:
            diverging = _read_pair(_EPOCH_END, view, position, after)
        elif tag == 1:
            leader = _read_pair(_LEADER, view, position, after)
        position = after
    return diverging, leader, position


def _read_pair(fields: Struct, view: memoryview, position: int, end: int) -> tuple[int, int] | None:
    """Two numbers, None for (-1, -1), which stands for nothing."""
    checked_end(position, fields.size, end)
    first, second = fields.unpack_from(view, position)
    return None if (first, second) == (-1, -1) else (first, second)
