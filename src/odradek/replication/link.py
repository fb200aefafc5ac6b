"""A connection to another broker, for one request at a time: what is asked is sent, and the whole answer waited for.

The answer is received into one buffer, which is used again for the next: it grows with what was announced, up to what a
request may make a leader send, and what exceeds the usual bound is given up as soon as the answer has been used.
"""

import asyncio
import socket
from typing import cast

from odradek.wire.frame import SIZE

FIRST_BUFFER_BYTES = 64 << 10
ROOM_BYTES = 64 << 10
"""Of an answer beside its records."""
RESPONSE_BYTES_MAX = 256 << 20
"""No batch is larger than the largest request that a broker takes."""
SMALL_ANSWERS = 64
"""So many in a row, none of which needed a quarter of the buffer, give up a large one."""
SYSTEM_DEFAULT = -1


class LinkError(ConnectionError):
    """The connection is gone, or what arrives on it is no answer."""


class Link(asyncio.BufferedProtocol):
    """`kept_bytes`: a larger buffer than this is not kept. Use: `connect`, any number of `exchange`s, `close`."""

    def __init__(self, loop: asyncio.AbstractEventLoop, kept_bytes: int) -> None:
        self._loop = loop
        self._kept_bytes = kept_bytes + ROOM_BYTES
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray(FIRST_BUFFER_BYTES)
        self._view = memoryview(self._buffer)
        self._filled = 0
        self._needed = SIZE.size
        self._small_answers = 0
        self._answer: asyncio.Future[memoryview] | None = None
        self._lost: LinkError | None = None

    @classmethod
    async def connect(
        cls, loop: asyncio.AbstractEventLoop, host: str, port: int, *, kept_bytes: int, system_buffer: int
    ) -> "Link":
        """`system_buffer`: bytes the system may receive ahead, -1 for what it likes. Raises OSError."""
        transport, link = await loop.create_connection(lambda: cls(loop, kept_bytes), host, port)
        if system_buffer != SYSTEM_DEFAULT:
            transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, system_buffer)
        return link

    @property
    def is_lost(self) -> bool:
        """Nothing can be asked any more."""
        return self._lost is not None

    async def exchange(self, request: bytes, timeout_s: float) -> memoryview:
        """The answer, without its size; the view is valid until the next exchange. Raises LinkError, TimeoutError.

        After an error the link is of no use any more.
        """
        if self._lost is not None or self._transport is None:
            raise self._lost or LinkError("the connection is closed")
        is_small = 4 * self._needed < len(self._buffer)
        self._filled, self._needed = 0, SIZE.size
        self._small_answers = self._small_answers + 1 if is_small else 0
        if len(self._buffer) > (self._kept_bytes if self._small_answers < SMALL_ANSWERS else FIRST_BUFFER_BYTES):
            self._small_answers = 0
            self._replace(FIRST_BUFFER_BYTES)
        self._answer = self._loop.create_future()
        self._transport.write(request)
        try:
            async with asyncio.timeout(timeout_s):
                return await self._answer
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """At once: an answer that is under way is not wanted any more."""
        self._fail(LinkError("the connection is closed"))
        if self._transport is not None:
            self._transport.abort()

    # -- asyncio's callbacks --------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._view[self._filled :]

    def buffer_updated(self, nbytes: int) -> None:
        self._filled += nbytes
        if self._needed == SIZE.size and self._filled >= SIZE.size:
            self._begin()
        if self._filled > self._needed or self._answer is None:
            self._refuse("more than the answer has arrived")
        elif self._filled == self._needed and self._needed > SIZE.size and not self._answer.done():
            self._answer.set_result(self._view[SIZE.size : self._needed])

    def eof_received(self) -> bool:
        self._fail(LinkError("the broker has closed the connection"))
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail(LinkError(f"the connection was lost: {exc or 'closed by the broker'}"))
        self._transport = None

    def _begin(self) -> None:
        """The answer's size is known: make room for all of it."""
        (size,) = SIZE.unpack_from(self._buffer)
        if not 0 < size <= max(RESPONSE_BYTES_MAX, self._kept_bytes):
            self._refuse(f"an answer of {size} bytes")
            return
        self._needed = SIZE.size + size
        if self._needed >= len(self._buffer):  # One more byte than the answer has: the view is never empty.
            self._replace(max(self._needed + 1, min(2 * len(self._buffer), self._kept_bytes)))

    def _replace(self, size: int) -> None:
        buffer = bytearray(size)
        buffer[: self._filled] = self._view[: self._filled]
        self._buffer, self._view = buffer, memoryview(buffer)

    def _refuse(self, reason: str) -> None:
        self._fail(LinkError(reason))
        if self._transport is not None:
            self._transport.abort()

    def _fail(self, error: LinkError) -> None:
        if self._lost is None:
            self._lost = error
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error)
