"""A TCP proxy that misbehaves on demand: it delays and dribbles, cuts, refuses, swallows what should go through.

It runs on the loop of the test. Swallowed bytes never arrive, so a connection that lost some can only be cut.
"""

import asyncio
import random
from dataclasses import dataclass
from enum import Enum


class Way(Enum):
    """Directions bytes go."""

    TO_SERVER = "to the server"
    TO_CLIENT = "to the client"


BOTH = frozenset(Way)
READ_BYTES = 64 * 1024


@dataclass(slots=True)
class Dribble:
    """Bytes go on in pieces of at most `piece_bytes`, each after a drawn delay of at most `delay_s_max`."""

    random: random.Random
    piece_bytes: int
    delay_s_max: float


class FaultyProxy:
    """Listens on a free port of 127.0.0.1 and leads to `target` (host and port)."""

    def __init__(self, target: tuple[str, int], dribble: Dribble | None = None) -> None:
        self._target, self._dribble = target, dribble
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._pumps: set[asyncio.Task[None]] = set()
        self.swallowed: frozenset[Way] = frozenset()
        """Directions in which nothing arrives any more; what is read is thrown away."""
        self.refuses = False
        """New connections are closed at once."""
        self._lose_replies_after: bytes | None = None
        self.connections = 0
        """Accepted so far."""

    async def start(self) -> str:
        """Its address."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        host, port = self._server.sockets[0].getsockname()
        return f"{host}:{port}"

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        self.cut()
        for pump in self._pumps:
            pump.cancel()
        await asyncio.gather(*self._pumps, return_exceptions=True)
        await self._server.wait_closed()

    def cut(self) -> None:
        """Reset every connection."""
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()

    def heal(self) -> None:
        """Everything goes through again, on new connections."""
        self.swallowed, self.refuses, self._lose_replies_after = frozenset(), False, None
        self.cut()

    def lose_replies_after(self, words: bytes) -> None:
        """Once these bytes have gone to the server, it is not heard any more."""
        self._lose_replies_after = words

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        if self.refuses:
            writer.transport.abort()
            return
        try:
            server_reader, server_writer = await asyncio.open_connection(*self._target)
        except OSError:
            writer.transport.abort()
            return
        self._writers |= {writer, server_writer}
        self._pump(reader, server_writer, Way.TO_SERVER)
        self._pump(server_reader, writer, Way.TO_CLIENT)

    def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, way: Way) -> None:
        task = asyncio.get_running_loop().create_task(self._forward(reader, writer, way))
        self._pumps.add(task)
        task.add_done_callback(self._pumps.discard)

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, way: Way) -> None:
        try:
            while data := await reader.read(READ_BYTES):
                if way is Way.TO_SERVER and self._lose_replies_after is not None and self._lose_replies_after in data:
                    self.swallowed |= {Way.TO_CLIENT}
                if way not in self.swallowed:
                    await self._pass_on(data, writer)
        except OSError:
            pass
        finally:
            writer.transport.abort()
            self._writers.discard(writer)

    async def _pass_on(self, data: bytes, writer: asyncio.StreamWriter) -> None:
        if self._dribble is None:
            writer.write(data)
            await writer.drain()
            return
        size = self._dribble.piece_bytes
        for start in range(0, len(data), size):
            writer.write(data[start : start + size])
            await writer.drain()
            await asyncio.sleep(self._dribble.random.uniform(0, self._dribble.delay_s_max))
