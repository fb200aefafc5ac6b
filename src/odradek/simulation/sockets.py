"""The part of the event loop that makes servers and connections."""

import asyncio
import socket
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from odradek.simulation.endpoint import Address, Endpoint
from odradek.simulation.transport import SimulatedSocket, SimulatedTransport

if TYPE_CHECKING:
    from odradek.simulation.loop import SimulatedLoop

ProtocolFactory = Callable[[], asyncio.BaseProtocol]


class SimulatedServer(asyncio.AbstractServer):
    """A listening server; `wait_closed` waits for its connections too, as Python 3.12 does."""

    def __init__(self, loop: "SimulatedLoop", factory: ProtocolFactory) -> None:
        self._loop, self._factory = loop, factory
        self._addresses: list[Address] = []
        self._transports: dict[int, SimulatedTransport] = {}
        self._waiters: list[asyncio.Future[None]] = []
        self._forever: asyncio.Future[None] | None = None
        self._closed = self._serving = False

    def bind(self, hosts: Sequence[str | None], port: int) -> None:
        """Bind to each address. Raises OSError."""
        for host in hosts:
            self._addresses.append(self._loop.network.bind(self._loop, host, port))

    @property
    def sockets(self) -> tuple[SimulatedSocket, ...]:
        return tuple(SimulatedSocket(address) for address in self._addresses)

    def get_loop(self) -> asyncio.AbstractEventLoop:
        return self._loop

    def is_serving(self) -> bool:
        return self._serving and not self._closed

    async def start_serving(self) -> None:
        """Accept connections from now on; before, they are refused."""
        self.listen()

    def listen(self) -> None:
        self._serving = True
        for address in self._addresses:
            self._loop.network.listen(self._loop, address, self._accept)

    async def serve_forever(self) -> None:
        self.listen()
        self._forever = self._loop.create_future()
        try:
            await self._forever
        finally:
            self.close()

    def close(self) -> None:
        for address in self._addresses:
            self._loop.network.unlisten(self._loop, address)
        self._addresses, self._closed = [], True
        if self._forever is not None and not self._forever.done():
            self._forever.cancel()
        self._wake_waiters()

    def close_clients(self) -> None:
        for transport in list(self._transports.values()):
            transport.close()

    def abort_clients(self) -> None:
        for transport in list(self._transports.values()):
            transport.abort()

    async def wait_closed(self) -> None:
        if self._transports or not self._closed:
            waiter = self._loop.create_future()
            self._waiters.append(waiter)
            await waiter

    def _wake_waiters(self) -> None:
        if self._closed and not self._transports:
            for waiter in self._waiters:
                if not waiter.done():
                    waiter.set_result(None)

    def _accept(self, endpoint: Endpoint) -> None:
        protocol = self._factory()
        transport = SimulatedTransport(self._loop, endpoint, protocol)
        self._transports[endpoint.number] = transport
        endpoint.on_close = lambda: self._detach(endpoint.number)
        protocol.connection_made(transport)
        transport.wake_reader()

    def _detach(self, number: int) -> None:
        self._transports.pop(number, None)
        if not self._loop.is_closed():
            self._wake_waiters()


class SocketCalls:
    """Mixed into the loop: create_server, create_connection, name lookup."""

    async def create_server(
        self: Any,
        protocol_factory: ProtocolFactory,
        host: Any = None,
        port: int | None = None,
        *,
        start_serving: bool = True,
        **options: Any,
    ) -> SimulatedServer:
        """As asyncio's; socket options are accepted, TLS and ready-made sockets are not simulated."""
        _refuse(options, "ssl", "sock")
        hosts = [host] if host is None or isinstance(host, str) else list(host)
        server = SimulatedServer(self, protocol_factory)
        server.bind(hosts, port or 0)
        if start_serving:
            server.listen()
        return server

    async def create_connection(
        self: Any, protocol_factory: ProtocolFactory, host: str | None = None, port: int | None = None, **options: Any
    ) -> tuple[SimulatedTransport, asyncio.BaseProtocol]:
        """As asyncio's. Raises ConnectionRefusedError, TimeoutError, socket.gaierror."""
        _refuse(options, "ssl", "sock")
        endpoint = await self.network.connect(self, host, port or 0)
        protocol = protocol_factory()
        transport = SimulatedTransport(self, endpoint, protocol)
        protocol.connection_made(transport)
        transport.wake_reader()
        return transport, protocol

    async def getaddrinfo(self: Any, host: Any, port: Any, **options: Any) -> list[Any]:
        address = self.network.resolve(host, self.name).address
        return [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (address, port))]


def _refuse(options: dict[str, Any], *names: str) -> None:
    for name in names:
        if options.get(name):
            raise ValueError(f"{name} is not simulated")
