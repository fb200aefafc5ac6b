"""From a request's first bytes to its handler.

Produce and Fetch go straight to their hand-written codecs. Every other API is read and written by kio; its handler
module is imported when the first request for it comes. A handler answers at once or is a coroutine, which runs as a
task while the connection's next requests wait.
"""

import asyncio
from collections.abc import Callable
from functools import partial
from importlib import import_module
from struct import Struct
from typing import TYPE_CHECKING, Any

from odradek.broker.call import Call
from odradek.broker.delayed import DelayedResponse, Response, TaskResponse
from odradek.wire import messages
from odradek.wire.apis import API_VERSIONS, BY_KEY, FETCH, FIRST_PRODUCE_VERSION, PRODUCE
from odradek.wire.errors import MalformedRequestError
from odradek.wire.frame import RequestHeader, read_request_header

if TYPE_CHECKING:
    from odradek.broker.broker import Broker
    from odradek.broker.connection import Connection

Handler = Callable[["Broker", Call], Any]

unpack_api = Struct(">hh").unpack_from
"""API key, version: what a request begins with."""

LAST_PRODUCE_VERSION = BY_KEY[PRODUCE].max_version

LARGE_REQUEST_BYTES = 32 << 10
"""Reading a larger one takes so long that it belongs into the executor."""

WAITING = (11, 14)
"""JoinGroup and SyncGroup are answered when other members have sent theirs."""


class Router:
    """`serve` is what connections call."""

    def __init__(self, broker: "Broker") -> None:
        self._broker = broker
        self._handlers: dict[int, Handler] = {}
        self._large = asyncio.Lock()
        self._long = asyncio.Lock()
        self.requests: dict[int, int] = dict.fromkeys(BY_KEY, 0)
        """Requests taken since the start, by API key."""

    def serve(self, connection: "Connection", view: memoryview, start: int, end: int) -> Response | DelayedResponse:
        """Answer the request in view[start:end]. Raises MalformedRequestError: the connection is to be closed."""
        api_key, version = unpack_api(view, start)
        if api_key == PRODUCE and FIRST_PRODUCE_VERSION <= version <= LAST_PRODUCE_VERSION:
            self.requests[PRODUCE] += 1
            return self._produce(connection, view, start, end)
        header = read_request_header(view, start, end)
        if api_key in self.requests:
            self.requests[api_key] += 1
        if api_key == FETCH and BY_KEY[FETCH].has(version):
            return self._fetch(connection, header, view, end)
        return self._serve_by_kio(connection, header, view, end)

    def _serve_by_kio(
        self, connection: "Connection", header: RequestHeader, view: memoryview, end: int
    ) -> Response | DelayedResponse:
        api_key, version = header.api_key, header.version
        api = BY_KEY.get(api_key)
        if api is None:
            raise MalformedRequestError(f"API key {api_key} is unknown")
        if api_key == API_VERSIONS and not api.has(version):
            from odradek.broker.handlers.api_versions import refuse_version

            return refuse_version(header.correlation_id)
        if not api.has(version) or api_key == PRODUCE:
            raise MalformedRequestError(f"version {version} of {api.name} is not supported")
        if end - header.body > LARGE_REQUEST_BYTES:
            work = self._serve_large(connection, header, bytes(view[header.body : end]))
            return TaskResponse(connection, self._broker.loop, work)
        request = messages.read_body(api_key, version, view, header.body, end)
        answer = self._ask_handler(connection, header, request)
        if asyncio.iscoroutine(answer) or messages.is_large(answer):
            return TaskResponse(connection, self._broker.loop, self._encoded(header, answer))
        return messages.write_response(api_key, version, header.correlation_id, answer)

    async def _serve_large(self, connection: "Connection", header: RequestHeader, body: bytes) -> Response:
        """Read in the executor, one such request at a time: what each becomes is many times its size."""
        read = partial(messages.read_body, header.api_key, header.version, body, 0, len(body))
        async with self._large:
            if connection.is_closed:
                return None
            try:
                request = await self._broker.loop.run_in_executor(None, read)
            except MalformedRequestError as error:
                connection.close(str(error))
                return None
            if header.api_key not in WAITING:
                return await self._encoded(header, self._ask_handler(connection, header, request))
        return await self._encoded(header, self._ask_handler(connection, header, request))

    def _ask_handler(self, connection: "Connection", header: RequestHeader, request: Any) -> Any:
        """The handler's answer or a coroutine that returns it."""
        call = Call(
            request, header.api_key, header.version, header.correlation_id, header.client_id, connection.peer_host,
            connection.listener, messages.types(header.api_key, header.version), connection,
        )  # fmt: skip
        return self._handler(header.api_key)(self._broker, call)

    async def _encoded(self, header: RequestHeader, answer: Any) -> Response:
        """The response, written in the executor where that takes long."""
        entity = await answer if asyncio.iscoroutine(answer) else answer
        write = partial(messages.write_response, header.api_key, header.version, header.correlation_id, entity)
        if not messages.is_large(entity):
            return write()
        async with self._long:  # One at a time: each thread that computes holds up the loop.
            return await self._broker.loop.run_in_executor(None, write)

    def _handler(self, api_key: int) -> Handler:
        handler = self._handlers.get(api_key)
        if handler is None:
            module = import_module(f"odradek.broker.handlers.{BY_KEY[api_key].name}")
            handler = self._handlers[api_key] = module.handle
        return handler

    def preload(self) -> None:
        """Import what nearly every client needs first; called once the ports are open."""
        for api_key, versions in PRELOADED.items():
            self._handler(api_key)
            for version in versions:
                messages.preload(api_key, version)

    def _produce(self, connection: "Connection", view: memoryview, start: int, end: int) -> Response | DelayedResponse:
        from odradek.broker.handlers import produce

        self._produce = partial(produce.serve, self._broker)  # type: ignore[method-assign]
        return self._produce(connection, view, start, end)

    def _fetch(
        self, connection: "Connection", header: RequestHeader, view: memoryview, end: int
    ) -> Response | DelayedResponse:
        from odradek.broker.handlers import fetch

        self._fetch = partial(fetch.serve, self._broker)  # type: ignore[method-assign]
        return self._fetch(connection, header, view, end)


PRELOADED = {API_VERSIONS: (3, 4), 3: (12, 13)}
"""Versions of ApiVersions and Metadata that current clients begin with."""
