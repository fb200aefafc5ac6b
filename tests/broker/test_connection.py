"""Connections over real sockets, on both kinds of loop."""

import asyncio
import logging
import random
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
import uvloop

from odradek.broker.admission import Admission
from odradek.broker.buffers import RECEIVE_SIZE
from odradek.broker.connection import EXACT_MIN, QUICK_REQUEST_BYTES_MAX, REQUESTS_IN_FLIGHT_MAX, WAITING_BYTES_MAX
from odradek.broker.turns import TURN_REQUESTS_MAX, TURN_SECONDS
from tests.broker.frames import FrameClient, frame, order, serving, until

Run = Callable[[Coroutine[Any, Any, None]], None]


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Run:
    return asyncio.run if request.param == "asyncio" else uvloop.run


def number_of(content: bytes) -> int:
    return int(content[8:16])


@pytest.mark.parametrize("seed", range(5))
def test_frames_of_any_size_in_any_pieces_are_answered_in_order(run: Run, seed: int) -> None:
    rng = random.Random(seed)
    sizes = [rng.choice([0, 5, 300, 20_000, 70_000, 300_000, 1_200_000, 3_000_000]) for _ in range(40)]
    contents = [order("echo", i) + rng.randbytes(size) for i, size in enumerate(sizes)]

    async def pieces(client: FrameClient) -> None:
        stream, position = b"".join(frame(content) for content in contents), 0
        while position < len(stream):
            size = rng.choice([1, 3, 7, 100, 5_000, 100_000, 2_000_000])
            client.send_raw(stream[position : position + size])
            await client.writer.drain()
            if rng.random() < 0.5:
                await asyncio.sleep(0)
            position += size

    async def script() -> None:
        async with serving() as server:
            client = await server.connect()
            sending = asyncio.create_task(pieces(client))
            for content in contents:
                assert await client.receive() == content
            await sending

    run(script())


def test_many_frames_of_one_read_are_answered_together(run: Run) -> None:
    async def script() -> None:
        async with serving() as server:
            client = await server.connect()
            await client.ask(order("echo"))
            (connection,) = server.connections._open
            written: list[int] = []
            write = connection.transport.write
            connection.transport = RecordingTransport(connection.transport, written)  # type: ignore[assignment]
            client.send(*(order("echo", i) for i in range(50)))
            for i in range(50):
                assert number_of(await client.receive()) == i
            assert len(written) < 5
            assert sum(written) == 50 * 20
            assert write is not None

    run(script())


class RecordingTransport:
    """Passes everything on and notes the sizes of writes."""

    def __init__(self, transport: asyncio.Transport, written: list[int]) -> None:
        self._transport, self._written = transport, written

    def write(self, data: bytes) -> None:
        self._written.append(len(data))
        self._transport.write(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


def test_responses_leave_in_the_order_of_their_requests(run: Run) -> None:
    async def script() -> None:
        async with serving() as server:
            client = await server.connect()
            client.send(order("later", 1), order("echo", 2), order("later", 3), order("nothing", 4), order("echo", 5))
            await until(lambda: len(server.begun) == 5)
            server.answer(3)
            server.answer(1)
            assert [number_of(await client.receive()) for _ in range(4)] == [1, 2, 3, 5]

    run(script())


def test_nothing_is_begun_behind_a_request_that_wants_to_be_alone(run: Run) -> None:
    async def script() -> None:
        async with serving() as server:
            client = await server.connect()
            client.send(order("echo", 1), order("alone", 2), order("echo", 3, padding=500_000), order("echo", 4))
            assert number_of(await client.receive()) == 1
            other = await server.connect()
            assert number_of(await other.ask(order("echo", 9))) == 9
            assert [number_of(each) for each in server.begun] == [1, 2, 9]
            server.answer(2)
            assert [number_of(await client.receive()) for _ in range(3)] == [2, 3, 4]

    run(script())


def test_requests_in_flight_are_bounded(run: Run) -> None:
    count = REQUESTS_IN_FLIGHT_MAX + 50

    async def script() -> None:
        async with serving() as server:
            client = await server.connect()
            client.send(*(order("later", i) for i in range(count)))
            await until(lambda: len(server.begun) == REQUESTS_IN_FLIGHT_MAX)
            client.send(*(order("echo", count + i) for i in range(10)))
            other = await server.connect()
            await other.ask(order("echo", 9999))
            assert len(server.begun) == REQUESTS_IN_FLIGHT_MAX + 1
            for i in range(count):
                await until(lambda i=i: i in server.waiting)
                server.answer(i)
            assert [number_of(await client.receive()) for _ in range(count + 10)] == list(range(count + 10))

    run(script())


def test_bytes_of_requests_in_flight_are_bounded(run: Run) -> None:
    count, size = 40, 1 << 20

    async def script() -> None:
        async with serving() as server:
            client = await server.connect()
            client.send(*(order("later", i, padding=size) for i in range(count)))
            begun = WAITING_BYTES_MAX // size
            await until(lambda: len(server.begun) == begun)
            assert server.connections.received.bytes <= WAITING_BYTES_MAX + 3 * RECEIVE_SIZE
            other = await server.connect()
            await other.ask(order("echo", 9999))
            assert len(server.begun) == begun + 1
            for i in range(count):
                await until(lambda i=i: i in server.waiting)
                server.answer(i)
            assert [number_of(await client.receive()) for _ in range(count)] == list(range(count))
            await until(lambda: server.connections.received.bytes == 0)

    run(script())


def test_what_waits_for_a_client_that_leaves_is_no_longer_counted(run: Run) -> None:
    async def script() -> None:
        async with serving() as server:
            client = await server.connect()
            client.send(*(order("later", i, padding=100_000) for i in range(5)))
            await until(lambda: len(server.begun) == 5)
            assert server.connections.received.bytes >= 500_000
            client.close()
            await until(lambda: not len(server.connections))
            assert server.connections.received.bytes == 0

    run(script())


def test_others_are_served_between_the_requests_of_one_that_sends_thousands(run: Run) -> None:
    count = 8 * TURN_REQUESTS_MAX

    async def script() -> None:
        async with serving() as server:
            flood, other = await server.connect(), await server.connect()
            flood.send(*(order("echo", i) for i in range(count)))
            other.send(order("echo", count))
            assert number_of(await other.receive()) == count
            assert [number_of(await flood.receive()) for _ in range(count)] == list(range(count))
            assert [number_of(each) for each in server.begun].index(count) <= 3 * TURN_REQUESTS_MAX

    run(script())


def test_others_are_served_between_the_large_first_requests_of_many(run: Run) -> None:
    """None of them is known to take long before it was served."""
    count, large = 20, 2 * QUICK_REQUEST_BYTES_MAX

    async def script() -> None:
        async with serving() as server:
            now, serve = [0.0], server.connections.serve

            def long(connection: Any, view: memoryview, start: int, end: int) -> Any:
                now[0] += 10 * TURN_SECONDS if end - start > large else 0.0
                return serve(connection, view, start, end)

            server.connections.serve, server.connections.turns.stopwatch = long, lambda: now[0]
            floods, other = [await server.connect() for _ in range(count)], await server.connect()
            requests = [frame(order("echo", number, large)) for number in range(count)]
            for flood, request in zip(floods, requests, strict=True):
                flood.send_raw(request[:-1])
            await until(lambda: server.connections.received.bytes >= sum(map(len, requests)) - count)
            for flood in floods:
                flood.send_raw(b"\0")
            other.send(order("echo", count))
            assert number_of(await other.receive()) == count
            assert [number_of(each) for each in server.begun].index(count) <= count // 4
            assert [number_of(await flood.receive()) for flood in floods] == list(range(count))

    run(script())


def test_a_client_that_does_not_read_is_not_served_any_further(run: Run) -> None:
    size = 4 << 20

    async def script() -> None:
        async with serving() as server:
            client = await server.connect()
            marks = [bytes([65 + i]) for i in range(20)]
            client.send(*(order("pooled", size) + mark for mark in marks))
            await until(lambda: server.begun)
            other = await server.connect()
            for i in range(20):
                assert number_of(await other.ask(order("echo", i))) == i
            served = sum(each.startswith(b"pooled") for each in server.begun)
            assert served < 10
            for mark in marks:
                assert await client.receive() == mark * size
            await until(lambda: sum(each.startswith(b"pooled") for each in server.begun) == 20)

    run(script())


def test_a_burst_that_nobody_reads_holds_little_more_than_what_is_unsent(run: Run) -> None:
    """What the kernel has taken is reclaimed within the burst, not after it."""

    async def script() -> None:
        async with serving() as server:
            before = server.connections.pool.lent_bytes
            client = await server.connect()
            client.writer.transport.pause_reading()  # type: ignore[attr-defined]
            client.send(*(order("pooled", 1_000_000) for _ in range(20)))
            (connection,) = server.connections._open
            await until(lambda: connection.is_writing_paused)
            unsent = connection.transport.get_write_buffer_size()
            assert server.connections.pool.lent_bytes - before <= unsent + 2 * RECEIVE_SIZE + EXACT_MIN

    run(script())


def test_buffers_come_back_to_the_pool_once_they_were_sent(run: Run) -> None:
    async def script() -> None:
        async with serving() as server:
            client = await server.connect()
            before = server.connections.pool.lent_bytes
            for i in range(30):
                mark = bytes([65 + i % 26])
                assert await client.ask(order("pooled", 300_000) + mark) == mark * 300_000
            await client.ask(order("echo"))
            await until(lambda: server.connections.pool.lent_bytes == before)
            assert server.connections.pool.kept_bytes <= 4 * RECEIVE_SIZE

    run(script())


@pytest.mark.parametrize("size", [-1, -(2**31), 0, 9, 100_001, 2**31 - 1])
def test_an_absurd_size_ends_the_connection_and_no_other(run: Run, size: int) -> None:
    async def script() -> None:
        async with serving(socket_request_max_bytes=100_000) as server:
            other = await server.connect()
            client = await server.connect()
            client.send(order("echo", 1))
            client.send_raw(size.to_bytes(4, "big", signed=True) + bytes(50))
            assert number_of(await client.receive()) == 1
            assert await client.is_closed_by_the_server()
            assert number_of(await other.ask(order("echo", 2))) == 2
            assert [number_of(each) for each in server.begun] == [1, 2]

    run(script())


def test_an_announced_size_allocates_nothing_before_the_bytes_are_there(run: Run) -> None:
    async def script() -> None:
        async with serving(socket_request_max_bytes=2**31 - 1) as server:
            clients = [await server.connect() for _ in range(20)]
            for client in clients:
                client.send_raw((2**31 - 1).to_bytes(4, "big") + bytes(100_000))
            await until(lambda: sum(each._filled for each in server.connections._open) >= 20 * 100_000)
            assert server.connections.pool.lent_bytes <= 21 * 2 * RECEIVE_SIZE
            for client in clients:
                client.close()
            await until(lambda: not len(server.connections))
            assert server.connections.pool.lent_bytes == RECEIVE_SIZE

    run(script())


def test_an_idle_connection_holds_no_buffer(run: Run) -> None:
    async def script() -> None:
        async with serving() as server:
            client = await server.connect()
            await client.ask(order("echo", padding=2_000_000))
            await client.ask(order("echo"))
            (connection,) = server.connections._open
            assert connection._frame is None

    run(script())


@pytest.mark.parametrize("name", ["bad", "fail"])
def test_a_request_that_cannot_be_served_ends_its_connection_after_earlier_answers(
    run: Run, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def script() -> None:
        async with serving() as server:
            client = await server.connect()
            client.send(order("echo", 1), order(name, 2), order("echo", 3))
            assert number_of(await client.receive()) == 1
            assert await client.is_closed_by_the_server()
            assert [number_of(each) for each in server.begun] == [1, 2]
            client.close()

    with caplog.at_level(logging.INFO):
        run(script())
    assert len([each for each in caplog.records if "closing the connection" in each.message]) == 1


def test_connections_of_one_address_are_bounded(run: Run) -> None:
    async def script() -> None:
        async with serving(max_connections_per_ip=2) as server:
            first, second, third = [await server.connect() for _ in range(3)]
            assert await third.is_closed_by_the_server()
            assert number_of(await first.ask(order("echo", 1))) == 1
            second.close()
            await until(lambda: len(server.connections) == 1)
            fourth = await server.connect()
            assert number_of(await fourth.ask(order("echo", 2))) == 2

    run(script())


def test_an_address_may_have_a_limit_of_its_own(run: Run) -> None:
    overrides = "10.0.0.7:0,127.0.0.1:3,::1:0"

    async def script() -> None:
        async with serving(max_connections_per_ip=0, max_connections_per_ip_overrides=overrides) as server:
            *welcome, refused = [await server.connect() for _ in range(4)]
            assert await refused.is_closed_by_the_server()
            for number, client in enumerate(welcome):
                assert number_of(await client.ask(order("echo", number))) == number
            assert server.connections.admission.refused == {"address": 1, "broker": 0}

    run(script())


def test_connections_leave_descriptors_for_files(run: Run) -> None:
    async def script() -> None:
        async with serving() as server:
            server.connections.admission = Admission(lambda: server.config, descriptors_max=2)
            first, second, third = [await server.connect() for _ in range(3)]
            assert await third.is_closed_by_the_server()
            assert number_of(await first.ask(order("echo", 1))) == 1
            assert number_of(await second.ask(order("echo", 2))) == 2

    run(script())


def test_connections_in_all_are_bounded(run: Run) -> None:
    async def script() -> None:
        async with serving(max_connections=1) as server:
            first, second = [await server.connect() for _ in range(2)]
            assert await second.is_closed_by_the_server()
            assert number_of(await first.ask(order("echo", 1))) == 1

    run(script())


def test_received_bytes_are_bounded_and_everybody_finishes(run: Run) -> None:
    size = 900_000

    async def script() -> None:
        async with serving(socket_request_max_bytes=1_000_000, queued_max_request_bytes=2_000_000) as server:
            clients = [await server.connect() for _ in range(12)]
            content = order("echo") + bytes(size)
            for client in clients:
                client.send_raw(frame(content)[: size // 2])
            await until(lambda: server.connections.received.waiting)
            most = server.connections.pool.lent_bytes
            assert most < 6_000_000
            for client in clients:
                client.send_raw(frame(content)[size // 2 :])
            for client in clients:
                assert await client.receive() == content

    run(script())


def test_what_waits_is_given_up_when_the_client_leaves(run: Run) -> None:
    async def script() -> None:
        async with serving() as server:
            client = await server.connect()
            client.send(order("later", 1), order("later", 2))
            await until(lambda: len(server.waiting) == 2)
            client.close()
            await until(lambda: not len(server.connections))
            server.answer(1)
            server.answer(2)

    run(script())
