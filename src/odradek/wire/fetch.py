"""Fetch (API 1), versions 4 to 18, by hand.

Version 5 adds log start offsets, 7 fetch sessions (KIP-227), 9 leader epochs (KIP-320), 11 the rack and the preferred
read replica (KIP-392), 12 is flexible and has diverging epochs (KIP-595), 13 topic ids (KIP-516), 15 moves the replica
id into the tagged replica state (KIP-903), 16 adds node endpoints (KIP-951), 17 and 18 tagged fields of followers.

A response is written into one buffer, records included: `Layout` says how large it has to be before anything is read.
"""

from collections.abc import Sequence
from struct import Struct
from typing import NamedTuple
from uuid import UUID

from odradek.wire.errors import MalformedRequestError
from odradek.wire.primitives import (
    INT32,
    INT64,
    checked_end,
    read_array,
    read_nullable_string,
    read_string,
    read_tagged_count,
    read_unsigned_varint,
    read_uuid,
    skip_tagged_fields,
    write_array_size,
    write_string,
    write_unsigned_varint,
)
from odradek.wire.produce import NodeEndpoint, TopicKey, write_endpoints

REQUEST_BYTES_MAX = 1 << 20
"""Some 30,000 partitions, which can still be looked at in one go."""

FIRST_WITH_SESSIONS = 7
FIRST_FLEXIBLE = 12
FIRST_WITH_TOPIC_IDS = 13
FIRST_WITH_REPLICA_STATE = 15
FIRST_WITH_ENDPOINTS = 16

CONSUMER_ID = -1
NO_EPOCH = -1

_REPLICA_ID_TO_ISOLATION = Struct(">iiiib")
_MAX_WAIT_TO_ISOLATION = Struct(">iiib")
_SESSION = Struct(">ii")
_REPLICA_STATE = Struct(">iq")
_PARTITION_V4 = Struct(">iqi")
_PARTITION_V5 = Struct(">iqqi")
_PARTITION_V9 = Struct(">iiqqi")
_PARTITION_V12 = Struct(">iiqiqi")

_RESULT_V4 = Struct(">ihqq")
_RESULT_V5 = Struct(">ihqqq")
_RESULT_V11 = Struct(">ihqqqiii")
"""The number of aborted transactions (none, or null), the preferred read replica and the size of the records too."""
_HEAD_V4 = Struct(">iii")
_HEAD_V7 = Struct(">iihii")
_HEAD_V12 = Struct(">ibihi")
"""Correlation id, throttle time, from version 7 on error code and session id; number of topics."""
_TAGGED_EPOCH_END = Struct(">bbiqb")
_TAGGED_LEADER = Struct(">bbiib")


class FetchPartition(NamedTuple):
    """What is asked of one partition; epochs are -1 where the version or the client has none."""

    partition: int
    current_leader_epoch: int
    fetch_offset: int
    last_fetched_epoch: int
    log_start_offset: int
    max_bytes: int


class FetchRequest(NamedTuple):
    """`replica_id` is below zero for consumers. `topics` and `forgotten` are in the order sent."""

    replica_id: int
    replica_epoch: int
    max_wait_ms: int
    min_bytes: int
    max_bytes: int
    isolation_level: int
    session_id: int
    session_epoch: int
    topics: list[tuple[TopicKey, list[FetchPartition]]]
    forgotten: list[tuple[TopicKey, list[int]]]
    rack_id: str
    cluster_id: str | None


class PartitionResult(NamedTuple):
    """One partition's answer but for its records. `diverging` is (epoch, end offset), `leader` (id, epoch)."""

    partition: int
    error_code: int
    high_watermark: int = -1
    last_stable_offset: int = -1
    log_start_offset: int = -1
    aborted: Sequence[tuple[int, int]] | None = None
    """(producer id, first offset) of each aborted transaction; None when the reader did not ask for them."""
    diverging: tuple[int, int] | None = None
    leader: tuple[int, int] | None = None
    preferred_read_replica: int = -1


def read_request(view: memoryview, position: int, end: int, version: int) -> FetchRequest:
    """The body in view[position:end]. Raises MalformedRequestError."""
    if end - position > REQUEST_BYTES_MAX:
        raise MalformedRequestError(f"a fetch request of {end - position} bytes")
    flexible = version >= FIRST_FLEXIBLE
    replica_id, replica_epoch = CONSUMER_ID, NO_EPOCH
    if version >= FIRST_WITH_REPLICA_STATE:
        after = checked_end(position, _MAX_WAIT_TO_ISOLATION.size, end)
        max_wait_ms, min_bytes, max_bytes, isolation_level = _MAX_WAIT_TO_ISOLATION.unpack_from(view, position)
    else:
        after = checked_end(position, _REPLICA_ID_TO_ISOLATION.size, end)
        replica_id, max_wait_ms, min_bytes, max_bytes, isolation_level = _REPLICA_ID_TO_ISOLATION.unpack_from(
            view, position
        )
    position = after
    session_id, session_epoch = 0, -1
    if version >= FIRST_WITH_SESSIONS:
        after = checked_end(position, _SESSION.size, end)
        session_id, session_epoch = _SESSION.unpack_from(view, position)
        position = after
    topics, position = _read_topics(view, position, end, version)
    forgotten: list[tuple[TopicKey, list[int]]] = []
    if version >= FIRST_WITH_SESSIONS:
        forgotten, position = _read_forgotten(view, position, end, version)
    rack_id, cluster_id = "", None
    if version >= 11:
        rack_id, position = read_string(view, position, end, flexible)
    if flexible:
        cluster_id, state = _read_tagged_fields(view, position, end)
        if version >= FIRST_WITH_REPLICA_STATE and state is not None:
            replica_id, replica_epoch = state
    return FetchRequest(
        replica_id, replica_epoch, max_wait_ms, min_bytes, max_bytes, isolation_level, session_id, session_epoch,
        topics, forgotten, rack_id, cluster_id,
    )  # fmt: skip


def _read_key(view: memoryview, position: int, end: int, version: int) -> tuple[TopicKey, int]:
    if version >= FIRST_WITH_TOPIC_IDS:
        return read_uuid(view, position, end)
    return read_string(view, position, end, version >= FIRST_FLEXIBLE)


def _read_topics(
    view: memoryview, position: int, end: int, version: int
) -> tuple[list[tuple[TopicKey, list[FetchPartition]]], int]:
    flexible = version >= FIRST_FLEXIBLE
    count, position = read_array(view, position, end, flexible, 3)
    topics = []
    for _ in range(count):
        key, position = _read_key(view, position, end, version)
        partitions, position = _read_partitions(view, position, end, version)
        topics.append((key, partitions))
    return topics, position


def _read_partitions(view: memoryview, position: int, end: int, version: int) -> tuple[list[FetchPartition], int]:
    flexible = version >= FIRST_FLEXIBLE
    layout = _partition_layout(version)
    count, position = read_array(view, position, end, flexible, layout.size)
    partitions = []
    size, unpack = layout.size, layout.unpack_from
    for _ in range(count):
        if end - position < size:
            checked_end(position, size, end)
        partitions.append(_partition_of(version, unpack(view, position)))
        position += size
        if flexible:
            position = skip_tagged_fields(view, position, end)
    if flexible:
        position = skip_tagged_fields(view, position, end)
    return partitions, position


def _partition_layout(version: int) -> Struct:
    if version >= 12:
        return _PARTITION_V12
    if version >= 9:
        return _PARTITION_V9
    return _PARTITION_V5 if version >= 5 else _PARTITION_V4


def _partition_of(version: int, fields: tuple[int, ...]) -> FetchPartition:
    if version >= 12:
        return FetchPartition._make(fields)
    if version >= 9:
        index, epoch, offset, start, max_bytes = fields
        return FetchPartition._make((index, epoch, offset, NO_EPOCH, start, max_bytes))
    if version >= 5:
        index, offset, start, max_bytes = fields
        return FetchPartition(index, NO_EPOCH, offset, NO_EPOCH, start, max_bytes)
    index, offset, max_bytes = fields
    return FetchPartition(index, NO_EPOCH, offset, NO_EPOCH, -1, max_bytes)


def _read_forgotten(
    view: memoryview, position: int, end: int, version: int
) -> tuple[list[tuple[TopicKey, list[int]]], int]:
    flexible = version >= FIRST_FLEXIBLE
    count, position = read_array(view, position, end, flexible, 3)
    topics = []
    for _ in range(count):
        key, position = _read_key(view, position, end, version)
        size, position = read_array(view, position, end, flexible, INT32.size)
        indexes = [INT32.unpack_from(view, position + i * INT32.size)[0] for i in range(size)]
        position += size * INT32.size
        if flexible:
            position = skip_tagged_fields(view, position, end)
        topics.append((key, indexes))
    return topics, position


def _read_tagged_fields(view: memoryview, position: int, end: int) -> tuple[str | None, tuple[int, int] | None]:
    """Cluster id (tag 0) and replica state (tag 1), each None when absent."""
    cluster_id, state = None, None
    count, position = read_tagged_count(view, position, end)
    for _ in range(count):
        tag, position = read_unsigned_varint(view, position, end)
        size, position = read_unsigned_varint(view, position, end)
        after = checked_end(position, size, end)
        if tag == 0:
            cluster_id, _ = read_nullable_string(view, position, after, True)
        elif tag == 1:
            if size < _REPLICA_STATE.size:
                raise MalformedRequestError(f"a replica state of {size} bytes")
            replica_id, replica_epoch = _REPLICA_STATE.unpack_from(view, position)
            state = (replica_id, replica_epoch)
        position = after
    return cluster_id, state


class Layout:
    """The parts of a response in order: encoded bytes, or the size of records to be filled in.

    `add_topic`, then `add_partition` for each of its partitions; `finish` gives the frame's parts.
    """

    __slots__ = ("_endpoints", "_flexible", "_open", "_parts", "_version", "size")

    def __init__(self, version: int, correlation_id: int, error_code: int, session_id: int, topic_count: int) -> None:
        self._version = version
        self._flexible = flexible = version >= FIRST_FLEXIBLE
        self._open = False
        if flexible:
            head = _HEAD_V12.pack(correlation_id, 0, 0, error_code, session_id) + write_array_size(topic_count, True)
        elif version >= FIRST_WITH_SESSIONS:
            head = _HEAD_V7.pack(correlation_id, 0, error_code, session_id, topic_count)
        else:
            head = _HEAD_V4.pack(correlation_id, 0, topic_count)
        self._parts: list[bytes | int] = [head]
        self.size = len(head)
        """Bytes so far, without the frame's size field."""
        self._endpoints: Sequence[NodeEndpoint] = ()

    def add_topic(self, key: TopicKey, partition_count: int) -> None:
        """Begin the next topic."""
        start = b"\x00" if self._open and self._flexible else b""
        start += key.bytes if isinstance(key, UUID) else write_string(key, self._flexible)
        self._add(start + write_array_size(partition_count, self._flexible))
        self._open = True

    def add_partition(self, result: PartitionResult, records_size: int) -> int:
        """Write a partition's fields and leave room for its records; their position in the frame."""
        version, flexible = self._version, self._flexible
        index, error_code, high_watermark, last_stable_offset, log_start_offset, aborted, _, _, replica = result
        if not flexible and version >= 11 and not aborted:
            count = -1 if aborted is None else 0
            head = _RESULT_V11.pack(
                index, error_code, high_watermark, last_stable_offset, log_start_offset, count, replica, records_size
            )  # fmt: skip
        else:
            head = _RESULT_V5.pack(*result[:5]) if version >= 5 else _RESULT_V4.pack(*result[:4])
            head += write_aborted(aborted, flexible)
            if version >= 11:
                head += INT32.pack(replica)
            head += write_unsigned_varint(records_size + 1) if flexible else INT32.pack(records_size)
        self._add(head)
        position = self.size + INT32.size
        if records_size:
            self._parts.append(records_size)
            self.size += records_size
        if flexible:
            self._add(write_partition_tags(result))
        return position

    def finish(self, endpoints: Sequence[NodeEndpoint] = ()) -> list[bytes | int]:
        """All parts, the frame's size field first."""
        if self._flexible:
            end = b"\x00" if self._open else b""
            self._add(end + (write_endpoints(endpoints) if self._version >= FIRST_WITH_ENDPOINTS else b"\x00"))
        return [INT32.pack(self.size), *self._parts]

    def _add(self, part: bytes) -> None:
        self._parts.append(part)
        self.size += len(part)


def write_aborted(aborted: Sequence[tuple[int, int]] | None, flexible: bool) -> bytes:
    """The array of aborted transactions, which may be null."""
    if aborted is None:
        return b"\x00" if flexible else b"\xff\xff\xff\xff"
    encoded = write_array_size(len(aborted), flexible)
    for producer_id, first_offset in aborted:
        encoded += INT64.pack(producer_id) + INT64.pack(first_offset) + (b"\x00" if flexible else b"")
    return encoded


def write_partition_tags(result: PartitionResult) -> bytes:
    """The tagged fields of a partition: diverging epoch (0), current leader (1)."""
    if result.diverging is None and result.leader is None:
        return b"\x00"
    fields = []
    if result.diverging is not None:
        fields.append(_TAGGED_EPOCH_END.pack(0, 13, *result.diverging, 0))
    if result.leader is not None:
        fields.append(_TAGGED_LEADER.pack(1, 9, *result.leader, 0))
    return bytes((len(fields),)) + b"".join(fields)


def assemble(parts: Sequence[bytes | int], buffer: memoryview) -> int:
    """Copy the encoded parts to their places, leaving the records as they are; bytes in all."""
    position = 0
    for part in parts:
        if isinstance(part, int):
            position += part
        else:
            buffer[position : position + len(part)] = part
            position += len(part)
    return position
