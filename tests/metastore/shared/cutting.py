"""A proxy between clients and a served store that cuts connections at random points."""

import asyncio
import contextlib
import random
from collections.abc import Callable

from odradek.metastore.shared.framing import FrameReader, frame
from odradek.metastore.shared.messages import REPLY_BYTES_MAX, Reply, Request, decode_reply, decode_request

HELLO_ID = 1
"""The first request of a connection. It and its reply always get through."""
MESSAGES_MAX = (10, 100, 1_000)
"""One of these bounds how many messages get through a connection: a burst of requests needs one that lives longer."""


class CuttingProxy:
    """Cuts each connection at some message of either direction, often in its middle."""

    def __init__(self, path: str, target: str, seed: int) -> None:
        self.path, self._target = path, target
        self._random = random.Random(seed)
        self._tasks: dict[asyncio.Future[None], asyncio.StreamWriter] = {}
        self.cuts = 0

    async def start(self) -> None:
        self._server = await asyncio.start_unix_server(self._accept, self.path)

    async def stop(self) -> None:
        self._server.close()
        for writer in self._tasks.values():
            writer.transport.abort()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(self._carry(reader, writer))
        self._tasks[task] = writer
        task.add_done_callback(self._tasks.pop)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            upstream, downstream = await asyncio.open_unix_connection(self._target)
        except OSError:
            writer.transport.abort()
            return
        left = [self._random.randrange(self._random.choice(MESSAGES_MAX))]
        ways = [
            asyncio.ensure_future(self._pump(reader, downstream, decode_request, left)),
            asyncio.ensure_future(self._pump(upstream, writer, decode_reply, left)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            for end in (writer, downstream):
                end.transport.abort()
                with contextlib.suppress(OSError):
                    await end.wait_closed()

    async def _pump(
        self,
        source: asyncio.StreamReader,
        sink: asyncio.StreamWriter,
        decode: Callable[[bytes], Request | Reply],
        left: list[int],
    ) -> None:
        """Until the end of the source, or a cut when none is left of the messages that get through."""
        frames = FrameReader(2 * REPLY_BYTES_MAX)
        while data := await source.read(65_536):
            for message in frames.feed(data):
                framed = frame(message)
                left[0] -= decode(message).id != HELLO_ID
                if left[0] < 0:
                    self.cuts += 1
                    sink.write(framed[: self._random.randrange(len(framed) + 1)])
                    await sink.drain()
                    return
                sink.write(framed)
            await sink.drain()
