"""Silent connections are closed in time, which here is virtual."""

import asyncio
from typing import Any

from odradek.broker.listener import listen
from odradek.config import Listener
from odradek.simulation import Process, World
from tests.broker.frames import FrameServer, frame, order

PORT = 9092
CONFIG = {"connections.max.idle.ms": 600_000}


async def serve(process: Process) -> None:
    server = FrameServer(CONFIG)
    bound = await listen(server.connections, Listener("PLAINTEXT", "", PORT), 50)
    await bound.serve()
    server.connections.start()
    await asyncio.Event().wait()


async def seconds_until_closed(*, asks_every_s: float) -> float:
    """How long a connection lives whose client asks so often."""
    loop = asyncio.get_running_loop()
    reader, writer = await asyncio.open_connection("server", PORT)
    started = loop.time()
    writer.write(frame(order("echo")))
    await reader.readexactly(20)
    while loop.time() - started < 3600:
        try:
            async with asyncio.timeout(asks_every_s):
                assert await reader.read(1) == b""
                break
        except TimeoutError:
            writer.write(frame(order("echo")))
            await reader.readexactly(20)
        except ConnectionError:
            break
    writer.close()
    return loop.time() - started


async def clients(process: Process) -> None:
    silent, lively = await asyncio.gather(
        seconds_until_closed(asks_every_s=3600), seconds_until_closed(asks_every_s=500)
    )
    assert 600 <= silent <= 620
    assert lively >= 3600


def test_a_silent_connection_is_closed_and_a_lively_one_is_not() -> None:
    with World(1) as world:
        world.machine("server").start(serve)
        world.run(clients, on="client")


def test_a_client_that_never_reads_is_cut_off() -> None:
    lost: list[Any] = []

    async def serve_and_watch(process: Process) -> None:
        server = FrameServer(CONFIG)
        bound = await listen(server.connections, Listener("PLAINTEXT", "", PORT), 50)
        await bound.serve()
        server.connections.start()
        while not server.begun:  # noqa: ASYNC110
            await asyncio.sleep(1)
        while len(server.connections):  # noqa: ASYNC110
            await asyncio.sleep(1)
        lost.append(asyncio.get_running_loop().time())
        await asyncio.Event().wait()

    async def never_read(process: Process) -> None:
        await asyncio.get_running_loop().create_connection(Deaf, "server", PORT)
        await asyncio.sleep(1000)
        assert lost
        assert 600 <= lost[0] <= 630

    with World(2) as world:
        world.machine("server").start(serve_and_watch)
        world.run(never_read, on="client")


class Deaf(asyncio.Protocol):
    """Asks for a lot and reads nothing."""

    def connection_made(self, transport: Any) -> None:
        transport.pause_reading()
        transport.write(frame(order("pooled", 8 << 20)))
