"""A proxy between clients and a served store that cuts connections at random points."""

import asyncio
import random
from collections.abc import Callable

from odradek.metastore.shared.framing import FrameReader, frame
from odradek.metastore.shared.messages import REPLY_BYTES_MAX, Reply, Request, decode_reply, decode_request

HELLO_ID = 1
"""The first request of a connection: one that always got cut before its reply would never serve anybody."""


class CuttingProxy:
    """Cuts with the given rate for each message of either direction, often in its middle."""

    def __init__(self, path: str, target: str, rate: float, seed: int) -> None:
        self.path, self._target = path, target
        self._rate, self._random = rate, random.Random(seed)
        self._tasks: set[asyncio.Task[None]] = set()
        self.cuts = 0

    async def start(self) -> None:
        self._server = await asyncio.start_unix_server(self._accept, self.path)

    async def stop(self) -> None:
        self._server.close()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            upstream, downstream = await asyncio.open_unix_connection(self._target)
        except OSError:
            writer.transport.abort()
            return
        ways = [
            asyncio.ensure_future(self._pump(reader, downstream, decode_request)),
            asyncio.ensure_future(self._pump(upstream, writer, decode_reply)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            writer.transport.abort()
            downstream.transport.abort()

    async def _pump(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, decode: Callable[[bytes], Request | Reply]
    ) -> None:
        """Until the end of the source, or a cut."""
        frames = FrameReader(2 * REPLY_BYTES_MAX)
        while data := await source.read(65_536):
            for message in frames.feed(data):
                framed = frame(message)
                if decode(message).id != HELLO_ID and self._random.random() < self._rate:
                    self.cuts += 1
                    sink.write(framed[: self._random.randrange(len(framed) + 1)])
                    await sink.drain()
                    return
                sink.write(framed)
            await sink.drain()
