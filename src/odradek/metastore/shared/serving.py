"""The store's side of one connection: requests are answered as they get ready, streams as far as their reader gets.

A client is not trusted with memory: whoever sends what is no request, or more at a time than a client may, is
disconnected; while a client does not take its replies, nothing more is read from it.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from typing import Protocol, cast

from odradek.metastore.shared.framing import FrameReader, FrameTooLargeError, frame
from odradek.metastore.shared.messages import (
    PROTOCOL,
    REPLY_BYTES_MAX,
    REQUEST_BYTES_MAX,
    REQUESTS_MAX,
    STREAMS_MAX,
    UNREADABLE,
    Asked,
    Cancel,
    Changed,
    Compact,
    Done,
    Found,
    Get,
    Grant,
    Granted,
    Hello,
    Outcome,
    Renew,
    Renewed,
    Reply,
    ReplyBody,
    Request,
    Revoke,
    Scan,
    Took,
    Txn,
    Watch,
    Welcome,
    decode_request,
    encode,
)
from odradek.metastore.shared.streams import Window, stream_of
from odradek.metastore.shared.translation import compares_of, item_of, operations_of, refused_by
from odradek.metastore.store import Compacted, MetadataStore, NotApplied, StoreError, StoreInfo

log = logging.getLogger(__name__)

ANSWERING_MAX = 2 * (REQUESTS_MAX + STREAMS_MAX)
"""Twice what a client begins: what it has given up may still be on its way."""
HELLO_TIMEOUT_S = 10.0


class UnexpectedRequestError(Exception):
    """A request that no client of ours sends; one line for the log."""


class Owner(Protocol):
    """The server, as its connections see it."""

    store: MetadataStore
    info: StoreInfo

    def admit(self, connection: "Connection") -> bool:
        """Whether there is room for it."""
        ...

    def forget(self, connection: "Connection") -> None: ...


class Connection(asyncio.Protocol):
    """One client."""

    def __init__(self, owner: Owner) -> None:
        self._owner = owner
        self._loop = asyncio.get_running_loop()
        self._frames = FrameReader(REQUEST_BYTES_MAX)
        self._answering: dict[int, asyncio.Task[None]] = {}
        self._windows: dict[int, Window] = {}
        self._writable = asyncio.Event()
        self._writable.set()
        self._greeting: asyncio.TimerHandle | None = None
        self._transport: asyncio.Transport

    # -- the transport's calls ------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        if not self._owner.admit(self):
            log.warning("Too many connections to the metadata store: one is refused")
            self._transport.abort()
            return
        self._greeting = self._loop.call_later(HELLO_TIMEOUT_S, self._transport.abort)

    def data_received(self, data: bytes) -> None:
        try:
            for message in self._frames.feed(data):
                self._receive(decode_request(message))
        except (*UNREADABLE, FrameTooLargeError, UnexpectedRequestError) as error:
            log.warning("A connection to the metadata store is closed: %s", error)
            self._transport.abort()

    def pause_writing(self) -> None:
        self._writable.clear()
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        self._writable.set()
        if not self._transport.is_closing():
            self._transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._greeting is not None:
            self._greeting.cancel()
        for task in self._answering.values():
            task.cancel()
        self._owner.forget(self)

    def abort(self) -> None:
        """Drop the connection with all that is being answered."""
        self._transport.abort()

    # -- requests -------------------------------------------------------------------------------------------------

    def _receive(self, request: Request) -> None:
        body = request.body
        if isinstance(body, Took):
            if (window := self._windows.get(request.id)) is not None:
                window.add(-body.size)
        elif isinstance(body, Cancel):
            if (task := self._answering.pop(request.id, None)) is not None:
                task.cancel()
        else:
            self._begin(request.id, body)

    def _begin(self, request_id: int, asked: Asked) -> None:
        if request_id in self._answering or len(self._answering) >= ANSWERING_MAX:
            raise UnexpectedRequestError(f"request {request_id} is one too many")
        task = self._loop.create_task(self._answer(request_id, asked))
        self._answering[request_id] = task
        task.add_done_callback(lambda done: self._ended(request_id, done))

    def _ended(self, request_id: int, task: "asyncio.Task[None]") -> None:
        if self._answering.get(request_id) is task:
            del self._answering[request_id]

    async def _answer(self, request_id: int, asked: Asked) -> None:
        try:
            if isinstance(asked, Scan | Watch):
                await self._stream(request_id, asked)
                self._send(request_id, Done())
            else:
                self._send(request_id, await self._reply(asked))
        except Exception as error:
            if not isinstance(error, StoreError | ValueError | TypeError):
                log.exception("A request to the metadata store failed")
            self._send(request_id, refused_by(error))

    async def _reply(self, asked: Asked) -> ReplyBody:
        store = self._owner.store
        match asked:
            case Hello(protocol):
                return await self._welcome(protocol)
            case Get(key):
                item, revision = await store.get(key)
                return Found(None if item is None else item_of(item), revision)
            case Txn(when, then, otherwise, timeout):
                result = await store.txn(
                    compares_of(when), operations_of(then), operations_of(otherwise), timeout=timeout
                )
                return Outcome(result.succeeded, result.revision)
            case Grant(ttl):
                lease = await store.grant(ttl)
                return Granted(lease.id, lease.ttl)
            case Renew(lease_id):
                return await self._renew(lease_id)
            case Revoke(lease_id):
                await store.revoke(lease_id)
            case Compact(before):
                await store.compact(before)
        return Done()

    async def _welcome(self, protocol: int) -> Welcome:
        if protocol != PROTOCOL:
            raise NotApplied(f"the metadata store speaks version {PROTOCOL} of its protocol, not {protocol}")
        if self._greeting is not None:
            self._greeting.cancel()
        _, revision = await self._owner.store.get(b"")
        return Welcome(replace(self._owner.info, revision=revision))

    async def _renew(self, lease: int) -> Renewed:
        acks = self._owner.store.keepalive(lease)
        async with aclosing(cast("AsyncGenerator[object, None]", acks)):
            return Renewed((await anext(acks)).ttl)

    # -- streams --------------------------------------------------------------------------------------------------

    async def _stream(self, request_id: int, asked: Scan | Watch) -> None:
        parts = stream_of(self._owner.store, asked)
        window = self._windows[request_id] = Window()
        try:
            async with aclosing(parts):
                async for part in parts:
                    window.add(self._send(request_id, part))
                    await window.room()
                    await self._writable.wait()
        finally:
            del self._windows[request_id]

    def _send(self, request_id: int, body: ReplyBody) -> int:
        """Its size. Raises Compacted for a revision too large to send: its watcher begins again with a snapshot."""
        message = encode(Reply(request_id, body))
        if len(message) > REPLY_BYTES_MAX:
            raise Compacted(body.revision) if isinstance(body, Changed) else NotApplied("the answer is too large")
        self._transport.write(frame(message))
        return len(message)
