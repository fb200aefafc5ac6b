"""All connections of a broker: what they share, who has been silent for too long, and who goes when memory is short."""

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from odradek.broker.admission import Admission
from odradek.broker.buffers import BufferPool
from odradek.broker.received import Received
from odradek.broker.turns import Turns
from odradek.broker.unsent import Unsent

if TYPE_CHECKING:
    from odradek.broker.connection import Connection
    from odradek.broker.delayed import DelayedResponse, Response
    from odradek.config import BrokerConfig

logger = logging.getLogger(__name__)

SWEEP_SECONDS = 10.0
"""How often idle connections are looked for."""

STOP_SECONDS = 1.0
"""How long a stopping broker waits for clients to take their last responses."""

RELIEF_SECONDS = 0.5
"""How often, while connections wait for others' bytes, those are looked for that hold them and do not get on."""

REQUEST_SECONDS = 10.0
"""How long sending one request may take while others wait for its bytes."""

DESCRIPTORS_MAX = 1 << 20

Serve = Callable[["Connection", memoryview, int, int], "Response | DelayedResponse"]
"""Serves the request whose frame content is in view[start:end]; the view is not its own once it has returned."""


class Connections:
    """`config` is asked for its limits at each decision, so that dynamic ones count at once.

    `stopwatch` gives seconds that pass while the loop works; `descriptors_max` bounds connections in all.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        config: "Callable[[], BrokerConfig]",
        serve: Serve,
        stopwatch: Callable[[], float] | None = None,
        descriptors_max: int = DESCRIPTORS_MAX,
    ) -> None:
        self.loop = loop
        self.serve = serve
        self.pool = BufferPool()
        self.request_size_max: int = config().get("socket.request.max.bytes")
        self.admission = Admission(config, descriptors_max)
        self.received = Received(self.pool, received_max(config()))
        self.unsent = Unsent(self.pool, self.received, config().get("odradek.queued.max.response.bytes"))
        self.turns = Turns(loop, stopwatch or loop.time)
        self.cut_off = 0
        """Connections since the start that were closed because others waited for the bytes they held."""
        self._config = config
        self._open: dict[Connection, None] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._relief: asyncio.TimerHandle | None = None
        self._last_unsent: dict[Connection, int] = {}
        """Bytes that the transports of those behind held when relief was last looked for."""
        self.received.on_wait = self.unsent.on_wait = self._need_relief
        self.unsent.on_room = self.turns.wait

    def __len__(self) -> int:
        return len(self._open)

    def start(self) -> None:
        """Begin to look for idle connections."""
        self._timer = self.loop.call_later(SWEEP_SECONDS, self._sweep)

    def stop(self, reason: str) -> None:
        """Close every connection once what was written to it has been sent, but wait for no client for long."""
        for timer in (self._timer, self._relief):
            if timer is not None:
                timer.cancel()
        for connection in list(self._open):
            connection.close(reason)
        if self._open:
            self._timer = self.loop.call_later(STOP_SECONDS, self._abort_all, reason)

    def _abort_all(self, reason: str) -> None:
        for connection in list(self._open):
            connection.abort(reason)

    def add(self, connection: "Connection") -> str | None:
        """Count it; why it must be closed, or None."""
        self._open[connection] = None
        return self.admission.add(connection.peer_host)

    def remove(self, connection: "Connection") -> None:
        """It is lost."""
        if self._open.pop(connection, connection) is connection:
            return
        self.admission.remove(connection.peer_host)
        self.unsent.no_longer_waits(connection)
        self.unsent.forget(connection)

    def _sweep(self) -> None:
        self._timer = self.loop.call_later(SWEEP_SECONDS, self._sweep)
        idle_ms = self._config().get("connections.max.idle.ms")
        before = self.loop.time() - idle_ms / 1000
        for connection in list(self._open):
            connection.reclaim()
            if idle_ms >= 0 and connection.last_active < before and not connection.is_waiting:
                connection.abort("it was idle (connections.max.idle.ms)")

    # -- memory ---------------------------------------------------------------------------------------------------

    def _need_relief(self) -> None:
        if self._relief is None:
            self._last_unsent.clear()
            self._relief = self.loop.call_later(RELIEF_SECONDS, self._look_for_relief)

    def _look_for_relief(self) -> None:
        """While connections wait: close those that hold what they wait for and do not get on."""
        self._relief = None
        for connection in list(self._open):
            connection.reclaim()
        if self.received.is_full and self.received.waiting:
            self._cut_off_slow_senders()
        if self.unsent.is_full and self.unsent.waiting:
            self._cut_off_readers_that_stopped()
        self.unsent.let_go()
        if self.received.waiting or self.unsent.waiting:
            self._relief = self.loop.call_later(RELIEF_SECONDS, self._look_for_relief)
        else:
            self._last_unsent.clear()

    def _cut_off_slow_senders(self) -> None:
        before = self.loop.time() - REQUEST_SECONDS
        for connection in list(self._open):
            if connection.is_halfway and connection not in self.received and connection.frame_begun < before:
                self.cut_off += 1
                connection.abort("its request took too long to arrive, while others wait (queued.max.request.bytes)")

    def _cut_off_readers_that_stopped(self) -> None:
        last, self._last_unsent = self._last_unsent, {}
        for connection in list(self.unsent.behind):
            unsent = self._last_unsent[connection] = connection.transport.get_write_buffer_size()
            if last.get(connection, unsent + 1) <= unsent:
                self.cut_off += 1
                connection.abort("it does not read, while others wait (odradek.queued.max.response.bytes)")


def received_max(config: "BrokerConfig") -> int:
    """Bytes of received requests; at least the largest fits. Negative: no limit."""
    limit: int = config.get("queued.max.request.bytes")
    return limit if limit < 0 else max(limit, config.get("socket.request.max.bytes"))
