"""Clients that open, begin, stop, or never read."""

import select
import socket
import struct
from contextlib import ExitStack
from datetime import timedelta

from odradek.broker.buffers import KEPT_BYTES_MAX
from odradek.broker.connection import QUEUED_BYTES_MAX, UNSENT_BYTES_MAX
from odradek.wire.apis import FETCH
from tests.attack.frames import SIZE, framed, receive
from tests.attack.siege import BACKLOG, MIB, STORED, STORED_BATCHES, Siege, times
from tests.support.requests import request

IDLE = 1_000
IDLE_BYTES_MAX = 16 << 10
"""An idle connection holds no buffer: its object, uvloop's handle, its place in the tables."""
HALF_OPEN_BYTES_MAX = 32 << 10
"""A begun frame holds the smallest buffer, whatever size it announced."""

UNREAD = 10
RESPONSE_BYTES_MAX = MIB + (64 << 10)
"""What is fetched at once, and the batch at its end."""
UNREAD_BYTES_MAX = UNSENT_BYTES_MAX + QUEUED_BYTES_MAX + 2 * RESPONSE_BYTES_MAX
"""Of a connection that does not read: the transport holds up to its limit and the response that exceeded it; so does
the queue behind it. (The broker keeps KEPT_BYTES_MAX of used buffers for all connections together.)"""
UNREAD_GROWTH = UNREAD * UNREAD_BYTES_MAX + KEPT_BYTES_MAX
QUIET_SECONDS = 0.5
RESET_AT_CLOSE = struct.pack("ii", 1, 0)


def test_idle_connections_are_cheap(siege: Siege) -> None:
    siege.wait_until_alone()
    memory = siege.process.memory_info().rss
    with siege.attack("idle connections", growth_max=IDLE * IDLE_BYTES_MAX), ExitStack() as stack:
        idle = siege.connect_many(stack, IDLE)
        for each in idle:
            each.sendall(framed(request("api_versions", 3, client_software_name="a", client_software_version="1")))
        for each in idle:
            receive(each, type(request("api_versions", 3)))
        used = siege.process.memory_info().rss - memory
        print(f"{used / IDLE:.0f} bytes for each idle connection")
        assert siege.connections() >= IDLE
    siege.wait_until_alone()


def test_connections_may_come_and_go(siege: Siege) -> None:
    with siege.attack("connection churn", growth_max=16 * MIB):
        for number in range(times(10_000)):
            with siege.connect() as connection:
                if number % 3 == 0:
                    connection.sendall(SIZE.pack(100))
                elif number % 3 == 1:
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_AT_CLOSE)
            if number % BACKLOG == 0:
                siege.ask("metadata", 12, topics=[])
    siege.wait_until_alone()


def test_half_a_request_holds_little(siege: Siege) -> None:
    whole = framed(request("metadata", 12, topics=[{"name": "x" * 200, "topic_id": None}]))
    with siege.attack("half-open connections", growth_max=IDLE * HALF_OPEN_BYTES_MAX), ExitStack() as stack:
        for number, each in enumerate(siege.connect_many(stack, IDLE)):
            each.sendall(whole[: 1 + number % (len(whole) - 1)])
            if number % 2:
                each.shutdown(socket.SHUT_WR)
        siege.ask("metadata", 12, topics=[])


def test_one_byte_at_a_time_is_served_and_disturbs_nobody(siege: Siege) -> None:
    entity = request("api_versions", 3, client_software_name="slow", client_software_version="1")
    with siege.attack("slow loris", growth_max=100 * HALF_OPEN_BYTES_MAX), ExitStack() as stack:
        slow = siege.connect_many(stack, 100)
        for byte in framed(entity):
            for each in slow:
                each.sendall(bytes((byte,)))
        for each in slow:
            assert receive(each, type(entity)).error_code.name == "none"


def fill(connections: list[socket.socket], content: bytes) -> None:
    """Send the content over each, again and again, until the broker takes no more from any for a while."""
    sent = dict.fromkeys(connections, 0)
    for connection in connections:
        connection.setblocking(False)
    for _ in range(times(200_000)):
        _, writable, _ = select.select([], connections, [], QUIET_SECONDS)
        if not writable:
            return
        for connection in writable:
            sent[connection] += connection.send(content[sent[connection] % len(content) :])
    raise AssertionError("the broker goes on to read from clients that do not")


def test_a_client_that_never_reads_is_not_read_from(siege: Siege) -> None:
    entity = request("metadata", 12, topics=None)
    with siege.attack("never reads", growth_max=UNREAD_GROWTH), ExitStack() as stack:
        fill(siege.connect_many(stack, UNREAD), framed(entity) * 20)


def test_a_client_that_fetches_and_never_reads_is_not_read_from(siege: Siege) -> None:
    assert FETCH == 1
    partition = {"partition": 0, "fetch_offset": 0, "partition_max_bytes": 1 << 20}
    topics = [{"topic": "stored", "partitions": [partition]}]
    entity = request("fetch", 12, max_bytes=1 << 20, topics=topics, forgotten_topics_data=[])
    with (
        siege.attack("fetches and never reads", growth_max=UNREAD_GROWTH),
        ExitStack() as stack,
    ):
        fill(siege.connect_many(stack, UNREAD), framed(entity) * 20)


def test_thousands_of_pipelined_requests_are_all_answered(siege: Siege) -> None:
    entity = request("metadata", 12, topics=[])
    count = times(5_000)
    with siege.attack("pipelined requests", growth_max=32 * MIB), siege.connect() as connection:
        connection.sendall(b"".join(framed(entity, number) for number in range(count)))
        for _ in range(count):
            receive(connection, type(entity))


def test_thousands_of_long_polls_wait_and_are_let_go(siege: Siege) -> None:
    partition = {"partition": 0, "fetch_offset": STORED_BATCHES, "partition_max_bytes": 1 << 20}
    topics = [{"topic": STORED, "partitions": [partition]}]
    entity = request(
        "fetch", 12, max_wait=timedelta(seconds=30), min_bytes=1, max_bytes=1 << 20, topics=topics,
        forgotten_topics_data=[],
    )  # fmt: skip
    with siege.attack("long polls", growth_max=48 * MIB), ExitStack() as stack:
        for each in siege.connect_many(stack, 1_000):
            each.sendall(framed(entity) * 3)
        siege.ask("metadata", 12, topics=[])
    siege.ask("metadata", 12, topics=[])
