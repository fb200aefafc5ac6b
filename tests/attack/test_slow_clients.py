"""Clients that open, begin, stop, or never read."""

import socket
import struct
from contextlib import ExitStack, suppress
from datetime import timedelta

from odradek.wire.apis import FETCH
from tests.attack.frames import SIZE, framed, receive
from tests.attack.siege import MIB, Siege, times
from tests.support.requests import request

IDLE = 1_000
IDLE_BYTES_MAX = 16 << 10
"""An idle connection holds no buffer: its object, uvloop's handle, its place in the tables."""
HALF_OPEN_BYTES_MAX = 32 << 10
"""A begun frame holds the smallest buffer, whatever size it announced."""

BACKLOG = 25
"""Connections made before the broker must have accepted them: fewer than the system keeps waiting."""
RESET_AT_CLOSE = struct.pack("ii", 1, 0)


def connections(siege: Siege, stack: ExitStack, count: int) -> list[socket.socket]:
    return [stack.enter_context(siege.connect()) for _ in range(count)]


def test_idle_connections_are_cheap(siege: Siege) -> None:
    siege.ask("metadata", 12, topics=[])
    descriptors, memory = siege.process.num_fds(), siege.process.memory_info().rss
    with siege.attack("idle connections", growth_max=IDLE * IDLE_BYTES_MAX), ExitStack() as stack:
        idle = connections(siege, stack, IDLE)
        for each in idle:
            each.sendall(framed(request("api_versions", 3, client_software_name="a", client_software_version="1")))
        for each in idle:
            receive(each, type(request("api_versions", 3)))
        used = siege.process.memory_info().rss - memory
        print(f"{used / IDLE:.0f} bytes for each idle connection")
        assert siege.process.num_fds() >= descriptors + IDLE
    siege.wait_until(lambda: siege.process.num_fds() <= descriptors, "descriptors of closed connections are kept")


def test_connections_may_come_and_go(siege: Siege) -> None:
    siege.ask("metadata", 12, topics=[])
    descriptors = siege.process.num_fds()
    with siege.attack("connection churn", growth_max=16 * MIB):
        for number in range(times(10_000)):
            with siege.connect() as connection:
                if number % 3 == 0:
                    connection.sendall(SIZE.pack(100))
                elif number % 3 == 1:
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_AT_CLOSE)
            if number % BACKLOG == 0:
                siege.ask("metadata", 12, topics=[])
    siege.wait_until(lambda: siege.process.num_fds() <= descriptors, "descriptors of closed connections are kept")


def test_half_a_request_holds_little(siege: Siege) -> None:
    whole = framed(request("metadata", 12, topics=[{"name": "x" * 200, "topic_id": None}]))
    with siege.attack("half-open connections", growth_max=IDLE * HALF_OPEN_BYTES_MAX), ExitStack() as stack:
        for number, each in enumerate(connections(siege, stack, IDLE)):
            each.sendall(whole[: 1 + number % (len(whole) - 1)])
            if number % 2:
                each.shutdown(socket.SHUT_WR)
        siege.ask("metadata", 12, topics=[])


def test_one_byte_at_a_time_is_served_and_disturbs_nobody(siege: Siege) -> None:
    entity = request("api_versions", 3, client_software_name="slow", client_software_version="1")
    with siege.attack("slow loris", growth_max=100 * HALF_OPEN_BYTES_MAX), ExitStack() as stack:
        slow = connections(siege, stack, 100)
        for byte in framed(entity):
            for each in slow:
                each.sendall(bytes((byte,)))
        for each in slow:
            assert receive(each, type(entity)).error_code.name == "none"


def fill(connection: socket.socket, content: bytes) -> None:
    """Send again and again until the broker takes no more for a while."""
    connection.settimeout(0.5)
    with suppress(TimeoutError, ConnectionError):
        for _ in range(times(20_000)):
            connection.sendall(content)


def test_a_client_that_never_reads_is_not_read_from(siege: Siege) -> None:
    """Unsent: 1 MiB and one response of each connection, and what it was sent while its requests wait."""
    entity = request("metadata", 12, topics=None)
    with siege.attack("never reads", growth_max=10 * 4 * MIB), ExitStack() as stack:
        for each in connections(siege, stack, 10):
            fill(each, framed(entity) * 20)


def test_a_client_that_fetches_and_never_reads_is_not_read_from(siege: Siege) -> None:
    assert FETCH == 1
    partition = {"partition": 0, "fetch_offset": 0, "partition_max_bytes": 1 << 20}
    topics = [{"topic": "bystander", "partitions": [partition]}]
    entity = request("fetch", 12, max_bytes=1 << 20, topics=topics, forgotten_topics_data=[])
    with siege.attack("fetches and never reads", growth_max=10 * 6 * MIB), ExitStack() as stack:
        for each in connections(siege, stack, 10):
            fill(each, framed(entity) * 20)


def test_thousands_of_pipelined_requests_are_all_answered(siege: Siege) -> None:
    entity = request("metadata", 12, topics=[])
    count = times(5_000)
    with siege.attack("pipelined requests", growth_max=32 * MIB), siege.connect() as connection:
        connection.sendall(b"".join(framed(entity, number) for number in range(count)))
        for _ in range(count):
            receive(connection, type(entity))


def test_thousands_of_long_polls_wait_and_are_let_go(siege: Siege) -> None:
    partition = {"partition": 0, "fetch_offset": 0, "partition_max_bytes": 1 << 20}
    topics = [{"topic": "stored", "partitions": [partition]}]
    entity = request(
        "fetch", 12, max_wait=timedelta(seconds=30), min_bytes=1, max_bytes=1 << 20, topics=topics,
        forgotten_topics_data=[],
    )  # fmt: skip
    with siege.attack("long polls", growth_max=48 * MIB), ExitStack() as stack:
        for each in connections(siege, stack, 1_000):
            each.sendall(framed(entity) * 3)
        siege.ask("metadata", 12, topics=[])
    siege.ask("metadata", 12, topics=[])
