"""Well-formed requests that ask for too much, or consist of far too much."""

import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from odradek.wire.primitives import write_unsigned_varint
from tests.attack.frames import frame, framed, header, receive_frame
from tests.attack.siege import MIB, Siege
from tests.support.requests import request

PARTITIONS = 100_000
HUGE_GROWTH = 160 * MIB
"""The entities of a request and of its response for 100,000 partitions."""


def partitions_of(**values: Any) -> dict[str, Any]:
    return {"partitions": [{"partition_index": index, **values} for index in range(PARTITIONS)]}


HUGE: dict[str, tuple[int, dict[str, Any]]] = {
    "list_offsets": (
        7,
        {"replica_id": -1, "topics": [{"name": "stored", **partitions_of(timestamp=-1, current_leader_epoch=-1)}]},
    ),
    "offset_commit": (
        8,
        {
            "group_id": "g",
            "generation_id_or_member_epoch": -1,
            "topics": [
                {
                    "name": "stored",
                    **partitions_of(committed_offset=1, committed_leader_epoch=-1, committed_metadata="m"),
                }
            ],
        },
    ),
    "offset_fetch": (
        7,
        {"group_id": "g", "topics": [{"name": "stored", "partition_indexes": list(range(PARTITIONS))}]},
    ),
    "delete_groups": (2, {"groups_names": [f"group-{number}" for number in range(PARTITIONS)]}),
    "describe_groups": (5, {"groups": [f"group-{number}" for number in range(PARTITIONS)]}),
    "find_coordinator": (4, {"key_type": 0, "coordinator_keys": [f"group-{number}" for number in range(PARTITIONS)]}),
    "offset_for_leader_epoch": (
        4,
        {
            "replica_id": -1,
            "topics": [
                {"topic": "stored", "partitions": [{"partition": n, "leader_epoch": 0} for n in range(PARTITIONS)]}
            ],
        },
    ),
    "describe_producers": (0, {"topics": [{"name": "stored", "partition_indexes": list(range(PARTITIONS))}]}),
    "delete_records": (
        2,
        {"topics": [{"name": "unknown", **partitions_of(offset=0)}]},
    ),
    "describe_configs": (
        4,
        {
            "resources": [
                {"resource_type": 2, "resource_name": f"t{n}", "configuration_keys": None} for n in range(PARTITIONS)
            ]
        },
    ),
    "describe_topic_partitions": (
        0,
        {"topics": [{"name": f"t{n}"} for n in range(PARTITIONS)], "response_partition_limit": 2000},
    ),
    "create_topics": (
        7,
        {
            "validate_only": False,
            "topics": [
                {"name": f"t{n}", "num_partitions": -5, "replication_factor": 1, "assignments": [], "configs": []}
                for n in range(PARTITIONS // 10)
            ],
        },
    ),
    "elect_leaders": (
        2,
        {"election_type": 0, "topic_partitions": [{"topic": "stored", "partitions": list(range(PARTITIONS))}]},
    ),
    "delete_topics": (6, {"topics": [{"name": f"t{n}", "topic_id": None} for n in range(PARTITIONS // 10)]}),
    "metadata": (
        12,
        {
            "topics": [{"name": f"t{n}", "topic_id": None} for n in range(PARTITIONS // 10)],
            "allow_auto_topic_creation": False,
        },
    ),
    "create_partitions": (
        3,
        {
            "validate_only": False,
            "topics": [{"name": f"t{n}", "count": 5, "assignments": None} for n in range(PARTITIONS // 10)],
        },
    ),
}


@pytest.mark.parametrize("api", sorted(HUGE))
def test_a_huge_request_is_answered_and_holds_up_nobody(siege: Siege, api: str) -> None:
    version, values = HUGE[api]
    entity = request(api, version, **values)
    content = framed(entity)
    with siege.attack(f"{len(content) >> 10} KiB of {api}", growth_max=HUGE_GROWTH):
        with siege.connect() as connection:
            connection.sendall(content)
            with suppress(ConnectionError):
                receive_frame(connection)


EMPTY_TOPIC = b"\x01\x00"
EMPTY_FETCH_TOPIC = b"\x01\x01\x00"
NULL_BATCH = bytes(4) + b"\x00\x00"
DENSE_BYTES = 64 * MIB
DENSE_GROWTH = 384 * MIB
"""What was received, its copy for the executor, the buffer it grew into, and 250,000 entities at the most."""


def compact(count: int) -> bytes:
    """The size of a compact array."""
    return write_unsigned_varint(count + 1)


def dense_metadata() -> bytes:
    """Tens of millions of topics in two bytes each."""
    count = DENSE_BYTES // len(EMPTY_TOPIC)
    return header(3, 9, True) + compact(count) + EMPTY_TOPIC * count + bytes(4)


def dense_fetch() -> bytes:
    count = DENSE_BYTES // len(EMPTY_FETCH_TOPIC)
    return header(1, 12, True) + bytes(25) + compact(count) + EMPTY_FETCH_TOPIC * count + b"\x01\x01\x00"


def dense_produce() -> bytes:
    count = DENSE_BYTES // len(NULL_BATCH)
    topic = b"\x07stored" + compact(count) + NULL_BATCH * count + b"\x00"
    return header(0, 9, True) + b"\x00" + bytes(6) + compact(1) + topic + b"\x00"


def dense_tags() -> bytes:
    """A request header with tens of millions of tagged fields."""
    count = DENSE_BYTES // 2
    return header(3, 9, False) + write_unsigned_varint(count) + b"\x63\x00" * count


def dense_configs() -> bytes:
    """Empty names of configuration keys, one byte each."""
    count = DENSE_BYTES
    resource = b"\x02\x01" + compact(count) + b"\x01" * count + b"\x00"
    return header(32, 4, True) + compact(1) + resource + bytes(3)


@pytest.mark.parametrize("dense", [dense_metadata, dense_fetch, dense_produce, dense_tags, dense_configs])
def test_millions_of_items_in_few_bytes_are_refused(siege: Siege, dense: Callable[[], bytes]) -> None:
    content = frame(dense())
    with siege.attack(dense.__name__, growth_max=DENSE_GROWTH), siege.connect() as connection:
        with suppress(ConnectionError):
            connection.sendall(content)
        assert is_closed(connection)


def is_closed(connection: socket.socket) -> bool:
    """Wait for the end of the connection."""
    try:
        return connection.recv(1) == b""
    except ConnectionError:
        return True


def fetch_of(partitions: int) -> bytes:
    parts = [{"partition": n, "fetch_offset": 0, "partition_max_bytes": 1 << 20} for n in range(partitions)]
    topics = [{"topic": "stored", "partitions": parts}]
    return framed(request("fetch", 12, max_bytes=1 << 20, topics=topics, forgotten_topics_data=[]))


def produce_of(partitions: int) -> bytes:
    parts = [{"index": n, "records": b"no batch"} for n in range(partitions)]
    topics = [{"name": "stored", "partition_data": parts}]
    return framed(request("produce", 9, acks=-1, topic_data=topics))


@pytest.mark.parametrize("content", [fetch_of(25_000), produce_of(9_000)], ids=["fetch", "produce"])
def test_as_many_partitions_as_are_allowed_are_answered(siege: Siege, content: bytes) -> None:
    with siege.attack(f"{len(content) >> 10} KiB", growth_max=HUGE_GROWTH), siege.connect() as connection:
        connection.sendall(content)
        assert receive_frame(connection)
