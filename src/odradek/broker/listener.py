"""Sockets a broker accepts connections on."""

import asyncio

from odradek.broker.connection import Connection
from odradek.broker.connections import Connections
from odradek.config import Listener


class BoundListener:
    """An open listener; `port` is the real one where the configuration says 0."""

    def __init__(self, listener: Listener, server: asyncio.Server) -> None:
        self.name = listener.name
        self.host = listener.host
        self.port: int = server.sockets[0].getsockname()[1]
        self._server = server

    async def serve(self) -> None:
        """Begin to accept connections. Raises OSError when another socket listens at the address by now."""
        await self._server.start_serving()

    def close(self) -> None:
        """Accept no more; connections that exist stay."""
        self._server.close()


async def listen(connections: Connections, listener: Listener, backlog: int) -> BoundListener:
    """Bind, but accept nobody before `serve`. Raises OSError, as for an address in use."""
    server = await connections.loop.create_server(
        lambda: Connection(connections, listener.name),
        listener.host or None,
        listener.port,
        backlog=backlog,
        start_serving=False,
    )
    return BoundListener(listener, server)
