"""Bytes that were received and not answered, of all connections: the buffers they lie in, and who has to wait.

`queued.max.request.bytes` bounds them. Past it a connection still gets small requests through whole; who begins a
larger one, or needs a larger buffer for one it has begun, waits before it reads the rest, in order, until others have
finished theirs.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from odradek.broker.buffers import RECEIVE_SIZE, BufferPool

if TYPE_CHECKING:
    from odradek.broker.connection import Connection


class Received:
    """`limit` is in bytes, negative for none. `on_wait` is called when somebody has to."""

    __slots__ = (
        "_buffer",
        "_frames",
        "_held_up",
        "_limit",
        "_pool",
        "buffer_bytes",
        "bytes",
        "is_full",
        "on_wait",
        "view",
    )

    def __init__(self, pool: BufferPool, limit: int) -> None:
        self._pool = pool
        self._limit = limit
        self.bytes = 0
        """Of own buffers of connections, and of requests whose responses wait."""
        self.buffer_bytes = RECEIVE_SIZE
        """Of the shared buffer and of own buffers of connections."""
        self.is_full = False
        """`bytes` is past the limit."""
        self.on_wait: Callable[[], None] = lambda: None
        self._buffer = pool.take(RECEIVE_SIZE)
        self.view = memoryview(self._buffer)
        """Where the next read goes, whichever connection it is for."""
        self._frames = 0
        """Own buffers of connections that are not held up by the limit."""
        self._held_up: dict[Connection, None] = {}
        """First come, first served."""

    def __contains__(self, connection: "Connection") -> bool:
        return connection in self._held_up

    @property
    def waiting(self) -> int:
        """Connections that wait for others to finish."""
        return len(self._held_up)

    def take_shared(self) -> bytearray:
        """The shared buffer becomes one connection's own; the next read goes into another."""
        taken, self._buffer = self._buffer, self._pool.take(RECEIVE_SIZE)
        self.view = memoryview(self._buffer)
        self._count_frame(taken, 1)
        return taken

    def take(self, size: int) -> bytearray:
        """A buffer for what a connection has received of a frame."""
        taken = self._pool.take(size)
        self._count_frame(taken, 1)
        return taken

    def give(self, buffer: bytearray) -> None:
        """It has been replaced by a larger one."""
        self._count_frame(buffer, -1)
        self._pool.give(buffer)

    def served(self, connection: "Connection", buffer: bytearray) -> None:
        """The connection has no own buffer any more; others may go on."""
        if self._held_up.pop(connection, connection) is None:
            self._frames += 1
        self.give(buffer)
        self._let_go()

    def hold(self, change: int) -> None:
        """So many more bytes, fewer when negative, are of requests whose responses wait."""
        self._count(change)
        if change < 0:
            self._let_go()

    def hold_up(self, connection: "Connection") -> bool:
        """Whether a connection that has begun a frame must wait before it reads the rest.

        Never all of them: somebody must be able to finish.
        """
        if not self.is_full or not self._frames:
            return False
        self._hold(connection)  # Without the buffer that is about to be taken.
        return True

    def hold_back(self, connection: "Connection") -> bool:
        """Whether a connection that needs a larger buffer for the frame it has begun has to wait; never the last."""
        if not self.is_full or self._frames < 2:
            return False
        self._hold(connection)
        return True

    def _hold(self, connection: "Connection") -> None:
        self._held_up[connection] = None
        self._frames -= 1
        self.on_wait()

    def read_on(self, connection: "Connection") -> None:
        """It has served what held it up; it reads on unless it waits for others' bytes."""
        if connection not in self._held_up:
            connection.resume_reading()

    def _let_go(self) -> None:
        while self._held_up and (self._frames == 0 or not self.is_full):
            waiting = next(iter(self._held_up))
            del self._held_up[waiting]
            self._frames += 1
            waiting.resume_reading()

    def _count_frame(self, buffer: bytearray, change: int) -> None:
        self._frames += change
        self.buffer_bytes += change * len(buffer)
        self._count(change * len(buffer))

    def _count(self, change: int) -> None:
        self.bytes += change
        self.is_full = 0 <= self._limit < self.bytes
