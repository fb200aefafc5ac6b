"""A client's side of one connection: replies find who waits for them. It lives until the first trouble."""

import asyncio
import logging
from collections import deque
from itertools import count
from typing import cast

from odradek.metastore.shared.framing import FrameReader, FrameTooLargeError, frame
from odradek.metastore.shared.messages import (
    REPLY_BYTES_MAX,
    REQUEST_BYTES_MAX,
    UNREADABLE,
    WINDOW_BYTES,
    Cancel,
    Done,
    Refused,
    Reply,
    ReplyBody,
    Request,
    RequestBody,
    Scan,
    Took,
    Watch,
    decode_reply,
    encode,
)
from odradek.metastore.shared.translation import error_of
from odradek.metastore.store import LimitExceeded

log = logging.getLogger(__name__)

ENVELOPE_BYTES = 64
"""What a reply has around its body."""


class DisconnectedError(Exception):
    """The connection ended before the reply: nobody knows whether the request was carried out."""


class Stream:
    """The replies to a scan or a watch. The store goes ahead of the reader by `WINDOW_BYTES`, and waits."""

    def __init__(self, link: "Link", stream_id: int) -> None:
        self._link, self._id = link, stream_id
        self._parts: deque[tuple[ReplyBody, int]] = deque()
        self._taken = 0
        self._error: Exception | None = None
        self._has_ended = False
        self._waiter: asyncio.Future[None] | None = None

    async def next(self) -> ReplyBody | None:
        """The next part, None at the end. Raises DisconnectedError and what the store raises, after all parts."""
        while not self._parts:
            if self._error is not None:
                raise self._error
            if self._has_ended:
                return None
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        body, size = self._parts.popleft()
        self._taken += size
        if self._taken >= WINDOW_BYTES // 2 and not self._has_ended:
            self._link.post(self._id, Took(self._taken))
            self._taken = 0
        return body

    def close(self) -> None:
        """Nobody reads on."""
        self._link.drop_stream(self._id, is_running=not self._has_ended)

    def add(self, body: ReplyBody, size: int) -> None:
        self._parts.append((body, size))
        self._wake()

    def end(self, error: Exception | None = None) -> None:
        self._has_ended, self._error = True, error
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


class Link(asyncio.Protocol):
    """`lost` is done when the connection has ended; everything that waited has then been told."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.lost: asyncio.Future[None] = self._loop.create_future()
        self._frames = FrameReader(REPLY_BYTES_MAX + ENVELOPE_BYTES)
        self._ids = count(1)
        self._answers: dict[int, asyncio.Future[ReplyBody]] = {}
        self._streams: dict[int, Stream] = {}
        self._transport: asyncio.Transport

    def ask(self, body: RequestBody) -> "asyncio.Future[ReplyBody]":
        """Send a request. The future raises DisconnectedError and what the store raises. Raises LimitExceeded."""
        answer: asyncio.Future[ReplyBody] = self._loop.create_future()
        answer.add_done_callback(_retrieve)
        if self.lost.done():
            answer.set_exception(DisconnectedError())
            return answer
        request_id = next(self._ids)
        self.post(request_id, body)
        self._answers[request_id] = answer
        return answer

    def open_stream(self, body: Scan | Watch) -> Stream:
        stream_id = next(self._ids)
        stream = Stream(self, stream_id)
        if self.lost.done():
            stream.end(DisconnectedError())
            return stream
        self.post(stream_id, body)
        self._streams[stream_id] = stream
        return stream

    def post(self, request_id: int, body: RequestBody) -> None:
        """Send and expect nothing. Raises LimitExceeded."""
        message = encode(Request(request_id, body))
        if len(message) > REQUEST_BYTES_MAX:
            raise LimitExceeded(f"a request of {len(message)} bytes, at most {REQUEST_BYTES_MAX} are allowed")
        if not self.lost.done():
            self._transport.write(frame(message))

    def drop_stream(self, stream_id: int, *, is_running: bool) -> None:
        self._streams.pop(stream_id, None)
        if is_running:
            self.post(stream_id, Cancel())

    def abort(self) -> None:
        self._transport.abort()

    # -- the transport's calls ------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        try:
            for message in self._frames.feed(data):
                self._take(decode_reply(message), len(message))
        except (*UNREADABLE, FrameTooLargeError) as error:
            log.error("The metadata store sent what is no reply: %s", error)
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost.set_result(None)
        answers, self._answers = self._answers, {}
        for answer in answers.values():
            if not answer.done():
                answer.set_exception(DisconnectedError())
        streams, self._streams = self._streams, {}
        for stream in streams.values():
            stream.end(DisconnectedError())

    def _take(self, reply: Reply, size: int) -> None:
        body = reply.body
        if (stream := self._streams.get(reply.id)) is not None:
            if isinstance(body, Done | Refused):
                del self._streams[reply.id]
                stream.end(error_of(body) if isinstance(body, Refused) else None)
            else:
                stream.add(body, size)
        elif (answer := self._answers.pop(reply.id, None)) is not None and not answer.done():
            if isinstance(body, Refused):
                answer.set_exception(error_of(body))
            else:
                answer.set_result(body)


def _retrieve(answer: "asyncio.Future[ReplyBody]") -> None:
    """Mark the outcome as seen: whoever asked may have given up."""
    if not answer.cancelled():
        answer.exception()
