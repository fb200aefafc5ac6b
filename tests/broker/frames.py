"""A server of bare connections: each request says itself how it wants to be answered.

The content of a frame is an order and any padding: `echo` comes back as it is, `nothing` gets no answer, `later` and
`alone` wait until the test answers them (nothing behind `alone` is begun), `pooled` comes back in a buffer of the pool
with as many bytes as it says, `close` and `fail` end the connection.
"""

import asyncio
import struct
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any

from odradek.broker.connection import Connection
from odradek.broker.connections import Connections
from odradek.broker.delayed import DelayedResponse, PooledResponse, Response
from odradek.broker.listener import listen
from odradek.config import BrokerConfig, Listener
from odradek.wire.errors import MalformedRequestError

SIZE = struct.Struct(">i")


def frame(content: bytes) -> bytes:
    return SIZE.pack(len(content)) + content


def order(name: str, number: int = 0, padding: int = 0) -> bytes:
    """The content of a request."""
    return b"%-8s%08d" % (name.encode(), number) + bytes(padding)


class Alone(DelayedResponse):
    exclusive = True


class FrameServer:
    """`begun` lists the requests in the order they were served; `waiting` those not answered yet, by number."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        self.config = BrokerConfig.parse(config)
        self.begun: list[bytes] = []
        self.waiting: dict[int, DelayedResponse] = {}
        self.cancelled: list[DelayedResponse] = []
        self.port = 0
        self._clients: list[FrameClient] = []
        self.connections = Connections(asyncio.get_running_loop(), lambda: self.config, self._serve)

    async def connect(self) -> "FrameClient":
        """A client, closed at the end of the test."""
        client = FrameClient(*await asyncio.open_connection("127.0.0.1", self.port))
        self._clients.append(client)
        return client

    async def disconnect(self) -> None:
        """Close all clients."""
        for client in self._clients:
            client.close()
        for client in self._clients:
            with suppress(ConnectionError):
                await client.writer.wait_closed()

    def answer(self, number: int) -> None:
        """Answer one that waits."""
        self.waiting.pop(number).complete(frame(order("late", number)))

    def _serve(self, connection: Connection, view: memoryview, start: int, end: int) -> Response | DelayedResponse:
        content = bytes(view[start:end])
        self.begun.append(content[:16])
        name, number = content[:8].strip().decode(), int(content[8:16])
        match name:
            case "nothing":
                return None
            case "later" | "alone":
                delayed = self.waiting[number] = (Alone if name == "alone" else DelayedResponse)(connection)
                return delayed
            case "pooled":
                return self._pooled(content, number)
            case "bad":
                raise MalformedRequestError("as ordered")
            case "fail":
                raise RuntimeError("as ordered")
        return frame(content)

    def _pooled(self, content: bytes, size: int) -> PooledResponse:
        buffer = self.connections.pool.take(size + 4)
        mark = content[16:17] or b"x"
        buffer[: size + 4] = frame(mark * size)
        return PooledResponse(buffer, size + 4)


@asynccontextmanager
async def serving(**config: Any) -> AsyncIterator[FrameServer]:
    """A server. Configuration keys have underscores for dots."""
    server = FrameServer({key.replace("_", "."): value for key, value in config.items()})
    bound = await listen(server.connections, Listener("PLAINTEXT", "127.0.0.1", 0), 50)
    server.port = bound.port
    await bound.serve()
    server.connections.start()
    try:
        yield server
    finally:
        bound.close()
        await server.disconnect()
        server.connections.stop("the test is over")
        await until(lambda: not len(server.connections))


async def until(condition: Any, seconds: float = 20.0) -> None:
    """Return when the condition holds; fail when it does not within the time."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.001)


class FrameClient:
    """A client that sends and receives when it is told to."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    def send(self, *contents: bytes) -> None:
        self.writer.write(b"".join(frame(content) for content in contents))

    def send_raw(self, data: bytes) -> None:
        self.writer.write(data)

    async def receive(self) -> bytes:
        """The content of the next response. Raises IncompleteReadError when the connection ends."""
        async with asyncio.timeout(20):
            (size,) = SIZE.unpack(await self.reader.readexactly(4))
            return await self.reader.readexactly(size)

    async def ask(self, content: bytes) -> bytes:
        self.send(content)
        return await self.receive()

    async def is_closed_by_the_server(self) -> bool:
        """Wait for the end of the connection; whether it came without another byte."""
        async with asyncio.timeout(20):
            try:
                return await self.reader.read(1) == b""
            except ConnectionError:
                return True

    def close(self) -> None:
        self.writer.close()
