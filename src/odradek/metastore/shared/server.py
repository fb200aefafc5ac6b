"""Serves a store on a Unix socket that only its user can reach."""

import asyncio
import contextlib
import os
import socket
from pathlib import Path

from odradek.metastore.shared.address import short_path
from odradek.metastore.shared.serving import Connection
from odradek.metastore.store import MetadataStore, StoreInfo

CONNECTIONS_MAX = 256
"""Each worker has one; a further one is closed at once."""
BACKLOG = 128


class StoreServer:
    """`info` is what `store.open()` told. Use: `await start()`, then `await stop()`; the store stays open.

    Whoever starts it holds the data directory: a socket left at the path by another process is dead.
    """

    def __init__(self, store: MetadataStore, info: StoreInfo, path: str) -> None:
        self.store, self.info, self.path = store, info, path
        self._connections: dict[Connection, None] = {}
        self._server: asyncio.AbstractServer | None = None

    async def start(self) -> None:
        """Returns when clients are served. Raises OSError."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_unix_server(lambda: Connection(self), sock=_bind(self.path), backlog=BACKLOG)

    async def stop(self) -> None:
        """Every connection ends; who waits for an answer does not know the outcome."""
        server, self._server = self._server, None
        if server is None:
            return
        server.close()
        for connection in list(self._connections):
            connection.abort()
        _remove(self.path)

    def admit(self, connection: Connection) -> bool:
        """Whether there is room for it."""
        if len(self._connections) >= CONNECTIONS_MAX:
            return False
        self._connections[connection] = None
        return True

    def forget(self, connection: Connection) -> None:
        self._connections.pop(connection, None)


def _bind(path: str) -> socket.socket:
    """Nobody can connect before the caller listens, so the mode is in force for everybody."""
    _remove(path)
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with short_path(path) as name:
            bound.bind(name)
        os.chmod(path, 0o600)
        bound.setblocking(False)
    except BaseException:
        bound.close()
        raise
    return bound


def _remove(path: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        Path(path).unlink()
