"""A served SQLite store and its clients, in one process, so that a test can stop, restart and cut what is between."""

import tempfile
from collections.abc import Callable
from pathlib import Path

from odradek.metastore.shared.server import StoreServer
from odradek.metastore.shared.store import SocketStore
from odradek.metastore.sqlite import SqliteStore


class ServedStore:
    """What a supervisor has: the database, and the socket that serves it. `make`: the store for a path."""

    def __init__(self, directory: Path, make: Callable[[str], SqliteStore]) -> None:
        self.directory = directory
        self.path = str(directory / "metadata.sock")
        self._make = make
        self.store = make(str(directory / "metadata.sqlite"))
        self._server: StoreServer | None = None

    async def start(self) -> None:
        self.store = self._make(self.store.path)
        self._server = StoreServer(self.store, await self.store.open(), self.path)
        await self._server.start()

    async def stop(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            await server.stop()
            await self.store.close()


class SocketStores:
    """Implements `Stores`: every connection is a client of its own."""

    def __init__(self) -> None:
        self._scratch = tempfile.TemporaryDirectory()
        self.served = ServedStore(Path(self._scratch.name), self.make_store)
        self.clients: list[SocketStore] = []
        self._is_started = False

    async def start(self) -> None:
        if not self._is_started:
            self._is_started = True
            await self.served.start()

    def make_store(self, path: str) -> SqliteStore:
        return SqliteStore(path)

    def make_client(self) -> SocketStore:
        return SocketStore(self.served.path)

    async def connect(self) -> SocketStore:
        await self.start()
        client = self.make_client()
        await client.open()
        self.clients.append(client)
        return client

    async def restart(self) -> SocketStore:
        await self.restart_server()
        return await self.connect()

    async def restart_server(self) -> None:
        await self.served.stop()
        await self.served.start()

    async def close(self) -> None:
        for client in self.clients:
            await client.close()
        await self.served.stop()
        self._scratch.cleanup()
