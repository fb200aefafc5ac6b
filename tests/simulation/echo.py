"""A small world that uses everything: a server that stores and echoes lines, a client, a crash, a restart."""

import asyncio
import contextlib
import os

from odradek.simulation import Process, World

PORT = 9092
LINES = 30


async def serve(process: Process) -> None:
    files = process.host.files
    fd = files.open("/lines", os.O_RDWR | os.O_CREAT)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.closing(writer):
            while line := await reader.readline():
                files.pwritev(fd, [line], files.size(fd))
                await process.loop.run_in_executor(None, files.datasync, fd)
                writer.write(line)

    server = await asyncio.start_server(answer, port=PORT)
    await server.serve_forever()


async def send_lines(process: Process) -> None:
    answered = 0
    while answered < LINES:
        try:
            reader, writer = await asyncio.open_connection("server", PORT)
            with contextlib.closing(writer):
                answered = await send_over(reader, writer, answered)
        except (ConnectionError, TimeoutError):
            await asyncio.sleep(process.host.random.random())


async def send_over(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answered: int) -> int:
    """Send until all is answered or the connection ends."""
    while answered < LINES:
        writer.write(b"line %d\n" % answered)
        async with asyncio.timeout(1):
            if not await reader.readline():
                break
        answered += 1
    return answered


async def scenario(process: Process) -> None:
    names = {f"task {number}" for number in range(5)}
    async with asyncio.TaskGroup() as group:
        group.create_task(send_lines(process))
        for name in sorted(names):
            group.create_task(asyncio.sleep(process.host.random.random()), name=name)
        await asyncio.sleep(0.02)
        server = process.world.machine("server")
        server.crash(process.host.random.choice(("process", "power")))
        await asyncio.sleep(0.5)
        server.start(serve)


def run_echo_world(seed: int) -> str:
    """The digest of the run."""
    with World(seed) as world:
        world.machine("server").start(serve)
        world.run(scenario)
        world.check()
        return world.digest
