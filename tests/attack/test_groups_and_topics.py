"""Floods of group members, groups and topics, and an HTTP endpoint that is not spoken to in HTTP."""

import random
import socket
from contextlib import ExitStack, suppress
from datetime import timedelta

import pytest

from tests.attack.frames import framed, receive
from tests.attack.siege import MIB, Siege, times
from tests.support.requests import request

MEMBERS = 1_000
METADATA = bytes(2_000)


def join(group: str, metadata: bytes = METADATA) -> bytes:
    protocols = [{"name": "range", "metadata": metadata}]
    timeout = timedelta(seconds=30)
    return framed(
        request(
            "join_group", 3, group_id=group, protocol_type="consumer", protocols=protocols, session_timeout=timeout,
            rebalance_timeout=timeout,
        )
    )  # fmt: skip


@pytest.mark.parametrize("group", ["one-group", None], ids=["one group", "a group for each"])
def test_a_flood_of_members_disturbs_nobody(siege: Siege, group: str | None) -> None:
    siege.ask("find_coordinator", 3, key="one-group", key_type=0)
    with siege.attack("joins", growth_max=64 * MIB), ExitStack() as stack:
        for number, connection in enumerate(siege.connect_many(stack, times(MEMBERS))):
            connection.sendall(join(group or f"group-{number}"))
        siege.ask("metadata", 12, topics=[])


def test_huge_member_metadata_disturbs_nobody(siege: Siege) -> None:
    with siege.attack("huge member metadata", growth_max=128 * MIB), ExitStack() as stack:
        for number in range(10):
            connection = stack.enter_context(siege.connect())
            connection.sendall(join(f"huge-{number % 2}", bytes(4 * MIB)))
        siege.ask("metadata", 12, topics=[])


def test_the_same_offset_a_hundred_thousand_times(siege: Siege) -> None:
    partition = {"partition_index": 0, "committed_offset": 1, "committed_leader_epoch": -1, "committed_metadata": "m"}
    topics = [{"name": "stored", "partitions": [partition] * 100_000}]
    entity = request("offset_commit", 8, group_id="many", generation_id_or_member_epoch=-1, topics=topics)
    with siege.attack("one offset many times", growth_max=200 * MIB), siege.connect() as connection:
        connection.sendall(framed(entity))
        assert len(receive(connection, type(entity)).topics[0].partitions) == 100_000


@pytest.mark.parametrize("count", [1_000_000, 100_000])
def test_topics_with_absurdly_many_partitions_are_refused(siege: Siege, count: int) -> None:
    topic = {
        "name": f"wide-{count}",
        "num_partitions": count,
        "replication_factor": 1,
        "assignments": [],
        "configs": [],
    }
    with siege.attack(f"{count} partitions", growth_max=200 * MIB):
        answer = siege.ask("create_topics", 7, topics=[topic], validate_only=True)
    assert answer.topics[0].name == topic["name"]


def test_anything_but_http_is_refused(siege: Siege) -> None:
    host, port = str(siege.broker.info["metrics"]).rsplit(":", 1)
    source = random.Random(1)
    with siege.attack("http", growth_max=16 * MIB), ExitStack() as stack:
        for _ in range(times(200)):
            connection = stack.enter_context(socket.create_connection((host, int(port)), timeout=30))
            with suppress(ConnectionError):
                connection.sendall(source.randbytes(source.randrange(1, 20_000)))
        stack.close()
