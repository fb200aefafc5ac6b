"""Bytes of responses that clients have not taken, of all connections: how many there may be, and who has to wait.

`odradek.queued.max.response.bytes` bounds them. From half of it on a fetch is answered with as little as is allowed;
past it no request is begun that may have a large answer, nor any of a client that has not taken its last ones.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from odradek.broker.buffers import BufferPool
from odradek.broker.received import Received

if TYPE_CHECKING:
    from odradek.broker.connection import Connection


class Unsent:
    """What of the pool is not received bytes are responses. `limit` is in bytes.

    `on_wait` is called when somebody has to wait, `on_room(connection)` for each that may go on.
    """

    __slots__ = ("_limit", "_plain_bytes", "_pool", "_received", "_waiting", "behind", "on_room", "on_wait")

    def __init__(self, pool: BufferPool, received: Received, limit: int) -> None:
        self._limit = limit
        self._pool = pool
        self._received = received
        self._plain_bytes = 0
        self.behind: dict[Connection, int] = {}
        """Connections whose clients have not taken everything, with the bytes outside of the pool; longest first."""
        self._waiting: dict[Connection, None] = {}
        self.on_wait: Callable[[], None] = lambda: None
        self.on_room: Callable[[Connection], None] = lambda connection: None

    @property
    def bytes(self) -> int:
        """What is held now."""
        return self._plain_bytes + self._pool.lent_bytes - self._received.buffer_bytes

    @property
    def is_short(self) -> bool:
        """Responses should be as small as they may."""
        return self.bytes > self._limit // 2

    @property
    def is_full(self) -> bool:
        """No request should be begun."""
        return self._plain_bytes + self._pool.lent_bytes - self._received.buffer_bytes > self._limit

    @property
    def waiting(self) -> int:
        """Connections with requests that are not begun for want of room."""
        return len(self._waiting)

    def note(self, connection: "Connection", size: int) -> None:
        """Its client has not taken everything; so many bytes of it are outside of the pool."""
        self._plain_bytes += size - self.behind.get(connection, 0)
        self.behind[connection] = size

    def forget(self, connection: "Connection") -> None:
        """Its client has taken everything, or is gone."""
        self._plain_bytes -= self.behind.pop(connection, 0)
        self.let_go()

    def wait(self, connection: "Connection") -> None:
        """It is told once there is room."""
        self._waiting[connection] = None
        self.on_wait()

    def no_longer_waits(self, connection: "Connection") -> None:
        """It is gone."""
        self._waiting.pop(connection, None)

    def let_go(self) -> None:
        """Whoever waits goes on if there is room."""
        if self._waiting and not self.is_full:
            waiting, self._waiting = self._waiting, {}
            for each in waiting:
                self.on_room(each)
