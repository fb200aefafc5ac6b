"""Hosts and the packets between them: latency, partitions, resets, machines that are down.

This is the kernels' side of the network. `odradek.simulation.transport` is what a program sees of it. Like TCP, a
connection never loses or reorders bytes: a partition holds them until it is healed, a dead machine drops them and
answers with a reset once it is back.
"""

import asyncio
import errno
import os
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from odradek.simulation.endpoint import Address, Endpoint, Packet, Reset
from odradek.simulation.schedule import Schedule

if TYPE_CHECKING:
    from odradek.simulation.loop import SimulatedLoop

EPHEMERAL_PORT_FIRST = 32768
LOOPBACK = ("localhost", "127.0.0.1", "::1")
ANY_ADDRESS = (None, "", "0.0.0.0", "::")


@dataclass(frozen=True, slots=True)
class NetworkOptions:
    """Times in seconds, latency drawn evenly; `window_bytes` bounds what is sent and not yet read."""

    latency_min: float = 0.0001
    latency_max: float = 0.002
    connect_timeout: float = 60.0
    window_bytes: int = 256 * 1024


@dataclass
class HostState:
    """A machine: its address, what listens on it, which connections end on it."""

    name: str
    address: str
    up: bool = True
    port_next: int = EPHEMERAL_PORT_FIRST
    listeners: dict[int, "Listener"] = field(default_factory=dict)
    endpoints: dict[int, Endpoint] = field(default_factory=dict)


@dataclass(slots=True)
class Listener:
    """A bound port: `accept` is called on `loop` for each new connection; while it is None they are refused."""

    loop: "SimulatedLoop"
    address: Address
    loopback_only: bool
    accept: Callable[[Endpoint], None] | None = None


class Network:
    """All machines and links of a world."""

    def __init__(self, schedule: Schedule, options: NetworkOptions | None = None) -> None:
        self.schedule = schedule
        self.options = options or NetworkOptions()
        self.hosts: dict[str, HostState] = {}
        self._blocked: dict[tuple[str, str], list[Callable[[], None]]] = {}
        self._kernel: SimulatedLoop | None = None

    # Faults

    def partition(self, source: str, target: str, *, both_ways: bool = True) -> None:
        """Hold everything from source to target (and back) until `heal`."""
        self._blocked.setdefault((source, target), [])
        if both_ways:
            self._blocked.setdefault((target, source), [])

    def heal(self, *links: tuple[str, str]) -> None:
        """End the partitions from source to target of these links, or all; what they held is delivered in order."""
        for link in links or list(self._blocked):
            for send in self._blocked.pop(link, ()):
                send()

    def reset_connections(self, first: str, second: str) -> int:
        """Reset every connection between two hosts, as a stateful firewall does; returns how many."""
        found = [e for e in list(self.hosts[first].endpoints.values()) if e.peer and e.peer.host.name == second]
        for endpoint in found:
            endpoint.receive(Reset())
            if endpoint.peer is not None:
                endpoint.peer.receive(Reset())
        return len(found)

    def process_died(self, loop: "SimulatedLoop") -> None:
        """The kernel closes a dead process's sockets: peers see the end, or a reset where data was left unread."""
        host = self.hosts[loop.name]
        host.listeners = {port: entry for port, entry in host.listeners.items() if entry.loop is not loop}
        for endpoint in list(host.endpoints.values()):
            if endpoint.loop is loop:
                endpoint.close()

    def power_off(self, name: str) -> None:
        """The machine falls silent: nobody is told."""
        host = self.hosts[name]
        host.up = False
        host.listeners.clear()
        for endpoint in host.endpoints.values():
            endpoint.forgotten = True

    def power_on(self, name: str) -> None:
        """The machine is back and knows no connection: who still sends to an old one is answered with a reset."""
        host = self.hosts[name]
        host.up = True
        for endpoint in list(host.endpoints.values()):
            if endpoint.forgotten and endpoint.dropped:
                endpoint.send(Reset())
        host.endpoints = {key: entry for key, entry in host.endpoints.items() if not entry.forgotten}

    # Names and ports

    def add_host(self, name: str) -> HostState:
        if name not in self.hosts:
            number = len(self.hosts) + 1
            self.hosts[name] = HostState(name, f"10.0.{number >> 8}.{number & 255}")
        return self.hosts[name]

    def resolve(self, name: str | None, source: str) -> HostState:
        """The machine a name or address means on host `source`. Raises socket.gaierror."""
        if name in LOOPBACK or name in ANY_ADDRESS:
            return self.hosts[source]
        for host in self.hosts.values():
            if name in (host.name, host.address):
                return host
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    def bind(self, loop: "SimulatedLoop", name: str | None, port: int) -> Address:
        """Bind; port 0 takes a free one. Raises OSError (EADDRINUSE, EADDRNOTAVAIL)."""
        host = self.hosts[loop.name]
        if self.resolve(name, loop.name) is not host:
            raise OSError(errno.EADDRNOTAVAIL, os.strerror(errno.EADDRNOTAVAIL))
        if port in host.listeners:
            raise OSError(errno.EADDRINUSE, f"error while attempting to bind on address ({name!r}, {port})")
        bound = (
            "127.0.0.1" if name in LOOPBACK else "0.0.0.0" if name in ANY_ADDRESS else host.address,
            port or self.free_port(host),
        )
        host.listeners[bound[1]] = Listener(loop, bound, name in LOOPBACK)
        return bound

    def listen(self, loop: "SimulatedLoop", address: Address, accept: Callable[[Endpoint], None]) -> None:
        """Connections to the bound address are accepted from now on."""
        self.hosts[loop.name].listeners[address[1]].accept = accept

    def unlisten(self, loop: "SimulatedLoop", address: Address) -> None:
        listener = self.hosts[loop.name].listeners.get(address[1])
        if listener is not None and listener.loop is loop:
            del self.hosts[loop.name].listeners[address[1]]

    def free_port(self, host: HostState) -> int:
        while host.port_next in host.listeners:
            host.port_next += 1
        host.port_next += 1
        return host.port_next - 1

    # Connections and packets

    async def connect(self, loop: "SimulatedLoop", name: str | None, port: int) -> Endpoint:
        """The three-way handshake. Raises ConnectionRefusedError, TimeoutError, socket.gaierror."""
        source, target = self.hosts[loop.name], self.resolve(name, loop.name)
        answer: asyncio.Future[Endpoint] = loop.create_future()
        local = name in LOOPBACK or source is target
        self.transmit(source, target, lambda: self._handshake(loop, source, target, port, local, answer))
        try:
            async with asyncio.timeout(self.options.connect_timeout):
                return await answer
        except TimeoutError:
            raise TimeoutError(errno.ETIMEDOUT, f"Connect call failed ({target.address!r}, {port})") from None

    def _handshake(
        self,
        loop: "SimulatedLoop",
        source: HostState,
        target: HostState,
        port: int,
        local: bool,
        answer: "asyncio.Future[Endpoint]",
    ) -> None:
        if not target.up:
            return
        listener = target.listeners.get(port)
        if listener is None or listener.accept is None or (listener.loopback_only and not local):
            refusal = ConnectionRefusedError(errno.ECONNREFUSED, f"Connect call failed ({target.address!r}, {port})")
            self.transmit(target, source, lambda: _settle(answer, refusal))
            return
        addresses = ("127.0.0.1", "127.0.0.1") if local else (source.address, target.address)
        near_address: Address = (addresses[0], self.free_port(source))
        near = Endpoint(self, loop, source, near_address, (addresses[1], port))
        far = Endpoint(self, listener.loop, target, (addresses[1], port), near_address)
        near.peer, far.peer = far, near
        self.transmit(target, source, lambda: _settle(answer, near))
        listener.loop.call_soon(listener.accept, far)

    def transmit(
        self, source: HostState, target: HostState, arrive: Callable[[], None], not_before: float = 0.0
    ) -> float:
        """Let `arrive` happen at the target after the latency, or after the partition; returns the time planned."""
        held = self._blocked.get((source.name, target.name))
        if held is not None:
            held.append(lambda: void(self.transmit(source, target, arrive)))
            return not_before
        options = self.options
        latency = self.schedule.random.uniform(options.latency_min, options.latency_max)
        when = max(self.schedule.now + latency, not_before)
        self.kernel.call_at(when, arrive)
        return when

    def send(self, sender: Endpoint, packet: Packet) -> None:
        """One packet to the sender's peer, behind all the sender sent before."""
        receiver = sender.peer
        if receiver is None or not (sender.host.up or isinstance(packet, Reset)):
            return
        sender.queue.append(packet)
        sender.arrives_last = self.transmit(sender.host, receiver.host, sender.arrival, sender.arrives_last)

    @property
    def kernel(self) -> "SimulatedLoop":
        """The loop of no process: it delivers packets, also those of the dead."""
        if self._kernel is None:
            from odradek.simulation.loop import SimulatedLoop

            self._kernel = SimulatedLoop(self.schedule, name="(network)", network=self)
        return self._kernel


def void(_: object) -> None:
    """Drop a result, for lambdas that must return None."""


def _settle(answer: "asyncio.Future[Endpoint]", outcome: Endpoint | OSError) -> None:
    if answer.done():
        if isinstance(outcome, Endpoint):
            outcome.close()
    elif isinstance(outcome, OSError):
        answer.set_exception(outcome)
    else:
        answer.set_result(outcome)
