"""A link: one request at a time, answers of any size, and every way in which a connection can fail."""

import asyncio
import random
from collections.abc import Awaitable, Callable

import pytest

from odradek.replication import link as links
from odradek.replication.link import FIRST_BUFFER_BYTES, Link, LinkError
from odradek.simulation import Process, World
from odradek.wire.frame import SIZE

PORT = 9092
KEPT_BYTES = 1 << 20


class Echo(asyncio.Protocol):
    """Answers each frame with so many bytes as it says, or does what else it says."""

    def __init__(self) -> None:
        self.received = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.received += data
        while len(self.received) >= 4:
            end = 4 + SIZE.unpack_from(self.received)[0]
            if len(self.received) < end:
                return
            words = self.received[4:end].decode().split()
            del self.received[:end]
            self.obey(*words)

    def obey(self, what: str, *numbers: str) -> None:
        if what == "answer":
            size = int(numbers[0])
            self.transport.write(SIZE.pack(size) + pattern(size))
        elif what == "twice":
            self.transport.write(2 * (SIZE.pack(3) + b"abc"))
        elif what == "raw":
            self.transport.write(SIZE.pack(int(numbers[0])))
        elif what == "half":
            self.transport.write(SIZE.pack(100) + b"half")
            self.transport.close()
        elif what == "reset":
            self.transport.abort()


def pattern(size: int) -> bytes:
    return random.Random(size).randbytes(size)


def ask(text: str) -> bytes:
    return SIZE.pack(len(text)) + text.encode()


async def ask_twice(link: Link, request_text: str) -> None:
    """What is too much may only show when something else is asked."""
    await link.exchange(ask(request_text), 5.0)
    await asyncio.sleep(1.0)
    await link.exchange(ask("answer 3"), 5.0)


async def connect(process: Process, host: str = "leader", port: int = PORT) -> Link:
    async with asyncio.timeout(5.0):
        return await Link.connect(process.loop, host, port, kept_bytes=KEPT_BYTES, system_buffer=links.SYSTEM_DEFAULT)


def run(scenario: Callable[[Process, World], Awaitable[None]], seed: int = 1) -> None:
    """With the echo on machine "leader"."""

    async def serve(process: Process) -> None:
        await process.loop.create_server(Echo, "leader", PORT)
        await process.loop.create_future()

    async def client(process: Process) -> None:
        while True:
            try:
                (await connect(process)).close()
                break
            except ConnectionRefusedError:
                await asyncio.sleep(0.01)
        await scenario(process, world)

    with World(seed) as world:
        world.machine("leader").start(serve)
        world.run(client, on="follower")
        world.check()


@pytest.mark.parametrize("seed", range(5))
def test_answers_of_all_sizes_are_received_whole_into_a_buffer_that_grows_and_is_given_up_again(seed: int) -> None:
    async def scenario(process: Process, _: World) -> None:
        link = await connect(process)
        chance = random.Random(seed)
        sizes = [1, FIRST_BUFFER_BYTES - 5, FIRST_BUFFER_BYTES - 4, FIRST_BUFFER_BYTES, 3 * KEPT_BYTES]
        for size in [*sizes, *(chance.randint(1, 300_000) for _ in range(10))]:
            answer = await link.exchange(ask(f"answer {size}"), 30.0)
            assert bytes(answer) == pattern(size)
            assert len(link._buffer) <= max(KEPT_BYTES + links.ROOM_BYTES, size + SIZE.size + 1)
        await link.exchange(ask("answer 3"), 5.0)
        assert len(link._buffer) <= KEPT_BYTES + links.ROOM_BYTES
        link.close()

    run(scenario, seed)


def test_a_large_buffer_is_given_up_when_answers_stay_small() -> None:
    async def scenario(process: Process, _: World) -> None:
        link = await connect(process)
        await link.exchange(ask(f"answer {KEPT_BYTES}"), 30.0)
        for _number in range(links.SMALL_ANSWERS):
            await link.exchange(ask("answer 30"), 30.0)
            assert len(link._buffer) > KEPT_BYTES
        for _number in range(2):
            await link.exchange(ask("answer 30"), 30.0)
        assert len(link._buffer) == FIRST_BUFFER_BYTES
        assert bytes(await link.exchange(ask("answer 30"), 30.0)) == pattern(30)
        link.close()

    run(scenario)


@pytest.mark.parametrize(
    ("request_text", "reason"),
    [
        ("half", "closed"),
        ("reset", "lost|closed"),
        ("twice", "more than the answer"),
        ("raw 0", "an answer of 0 bytes"),
        ("raw -5", "an answer of -5 bytes"),
        (f"raw {links.RESPONSE_BYTES_MAX + 1}", "an answer of"),
    ],
)
def test_what_is_no_answer_ends_the_link(request_text: str, reason: str) -> None:
    async def scenario(process: Process, _: World) -> None:
        link = await connect(process)
        with pytest.raises(LinkError, match=reason):
            await ask_twice(link, request_text)
        assert link.is_lost
        with pytest.raises(LinkError):
            await link.exchange(ask("answer 3"), 5.0)

    run(scenario)


def test_a_broker_that_does_not_answer_is_given_up() -> None:
    async def scenario(process: Process, world: World) -> None:
        link = await connect(process)
        world.network.partition("leader", "follower")
        with pytest.raises(TimeoutError):
            await link.exchange(ask("answer 3"), 2.0)
        assert link.is_lost
        with pytest.raises(TimeoutError):
            await connect(process)
        world.network.heal()

    run(scenario)


def test_a_connection_that_is_reset_while_nothing_is_asked_shows_at_the_next_request() -> None:
    async def scenario(process: Process, world: World) -> None:
        link = await connect(process)
        await link.exchange(ask("answer 3"), 5.0)
        assert world.network.reset_connections("leader", "follower")
        with pytest.raises(LinkError):
            await link.exchange(ask("answer 3"), 5.0)

    run(scenario)


def test_a_port_nobody_listens_on_is_refused() -> None:
    async def scenario(process: Process, _: World) -> None:
        with pytest.raises(ConnectionRefusedError):
            await connect(process, port=1)

    run(scenario)
