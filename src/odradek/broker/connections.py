"""All connections of a broker: how many there may be, the buffers they share, and who has been silent for too long."""

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from odradek.broker.buffers import RECEIVE_SIZE, BufferPool

if TYPE_CHECKING:
    from odradek.broker.connection import Connection
    from odradek.broker.delayed import DelayedResponse, Response
    from odradek.config import BrokerConfig

logger = logging.getLogger(__name__)

SWEEP_SECONDS = 10.0
"""How often idle connections are looked for."""

STOP_SECONDS = 1.0
"""How long a stopping broker waits for clients to take their last responses."""

Serve = Callable[["Connection", memoryview, int, int], "Response | DelayedResponse"]
"""Serves the request whose frame content is in view[start:end]; the view is not its own once it has returned."""


class Connections:
    """`config` is asked for its limits at each decision, so that dynamic ones count at once."""

    def __init__(self, loop: asyncio.AbstractEventLoop, config: "Callable[[], BrokerConfig]", serve: Serve) -> None:
        self.loop = loop
        self.serve = serve
        self.pool = BufferPool()
        self.request_size_max: int = config().get("socket.request.max.bytes")
        self._config = config
        self._open: dict[Connection, None] = {}
        self._per_host: dict[str, int] = {}
        self._receive_buffer = self.pool.take(RECEIVE_SIZE)
        self.receive_view = memoryview(self._receive_buffer)
        """Where the next read goes, whichever connection it is for."""
        self.is_full = False
        """More was received and not served than queued.max.request.bytes allows."""
        self._frame_bytes = 0
        self._frames = 0
        """Own buffers of connections that are not held up by the limit on received bytes."""
        self._held_up: dict[Connection, None] = {}
        """First come, first served."""
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._open)

    def start(self) -> None:
        """Begin to look for idle connections."""
        self._timer = self.loop.call_later(SWEEP_SECONDS, self._sweep)

    def stop(self, reason: str) -> None:
        """Close every connection once what was written to it has been sent, but wait for no client for long."""
        if self._timer is not None:
            self._timer.cancel()
        for connection in list(self._open):
            connection.close(reason)
        if self._open:
            self._timer = self.loop.call_later(STOP_SECONDS, self._abort_all, reason)

    def _abort_all(self, reason: str) -> None:
        for connection in list(self._open):
            connection.abort(reason)

    # -- number ---------------------------------------------------------------------------------------------------

    def add(self, connection: "Connection") -> str | None:
        """Count it; why it must be closed, or None."""
        self._open[connection] = None
        count = self._per_host[connection.peer_host] = self._per_host.get(connection.peer_host, 0) + 1
        config = self._config()
        if count > (limit := config.get("max.connections.per.ip")):
            return f"there are {limit} connections from {connection.peer_host} (max.connections.per.ip)"
        if len(self._open) > (limit := config.get("max.connections")):
            return f"there are {limit} connections (max.connections)"
        return None

    def remove(self, connection: "Connection") -> None:
        """It is lost."""
        if self._open.pop(connection, connection) is connection:
            return
        count = self._per_host.pop(connection.peer_host) - 1
        if count:
            self._per_host[connection.peer_host] = count

    def _sweep(self) -> None:
        self._timer = self.loop.call_later(SWEEP_SECONDS, self._sweep)
        idle_ms = self._config().get("connections.max.idle.ms")
        before = self.loop.time() - idle_ms / 1000
        for connection in list(self._open):
            connection.reclaim()
            if idle_ms >= 0 and connection.last_active < before and not connection.is_waiting:
                connection.abort("it was idle (connections.max.idle.ms)")

    # -- received bytes -------------------------------------------------------------------------------------------

    def take_receive_buffer(self) -> bytearray:
        """The shared buffer becomes one connection's own; the next read goes into another."""
        taken, self._receive_buffer = self._receive_buffer, self.pool.take(RECEIVE_SIZE)
        self.receive_view = memoryview(self._receive_buffer)
        self._count_frame(taken, 1)
        return taken

    def take_frame(self, size: int) -> bytearray:
        """A buffer for what a connection has received of a frame."""
        taken = self.pool.take(size)
        self._count_frame(taken, 1)
        return taken

    def give_frame(self, buffer: bytearray) -> None:
        """It has been replaced by a larger one."""
        self._count_frame(buffer, -1)
        self.pool.give(buffer)

    def frame_served(self, connection: "Connection", buffer: bytearray) -> None:
        """The connection has no own buffer any more; others may go on."""
        if self._held_up.pop(connection, connection) is None:
            self._frames += 1
        self.give_frame(buffer)
        while self._held_up and (self._frames == 0 or not self.is_full):
            waiting = next(iter(self._held_up))
            del self._held_up[waiting]
            self._frames += 1
            waiting.resume_reading()

    def hold_up(self, connection: "Connection") -> bool:
        """Whether a connection that has begun a frame must wait before it reads the rest.

        Never all of them: somebody must be able to finish.
        """
        if not self.is_full or not self._frames:
            return False
        self._held_up[connection] = None
        self._frames -= 1  # For the buffer that is about to be taken.
        return True

    def read_on(self, connection: "Connection") -> None:
        """It has served what held it up; it reads on unless it waits for others' bytes."""
        if connection not in self._held_up:
            connection.resume_reading()

    def _count_frame(self, buffer: bytearray, change: int) -> None:
        self._frames += change
        self._frame_bytes += change * len(buffer)
        limit: int = self._config().get("queued.max.request.bytes")
        self.is_full = 0 <= limit < self._frame_bytes
