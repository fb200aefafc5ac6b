"""The simulated transport: what asyncio's socket transports promise, and every freedom they have, taken.

Written buffers are kept by reference until they are sent, which is always later (uvloop does so), and writable ones
are scribbled over when they are released: a program that refills or reads on too early sends or sees rubbish. Received
bytes come in pieces of any size.
"""

import asyncio
from asyncio import transports
from collections import deque
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from odradek.simulation.endpoint import Endpoint

if TYPE_CHECKING:
    from odradek.simulation.loop import SimulatedLoop

HIGH_WATER_BYTES = 64 * 1024
READ_BYTES_MAX = 256 * 1024
SEND_SECONDS_MAX = 0.0002
READ_SECONDS_MAX = 0.0001
SCRIBBLE = b"\xdb"


class SimulatedSocket:
    """What `get_extra_info("socket")` and `Server.sockets` give: addresses, and options that do nothing."""

    def __init__(self, address: tuple[str, int], peer: tuple[str, int] | None = None) -> None:
        self._address, self._peer = address, peer
        self.family, self.type, self.proto = 2, 1, 6

    def getsockname(self) -> tuple[str, int]:
        return self._address

    def getpeername(self) -> tuple[str, int] | None:
        return self._peer

    def setsockopt(self, *arguments: Any) -> None:
        """Options change nothing here."""

    def getsockopt(self, *arguments: Any) -> int:
        return 0

    def fileno(self) -> int:
        return -1


class SimulatedTransport(transports.Transport):
    """One end of a connection for an asyncio Protocol or BufferedProtocol."""

    def __init__(self, loop: "SimulatedLoop", endpoint: Endpoint, protocol: asyncio.BaseProtocol) -> None:
        super().__init__()
        self._extra = {
            "peername": endpoint.peer_address,
            "sockname": endpoint.address,
            "socket": SimulatedSocket(endpoint.address, endpoint.peer_address),
        }
        self._loop, self._endpoint, self._protocol = loop, endpoint, protocol
        self._random = loop.schedule.random
        self._queue: deque[memoryview] = deque()
        self._queue_bytes = 0
        self._high, self._low = HIGH_WATER_BYTES, HIGH_WATER_BYTES // 4
        self._protocol_paused = self._reading_paused = False
        self._closing = self._lost = self._end_wanted = self._end_seen = False
        self._read_timer: asyncio.TimerHandle | None = None
        self._send_timer: asyncio.TimerHandle | None = None
        endpoint.transport = self
        loop.transports[endpoint.number] = self

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._extra.get(name, default)

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        return self._protocol

    # Reading

    def is_reading(self) -> bool:
        return not self._reading_paused and not self._closing

    def pause_reading(self) -> None:
        self._reading_paused = True

    def resume_reading(self) -> None:
        self._reading_paused = False
        self.wake_reader()

    def wake_reader(self) -> None:
        """Something arrived, or reading was resumed: read after a moment."""
        if self.is_reading() and self._read_timer is None and self._has_news():
            self._read_timer = self._loop.call_later(self._random.random() * READ_SECONDS_MAX, self._read)

    def _has_news(self) -> bool:
        endpoint = self._endpoint
        return bool(endpoint.unread or endpoint.error or (endpoint.end_received and not self._end_seen))

    def _read(self) -> None:
        self._read_timer = None
        if not self.is_reading():
            return
        if self._endpoint.unread:
            self._guarded(self._deliver)
        elif self._endpoint.error is not None:
            self._force_close(self._endpoint.error)
        elif self._endpoint.end_received and not self._end_seen:
            self._end_seen = True
            self._guarded(self._deliver_end)
        self.wake_reader()

    def _guarded(self, deliver: Any) -> None:
        try:
            deliver()
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:
            self._fail(error)

    def _deliver(self) -> None:
        if isinstance(self._protocol, asyncio.BufferedProtocol):
            buffer = memoryview(self._protocol.get_buffer(READ_BYTES_MAX))
            if not len(buffer):
                raise RuntimeError("get_buffer() returned an empty buffer")
            data = self._endpoint.read(min(self._draw_segment(), len(buffer)))
            buffer[: len(data)] = data
            self._protocol.buffer_updated(len(data))
        else:
            self._protocol.data_received(self._endpoint.read(self._draw_segment()))  # type: ignore[attr-defined]

    def _deliver_end(self) -> None:
        keep_open = self._protocol.eof_received()  # type: ignore[attr-defined]
        if not keep_open:
            self.close()

    def _draw_segment(self) -> int:
        """How many bytes one read gives: mostly all there are, sometimes a part, sometimes a few bytes."""
        available = min(len(self._endpoint.unread), READ_BYTES_MAX)
        kind = self._random.random()
        if kind < 0.1:
            return min(available, self._random.randint(1, 16))
        return self._random.randint(1, available) if kind < 0.4 else available

    # Writing

    def get_write_buffer_size(self) -> int:
        return self._queue_bytes

    def get_write_buffer_limits(self) -> tuple[int, int]:
        return self._low, self._high

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        if high is None:
            high = HIGH_WATER_BYTES if low is None else 4 * low
        if low is None:
            low = high // 4
        if not high >= low >= 0:
            raise ValueError(f"high ({high!r}) must be >= low ({low!r}) must be >= 0")
        self._high, self._low = high, low
        self._control_flow()

    def write(self, data: Any) -> None:
        if not isinstance(data, bytes | bytearray | memoryview):
            raise TypeError(f"data argument must be a bytes-like object, not {type(data).__name__!r}")
        if self._end_wanted:
            raise RuntimeError("Cannot call write() after write_eof()")
        if self._closing or not len(data):
            return
        view = memoryview(data).cast("B")
        self._queue.append(view)
        self._queue_bytes += len(view)
        self.wake_writer()
        self._control_flow()

    def writelines(self, list_of_data: Iterable[Any]) -> None:
        for data in list_of_data:
            self.write(data)

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        if not self._closing and not self._end_wanted:
            self._end_wanted = True
            self.wake_writer()

    def wake_writer(self) -> None:
        """There may be something to send and room for it: send after a moment."""
        if self._send_timer is None and not self._lost and (self._queue or self._end_wanted):
            self._send_timer = self._loop.call_later(self._random.random() * SEND_SECONDS_MAX, self._send)

    def _send(self) -> None:
        self._send_timer = None
        if self._lost:
            return
        if self._endpoint.error is not None:
            self._force_close(self._endpoint.error)
            return
        while self._queue and self._endpoint.window:
            self._send_some()
        if not self._queue:
            self._all_sent()
        self._control_flow()

    def _send_some(self) -> None:
        view = self._queue[0]
        count = min(len(view), self._endpoint.window)
        self._endpoint.send(bytes(view[:count]))
        self._queue_bytes -= count
        if not view.readonly:
            view[:count] = SCRIBBLE * count
        if count == len(view):
            self._queue.popleft().release()
        else:
            self._queue[0] = view[count:]

    def _all_sent(self) -> None:
        if self._end_wanted:
            self._endpoint.shut_down_writing()
            self._end_wanted = not self._closing
        if self._closing:
            self._lose(None)

    def _control_flow(self) -> None:
        if self._queue_bytes > self._high and not self._protocol_paused:
            self._protocol_paused = True
            self._protocol.pause_writing()
        elif self._queue_bytes <= self._low and self._protocol_paused:
            self._protocol_paused = False
            self._protocol.resume_writing()

    # The end

    def is_closing(self) -> bool:
        return self._closing

    def close(self) -> None:
        if not self._closing:
            self._closing = True
            if not self._queue:
                self._lose(None)

    def abort(self) -> None:
        self._force_close(None)

    def abandon(self) -> None:
        """The process is dead: nobody is told, nothing more is sent."""
        self._closing = self._lost = True
        self._queue.clear()
        self._queue_bytes = 0

    def _fail(self, error: BaseException) -> None:
        context = {"message": "Fatal error: protocol callback failed.", "exception": error, "transport": self}
        self._loop.call_exception_handler(context | {"protocol": self._protocol})
        self._force_close(error)

    def _force_close(self, error: BaseException | None) -> None:
        self._closing = True
        self._queue.clear()
        self._queue_bytes = 0
        if not self._lost:
            if self._random.random() < 0.5:
                self._endpoint.reset()
            self._lose(error)

    def _lose(self, error: BaseException | None) -> None:
        if not self._lost:
            self._lost = True
            self._loop.call_soon(self._connection_lost, error)

    def _connection_lost(self, error: BaseException | None) -> None:
        try:
            self._protocol.connection_lost(error)  # type: ignore[arg-type]
        finally:
            self._endpoint.close()
