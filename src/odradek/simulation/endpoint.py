"""One end of a connection as the kernel keeps it: received bytes, end of stream, window, error."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING
from zlib import crc32

if TYPE_CHECKING:
    from odradek.simulation.loop import SimulatedLoop
    from odradek.simulation.network import HostState, Network
    from odradek.simulation.transport import SimulatedTransport

Address = tuple[str, int]


@dataclass(frozen=True, slots=True)
class End:
    """No more data from that side (FIN)."""


@dataclass(frozen=True, slots=True)
class Reset:
    """The connection is gone (RST)."""


Packet = bytes | End | Reset


class Endpoint:
    """`transport` is the owner's view while it is open. `under_way` counts bytes sent and not yet read by the peer.

    `forgotten`: the machine lost its power and knows nothing of the connection; `dropped`: packets came in vain.
    """

    def __init__(
        self, network: "Network", loop: "SimulatedLoop", host: "HostState", address: Address, peer_address: Address
    ) -> None:
        self.network, self.loop, self.host = network, loop, host
        self.address, self.peer_address = address, peer_address
        self.number = network.schedule.next_number()
        self.peer: Endpoint | None = None
        self.transport: SimulatedTransport | None = None
        self.unread = bytearray()
        self.end_received = self.end_sent = self.closed = self.forgotten = self.dropped = False
        self.error: OSError | None = None
        self.under_way = 0
        self.arrives_last = 0.0
        self.queue: deque[Packet] = deque()
        self.on_close: Callable[[], None] | None = None
        host.endpoints[self.number] = self

    @property
    def window(self) -> int:
        """Bytes that may be sent now."""
        return max(0, self.network.options.window_bytes - self.under_way)

    def send(self, packet: Packet) -> None:
        if isinstance(packet, bytes):
            self.under_way += len(packet)
        self.network.send(self, packet)

    def arrival(self) -> None:
        """The oldest packet under way reaches the peer."""
        packet = self.queue.popleft()
        if self.peer is not None:
            self.peer.receive(packet)

    def receive(self, packet: Packet) -> None:
        if self.forgotten or not self.host.up:
            self._received_by_the_dead(packet)
        elif isinstance(packet, Reset):
            self.error = ConnectionResetError(104, "Connection reset by peer")
            self._forget()
        elif self.closed:
            if isinstance(packet, bytes):
                self.send(Reset())
            return
        elif isinstance(packet, End):
            self.end_received = True
        else:
            self._trace(packet)
            self.unread += packet
        if self.transport is not None:
            self.transport.wake_reader()
            self.transport.wake_writer()

    def read(self, count: int) -> bytes:
        """Take up to `count` received bytes and open the sender's window by as much."""
        data = bytes(memoryview(self.unread)[:count])
        del self.unread[:count]
        if self.peer is not None:
            self.peer.under_way -= len(data)
            if self.peer.transport is not None:
                self.peer.transport.wake_writer()
        return data

    def shut_down_writing(self) -> None:
        if not self.end_sent:
            self.end_sent = True
            self.send(End())

    def close(self) -> None:
        """Close the socket: an orderly end, or a reset when received data was never read (as Linux does)."""
        if self.closed:
            return
        self.closed, self.transport = True, None
        if self.forgotten:
            return
        if self.error is None:
            if self.unread:
                self.send(Reset())
            else:
                self.shut_down_writing()
        self._forget()

    def reset(self) -> None:
        """Close with a reset."""
        if not self.closed:
            self.closed, self.transport = True, None
            self.send(Reset())
            self._forget()

    def _received_by_the_dead(self, packet: Packet) -> None:
        if self.host.up and not isinstance(packet, Reset):
            self.send(Reset())
        self.dropped = True

    def _forget(self) -> None:
        self.host.endpoints.pop(self.number, None)
        if self.closed and self.on_close is not None:
            self.on_close()
            self.on_close = None

    def _trace(self, packet: bytes) -> None:
        self.network.schedule.trace.add(f"packet {self.number} {len(packet)} {crc32(packet):08x}")
