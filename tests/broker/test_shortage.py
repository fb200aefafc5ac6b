"""When clients together hold what a broker may hold for them: who waits, who is cut off. Virtual time."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from odradek.broker.connections import RELIEF_SECONDS, REQUEST_SECONDS
from odradek.broker.listener import listen
from odradek.config import Listener
from odradek.simulation import Process, World
from tests.broker.frames import FrameServer, frame, order

PORT = 9092
MIB = 1 << 20
LIMIT = MIB
SHORT_OF_RESPONSES = {"odradek.queued.max.response.bytes": LIMIT}
SHORT_OF_REQUESTS = {"queued.max.request.bytes": LIMIT, "socket.request.max.bytes": LIMIT}
HELD = 8 * MIB
"""Of a response: more than a network takes."""

Script = Callable[[FrameServer], Awaitable[None]]


def play(config: dict[str, Any], script: Script) -> None:
    """Clients of one server, whose connections the script may look into."""
    servers: list[FrameServer] = []

    async def serve(process: Process) -> None:
        server = FrameServer(config)
        bound = await listen(server.connections, Listener("PLAINTEXT", "", PORT), 50)
        await bound.serve()
        server.connections.start()
        servers.append(server)
        await asyncio.Event().wait()

    async def clients(process: Process) -> None:
        while not servers:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        await script(servers[0])

    with World(3) as world:
        world.machine("server").start(serve)
        world.run(clients, on="client")


class Peer(asyncio.Protocol):
    """Reads only when it is told to."""

    def __init__(self) -> None:
        self.is_lost = False
        self.taken = 0
        self.transport: Any = None

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        transport.pause_reading()

    def data_received(self, data: bytes) -> None:
        self.taken += len(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_lost = True


async def peer(*contents: bytes, unfinished: bytes = b"") -> Peer:
    _, found = await asyncio.get_running_loop().create_connection(Peer, "server", PORT)
    found.transport.write(b"".join(frame(content) for content in contents) + unfinished)
    return found


def is_full(server: FrameServer) -> bool:
    """Clients do not take more than the broker may hold for them."""
    return server.connections.unsent.is_full


ANY = order("echo", 7)
HEARTBEAT = b"\x00\x0c      %08d" % 7
"""Begins with the API key that Heartbeat has; the server echoes what it does not know."""


async def is_answered(content: bytes = ANY) -> bool:
    """Whether a client that asks for little gets it."""
    reader, writer = await asyncio.open_connection("server", PORT)
    writer.write(frame(content))
    try:
        return await reader.readexactly(20) == frame(content)
    except asyncio.IncompleteReadError:
        return False
    finally:
        writer.close()


def test_who_does_not_read_is_cut_off_when_others_wait_for_the_room() -> None:
    async def script(server: FrameServer) -> None:
        deaf = [await peer(order("pooled", HELD)) for _ in range(3)]
        await asyncio.sleep(1)
        assert is_full(server)
        assert len(server.begun) < 3
        assert await is_answered()
        assert not is_full(server)
        assert server.connections.cut_off > 0
        for each in deaf:
            each.transport.resume_reading()
        await asyncio.sleep(1)
        assert [each.is_lost for each in deaf].count(True) == server.connections.cut_off

    play(SHORT_OF_RESPONSES, script)


def test_frames_that_began_while_there_was_room_grow_one_after_the_other() -> None:
    async def script(server: FrameServer) -> None:
        size, received = MIB - 100, server.connections.received
        peers = [await peer(unfinished=frame(bytes(size))[:3_000]) for _ in range(20)]
        await asyncio.sleep(0.1)
        assert received.waiting == 0
        for each in peers:
            each.transport.write(bytes(size + 4 - 3_000 - 1))
        await asyncio.sleep(0.5)
        assert received.waiting > 15
        assert received.bytes < LIMIT + 2 * MIB
        assert await is_answered()
        for each in peers:
            each.transport.write(b"\0")
        deadline = asyncio.get_running_loop().time() + 60
        while received.waiting:
            assert asyncio.get_running_loop().time() < deadline
            await asyncio.sleep(0.1)

    play(SHORT_OF_REQUESTS, script)


def test_what_is_answered_briefly_does_not_wait_for_room() -> None:
    async def script(server: FrameServer) -> None:
        await peer(order("pooled", HELD))
        await asyncio.sleep(1)
        waiting = asyncio.ensure_future(is_answered())
        assert await is_answered(HEARTBEAT)
        assert server.connections.cut_off == 0
        assert not waiting.done()
        assert await waiting

    play(SHORT_OF_RESPONSES, script)


def test_nobody_is_cut_off_while_nobody_waits() -> None:
    async def script(server: FrameServer) -> None:
        deaf = await peer(order("pooled", HELD))
        await asyncio.sleep(100 * RELIEF_SECONDS)
        assert is_full(server)
        deaf.transport.resume_reading()
        while deaf.taken < HELD:  # noqa: ASYNC110
            await asyncio.sleep(0.1)
        assert not is_full(server)
        assert server.connections.cut_off == 0

    play(SHORT_OF_RESPONSES, script)


def test_who_reads_slowly_is_waited_for() -> None:
    async def script(server: FrameServer) -> None:
        slow = await peer(order("pooled", HELD))
        await asyncio.sleep(1)
        waiting = asyncio.ensure_future(is_answered())
        while not waiting.done():
            slow.transport.resume_reading()
            await asyncio.sleep(0.01)
            slow.transport.pause_reading()
            await asyncio.sleep(RELIEF_SECONDS / 4)
        assert await waiting
        assert not slow.is_lost
        assert server.connections.cut_off == 0

    play(SHORT_OF_RESPONSES, script)


def test_plain_responses_that_are_not_taken_count_as_well() -> None:
    async def script(server: FrameServer) -> None:
        ask = order("echo", 1, padding=600_000)
        deaf = [await peer(*[ask] * 20) for _ in range(4)]
        await asyncio.sleep(1)
        held = server.connections.unsent.bytes
        assert LIMIT < held < 3 * LIMIT
        assert await is_answered()
        assert server.connections.cut_off > 0
        for each in deaf:
            each.transport.abort()
        await asyncio.sleep(1)
        assert server.connections.unsent.bytes == 0

    play(SHORT_OF_RESPONSES, script)


def test_requests_that_never_end_give_way_to_those_that_do() -> None:
    size = 300_000

    async def script(server: FrameServer) -> None:
        begun = (size + 16).to_bytes(4, "big") + order("echo") + bytes(size // 2 - 16)
        lame = [await peer(unfinished=begun) for _ in range(20)]
        await asyncio.sleep(1)
        received = server.connections.received
        assert received.is_full
        assert received.buffer_bytes < 20 * MIB
        started = asyncio.get_running_loop().time()
        whole = await peer(order("echo", 5, padding=size))
        whole.transport.resume_reading()
        while whole.taken < size:
            await asyncio.sleep(0.1)
            assert not whole.is_lost
        assert asyncio.get_running_loop().time() - started < 3 * REQUEST_SECONDS
        for each in lame:
            each.transport.resume_reading()
        await asyncio.sleep(1)
        assert [each.is_lost for each in lame].count(True) == server.connections.cut_off > 0

    play(SHORT_OF_REQUESTS, script)
