"""Connections over a simulated network: pieces of any size, sending late, and buffers scribbled over once released."""

import asyncio
import random
import struct

import pytest

from odradek.broker.listener import listen
from odradek.config import Listener
from odradek.simulation import Process, World
from tests.broker.frames import FrameServer, frame, order

PORT = 9092
SIZE = struct.Struct(">i")


@pytest.mark.parametrize("seed", range(15))
def test_every_answer_comes_whole_and_in_order(seed: int) -> None:
    async def serve(process: Process) -> None:
        server = FrameServer({})
        bound = await listen(server.connections, Listener("PLAINTEXT", "", PORT), 50)
        await bound.serve()
        chance = random.Random(f"{seed} server")
        while True:
            await asyncio.sleep(chance.random() * 0.001)
            if server.waiting:
                server.answer(chance.choice(list(server.waiting)))

    async def ask(process: Process) -> None:
        await asyncio.gather(*(converse(random.Random(f"{seed} client {i}"), 1000 * i) for i in range(3)))

    with World(seed) as world:
        world.machine("server").start(serve)
        world.run(ask, on="client")


async def converse(chance: random.Random, first: int) -> None:
    reader, writer = await asyncio.open_connection("server", PORT)
    expected = []
    for number in range(first, first + 60):
        name = chance.choice(["echo", "echo", "pooled", "later", "alone", "nothing"])
        if name == "pooled":
            size, mark = chance.choice([100, 70_000, 400_000]), bytes([chance.randrange(65, 91)])
            writer.write(frame(order(name, size) + mark))
            expected.append(mark * size)
            continue
        content = order(name, number) + chance.randbytes(chance.choice([0, 0, 100, 90_000, 300_000]))
        writer.write(frame(content))
        if name == "echo":
            expected.append(content)
        elif name != "nothing":
            expected.append(order("late", number))
    for content in expected:
        (size,) = SIZE.unpack(await reader.readexactly(4))
        assert await reader.readexactly(size) == content
    writer.close()
