"""Serves /metrics, /healthz and /readyz on the broker's own loop.

`/healthz` answers as soon as the loop turns: a hung broker does not. `/readyz` is 200 while clients are served, else
503.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import cast

from odradek.observe.http_request import Handler, Request, Response, answer, encode, error, parse_request
from odradek.observe.metrics import CONTENT_TYPE, Registry

logger = logging.getLogger(__name__)

IDLE_TIMEOUT_S = 10.0
"""How long a connection may take to send its request and to read the answer."""
CONNECTIONS_MAX = 64
"""Open connections; a further one is closed at once."""


class HttpEndpoint:
    """One listening address. Use: `await start(host, port)`, then `stop()`."""

    def __init__(self, loop: asyncio.AbstractEventLoop, registry: Registry, is_ready: Callable[[], bool]) -> None:
        self._loop = loop
        self._registry = registry
        self._is_ready = is_ready
        self._server: asyncio.AbstractServer | None = None
        self.connections: dict[_Connection, None] = {}
        self.routes: dict[str, Handler] = {"/metrics": self._metrics, "/healthz": self._health, "/readyz": self._ready}

    async def start(self, host: str, port: int) -> tuple[str, int]:
        """Listen; returns the address, with the real port where 0 was asked. Raises OSError."""
        server = await self._loop.create_server(lambda: _Connection(self._loop, self), host, port)
        self._server = server
        bound = server.sockets[0].getsockname()
        return host, bound[1]

    def stop(self) -> None:
        """Stop listening and drop open connections."""
        if self._server is not None:
            self._server.close()
        for connection in list(self.connections):
            connection.abort()

    def respond(self, request: Request) -> Response:
        """The answer to a request; a failing reader of a metric is logged and answered with 500."""
        try:
            return answer(request, self.routes)
        except Exception:
            logger.exception("cannot answer %s", request.path)
            return error(500)

    def _metrics(self) -> Response:
        return Response(200, self._registry.render(), CONTENT_TYPE)

    def _health(self) -> Response:
        return Response(200, b"ok\n")

    def _ready(self) -> Response:
        return Response(200, b"ready\n") if self._is_ready() else Response(503, b"not ready\n")


class _Connection(asyncio.Protocol):
    """One request, one response, closed."""

    def __init__(self, loop: asyncio.AbstractEventLoop, endpoint: HttpEndpoint) -> None:
        self._loop = loop
        self._endpoint = endpoint
        self._received = bytearray()
        self._is_answered = False
        self._transport: asyncio.Transport
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        if len(self._endpoint.connections) >= CONNECTIONS_MAX:
            self._transport.abort()
            return
        self._endpoint.connections[self] = None
        self._deadline = self._loop.call_later(IDLE_TIMEOUT_S, self._expire)

    def data_received(self, data: bytes) -> None:
        if self._is_answered:
            return
        self._received += data
        parsed = parse_request(self._received)
        if isinstance(parsed, Request):
            self._answer(self._endpoint.respond(parsed), with_body=parsed.method != "HEAD")
        elif parsed is not None:
            self._answer(parsed, with_body=True)

    def connection_lost(self, exc: Exception | None) -> None:
        self._endpoint.connections.pop(self, None)
        if self._deadline is not None:
            self._deadline.cancel()

    def abort(self) -> None:
        """Drop the connection and what it still had to send."""
        self._transport.abort()

    def _answer(self, response: Response, *, with_body: bool) -> None:
        self._is_answered = True
        self._received.clear()
        self._transport.write(encode(response, with_body=with_body))
        self._transport.close()

    def _expire(self) -> None:
        if self._is_answered:
            # The peer never read its answer: closing waits for it, aborting does not.
            self._transport.abort()
        else:
            self._answer(error(408), with_body=True)
            self._deadline = self._loop.call_later(IDLE_TIMEOUT_S, self._expire)
