"""Requests encoded once and sent many times, and the fields of responses that a measurement needs.

Versions without compact fields, which every broker since Kafka 2.3 takes: Produce 8, Fetch 11, ListOffsets 1,
Metadata 4, CreateTopics 4, DeleteTopics 3.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import cycle
from struct import Struct, pack, unpack_from
from typing import NamedTuple

from odradek.wire.record_codec import Record, encode_batch

CLIENT_ID = b"odradek-bench"

_LATEST = -1
"""As a timestamp in ListOffsets: the log end offset."""
_PRODUCE, _FETCH, _LIST_OFFSETS, _METADATA, _CREATE_TOPICS, _DELETE_TOPICS = 0, 1, 2, 3, 19, 20
_BODY = 4 + 8 + 2 + len(CLIENT_ID)
_BATCH_START = Struct(">qi")
_FETCHED = Struct(">hqqqiii")
_LISTED = Struct(">ihqq")
_COUNT_OFFSET = 57


class Produced(NamedTuple):
    """Of a Produce response for one partition."""

    error_code: int
    base_offset: int


class FetchedRecords(NamedTuple):
    """Where the record batches of a Fetch response for one partition are: response[start:end]."""

    error_code: int
    start: int
    end: int


class PartitionMetadata(NamedTuple):
    """`leader` is a broker id, -1 while there is none."""

    error_code: int
    partition: int
    leader: int


class ClusterMetadata(NamedTuple):
    """Of one topic: addresses of brokers by id, the topic's error code, its partitions."""

    brokers: dict[int, tuple[str, int]]
    error_code: int
    partitions: list[PartitionMetadata]


def batch_of(count: int, value: bytes, timestamp_ms: int, keys: Sequence[bytes] | None = None) -> bytes:
    """One batch of `count` records with the same value, all of one time."""
    return encode_batch([Record(0, timestamp_ms, keys[i] if keys else None, value) for i in range(count)])


def produce(topic: str, partition: int, batch: bytes, acks: int = 1) -> bytes:
    """A Produce request for one batch."""
    body = pack(">hhi", -1, acks, 30_000) + pack(">i", 1) + _string(topic) + pack(">iii", 1, partition, len(batch))
    return _frame(_PRODUCE, 8, body + batch)


def produce_to(places: Sequence[tuple[str, int]], batch: bytes, acks: int = 1) -> Iterator[bytearray]:
    """The same batch to each (topic, partition) in turn, over and over; names are of one length.

    It is always the same buffer, patched: as little memory goes through the processor's caches as for one partition.
    """
    topic, partition = places[0]
    frame = bytearray(produce(topic, partition, batch, acks))
    start = _BODY + 8 + 4 + 2
    fields = [topic.encode() + pack(">ii", 1, partition) for topic, partition in places]
    for field in cycle(fields):
        frame[start : start + len(field)] = field
        yield frame


def produced(response: bytes, topic: str) -> Produced:
    """What a Produce response (without its size) says of its partition."""
    return Produced(*unpack_from(">hq", response, 4 + 4 + 2 + len(topic) + 4 + 4))


def fetch(topic: str, partition: int, offset: int, max_bytes: int, max_wait_ms: int = 500) -> bytes:
    """A Fetch request outside of a session; a response of at least one byte of records, or after `max_wait_ms`."""
    head = pack(">iiiibii", -1, max_wait_ms, 1, 50 << 20, 0, 0, -1)
    wanted = pack(">i", 1) + _string(topic) + pack(">iiiqqi", 1, partition, -1, offset, -1, max_bytes)
    return _frame(_FETCH, 11, head + wanted + pack(">ih", 0, 0))


def fetched(response: memoryview, topic: str) -> FetchedRecords:
    """Where the records of a Fetch response (without its size) are."""
    (top_error,) = unpack_from(">h", response, 8)
    if top_error:
        return FetchedRecords(top_error, 0, 0)
    position = 4 + 4 + 2 + 4 + 4 + 2 + len(topic) + 4 + 4
    error, _, _, _, aborted, _, size = _FETCHED.unpack_from(response, position)
    if aborted > 0:
        return FetchedRecords(-1, 0, 0)
    start = position + _FETCHED.size
    return FetchedRecords(error, start, start + size)


def whole_batches(response: memoryview, start: int, end: int) -> list[tuple[int, int, int]]:
    """(base offset, record count, size in bytes) of each whole batch in response[start:end]."""
    found = []
    while start + _COUNT_OFFSET + 4 <= end:
        base_offset, length = _BATCH_START.unpack_from(response, start)
        size = _BATCH_START.size + length
        if start + size > end:
            break
        found.append((base_offset, unpack_from(">i", response, start + _COUNT_OFFSET)[0], size))
        start += size
    return found


def list_offsets(topic: str, partitions: Sequence[int]) -> bytes:
    """A ListOffsets request for the log end offsets of partitions of one topic."""
    wanted = b"".join(pack(">iq", partition, _LATEST) for partition in partitions)
    return _frame(_LIST_OFFSETS, 1, pack(">ii", -1, 1) + _string(topic) + pack(">i", len(partitions)) + wanted)


def listed_offsets(response: bytes, topic: str) -> list[tuple[int, int]]:
    """(error code, offset) of each partition in a ListOffsets response."""
    start = 4 + 4 + 2 + len(topic) + 4
    return [(error, offset) for _, error, _, offset in _LISTED.iter_unpack(response[start:])]


def create_topic(topic: str, partitions: int, configs: Mapping[str, str], replication_factor: int = -1) -> bytes:
    """A CreateTopics request for one topic; -1 is the broker's default replication factor."""
    pairs = b"".join(_string(key) + _string(value) for key, value in configs.items())
    wanted = pack(">i", 1) + _string(topic) + pack(">ihii", partitions, replication_factor, 0, len(configs)) + pairs
    return _frame(_CREATE_TOPICS, 4, wanted + pack(">i?", 60_000, False))


def created(response: bytes, topic: str) -> int:
    """The error code of a CreateTopics or DeleteTopics response for one topic."""
    (error,) = unpack_from(">h", response, 4 + 4 + 4 + 2 + len(topic))
    return int(error)


def delete_topic(topic: str) -> bytes:
    """A DeleteTopics request for one topic."""
    return _frame(_DELETE_TOPICS, 3, pack(">i", 1) + _string(topic) + pack(">i", 60_000))


def metadata(topic: str, *, creates: bool = False) -> bytes:
    """A Metadata request for one topic, which with `creates` the broker may create."""
    return _frame(_METADATA, 4, pack(">i", 1) + _string(topic) + pack(">?", creates))


def read_metadata(response: bytes) -> ClusterMetadata:
    """A Metadata response for one topic."""
    position, brokers = 4 + 4, {}
    (count,), position = unpack_from(">i", response, position), position + 4
    for _ in range(count):
        (node_id,) = unpack_from(">i", response, position)
        host, position = _read_string(response, position + 4)
        (port,) = unpack_from(">i", response, position)
        _, position = _read_string(response, position + 4)
        brokers[node_id] = (host, port)
    _, position = _read_string(response, position)
    position += 4 + 4
    (topic_error,) = unpack_from(">h", response, position)
    _, position = _read_string(response, position + 2)
    return ClusterMetadata(brokers, topic_error, _read_partitions(response, position + 1))


def _read_partitions(response: bytes, position: int) -> list[PartitionMetadata]:
    (count,), position = unpack_from(">i", response, position), position + 4
    partitions = []
    for _ in range(count):
        partitions.append(PartitionMetadata(*unpack_from(">hii", response, position)))
        position += 10
        for _ in ("replicas", "in-sync replicas"):
            position += 4 + 4 * unpack_from(">i", response, position)[0]
    return partitions


def _read_string(response: bytes, position: int) -> tuple[str, int]:
    (size,) = unpack_from(">h", response, position)
    start = position + 2
    return ("", start) if size < 0 else (response[start : start + size].decode(), start + size)


def _string(value: str) -> bytes:
    encoded = value.encode()
    return pack(">h", len(encoded)) + encoded


def _frame(api_key: int, version: int, body: bytes) -> bytes:
    header = pack(">hhih", api_key, version, 1, len(CLIENT_ID)) + CLIENT_ID
    return pack(">i", len(header) + len(body)) + header + body
