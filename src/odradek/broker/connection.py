"""One client's connection: bytes in, frames to the router, responses out in the order of their requests.

All connections read into one shared buffer: whole frames are served where they lie and answered together with one
write, so an idle connection holds no buffer. Only what is left of a frame not yet whole moves to a buffer of its own,
which grows with what arrives, whatever size was announced. Requests whose responses wait are bounded in number; past
the bound, or while the client does not read, nothing more is served and then nothing more is read. So it is when its
turn is over (`turns`), and when all clients together hold too much.
"""

import asyncio
import logging
from collections import deque
from struct import Struct
from typing import TYPE_CHECKING, cast

from odradek.broker.buffers import RECEIVE_SIZE
from odradek.broker.delayed import DelayedResponse, PooledResponse, Response
from odradek.broker.turns import REQUESTS_PER_LOOK, TURN_REQUESTS_MAX, TURN_SECONDS
from odradek.wire.apis import FETCH
from odradek.wire.errors import MalformedRequestError
from odradek.wire.frame import REQUEST_START, SIZE

if TYPE_CHECKING:
    from odradek.broker.connections import Connections

logger = logging.getLogger(__name__)

REQUESTS_IN_FLIGHT_MAX = 256
"""Requests of one connection whose responses may wait at a time."""

WAITING_BYTES_MAX = 16 << 20
"""Of one connection's requests whose responses wait; the one that exceeds it is still begun."""

QUEUED_BYTES_MAX = 1 << 20
"""Of responses that wait for earlier ones: past it no more of the client's requests are served."""

UNSENT_BYTES_MAX = 64 << 10
"""Of responses that neither the client nor the system has taken: the same."""

GATHERED_BYTES_MAX = 1 << 20
"""Of small responses that are written together."""

ADOPTED_MIN = RECEIVE_SIZE // 16
"""Bytes of an unfinished frame from which on the shared buffer itself is kept, rather than the bytes copied."""

FIRST_BUFFER_SIZE = 4 << 10
"""For the begin of a frame from a client that has not sent a larger one: thousands may begin and never end."""

EXACT_MIN = 64 << 10
"""A frame larger than this is read up to its end, so that the next one begins a buffer and need not be moved."""

SMALL_READ = 4096
"""Bytes read of a new request while there is no room for large ones."""

QUICK_REQUEST_BYTES_MAX = 64 << 10
"""A larger request is not taken to be quick, whatever the one before it was: it may be its connection's first."""
SIZE_BYTES = SIZE.size

ANSWERED_BRIEFLY = frozenset((0, 1, 8, 10, 11, 12, 13, 14, 18, 22))
"""API keys of Produce, Fetch (which then brings no records), OffsetCommit, FindCoordinator, JoinGroup, Heartbeat,
LeaveGroup, SyncGroup, ApiVersions, InitProducerId: what producers and consumers live on costs little to answer."""

unpack_key = Struct(">h").unpack_from


class Connection(asyncio.BufferedProtocol):
    """See the module. Made for each accepted connection by a listener."""

    __slots__ = (
        "_connections", "_filled", "_frame", "_largest", "_lent", "_limit", "_needed", "_queue", "_queued_bytes",
        "_start", "_view", "_waiting_bytes", "client_software_name", "client_software_version", "frame_begun",
        "has_fetch", "is_closed", "is_in_line", "is_quick", "is_reading_paused", "is_serving", "is_writing_paused",
        "last_active", "listener", "peer_host", "peer_port", "transport",
    )  # fmt: skip

    transport: asyncio.Transport

    def __init__(self, connections: "Connections", listener: str) -> None:
        self._connections = connections
        self.listener = listener
        self.peer_host = ""
        self.peer_port = 0
        self.client_software_name = self.client_software_version = "unknown"
        self.last_active = connections.loop.time()
        self.is_closed = self.is_serving = self.is_reading_paused = self.is_writing_paused = False
        self.is_in_line = False
        """It waits for its turn."""
        self.is_quick = True
        """What it asked for last did not take long."""
        self.has_fetch = False
        """A fetch waits: the next one is not begun before it is answered."""
        self._queue: deque[DelayedResponse | bytes | PooledResponse] = deque()
        self._queued_bytes = 0
        """Of responses that wait for earlier ones."""
        self._waiting_bytes = 0
        """Of requests whose responses wait."""
        self._lent: list[bytearray] = []
        """Buffers given to the transport, not yet known to be sent."""
        self._frame: bytearray | None = None
        """Own buffer; bytes [_start:_filled] are unserved, the first frame ends at _needed, reading stops at _limit."""
        self._view = connections.received.view
        self._start = self._filled = self._needed = self._limit = 0
        self._largest = FIRST_BUFFER_SIZE
        """Size up to which this client's announcements are believed."""
        self.frame_begun = 0.0
        """Since when the first frame of the own buffer is waited for."""

    # -- asyncio's callbacks --------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        peer = transport.get_extra_info("peername")
        if isinstance(peer, tuple):
            self.peer_host, self.peer_port = str(peer[0]), int(peer[1])
        self.transport.set_write_buffer_limits(high=UNSENT_BYTES_MAX, low=0)
        refusal = self._connections.add(self)
        if refusal is not None:
            self.close(refusal)

    def get_buffer(self, sizehint: int) -> memoryview:
        if self._frame is None:
            received = self._connections.received
            return received.view[:SMALL_READ] if received.is_full else received.view
        return self._view[self._filled : self._limit]

    def buffer_updated(self, nbytes: int) -> None:
        self.last_active = self._connections.loop.time()
        if self._frame is None:
            view = self._connections.received.view
            is_quick = self.is_quick and nbytes <= QUICK_REQUEST_BYTES_MAX
            if is_quick or not self._connections.turns.is_used_up:
                self._consume(view, 0, nbytes)
            else:
                self._keep(view, 0, nbytes)
                self._line_up()
            return
        self._filled = filled = self._filled + nbytes
        if filled >= self._needed:
            self._go_on()
        elif filled == self._limit:
            self._keep(self._view, self._start, filled)

    def pause_writing(self) -> None:
        self.is_writing_paused = True
        self._connections.unsent.note(self, self.unsent_bytes)

    def resume_writing(self) -> None:
        self.is_writing_paused = False
        self.last_active = self._connections.loop.time()
        self.reclaim()
        self._connections.unsent.forget(self)
        self._go_on()

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_closed = True
        self._release_frame()
        for buffer in self._lent:
            self._connections.pool.drop(buffer)
        self._lent.clear()
        for entry in self._queue:
            if isinstance(entry, DelayedResponse):
                self._no_longer_waits(entry)
                entry.cancel()
            elif isinstance(entry, PooledResponse):
                self._connections.pool.drop(entry.buffer)
        self._queue.clear()
        self._connections.remove(self)

    # -- what others ask of it ------------------------------------------------------------------------------------

    @property
    def peer(self) -> str:
        return f"{self.peer_host}:{self.peer_port}"

    @property
    def is_waiting(self) -> bool:
        """A response is awaited, and the client is taking those it got."""
        return bool(self._queue) and not self.is_writing_paused

    def completed(self, delayed: DelayedResponse) -> None:
        """Its response is there: send it when it is its turn."""
        if self.is_closed:
            if isinstance(delayed.response, PooledResponse):
                self._connections.pool.give(delayed.response.buffer)
            return
        self._no_longer_waits(delayed)
        self._queued_bytes += size_of(delayed.response)
        if not self.is_serving:
            self._send_completed([])
            self._go_on()

    def unblocked(self) -> None:
        """A request that held back later ones no longer does."""
        self._go_on()

    def close(self, reason: str) -> None:
        """Close after what was written has been sent; no more requests are served."""
        if not self.is_closed:
            self.is_closed = True
            logger.info("closing the connection from %s: %s", self.peer, reason)
            if not self.is_serving:
                self.transport.close()

    def abort(self, reason: str) -> None:
        """Close at once; what the client has not taken is dropped."""
        if not self.is_closed:
            logger.info("closing the connection from %s: %s", self.peer, reason)
        self.is_closed = True
        self.transport.abort()

    def failed(self, error: BaseException) -> None:
        """A handler raised what nobody foresaw: the client is disconnected, as it cannot be answered."""
        logger.error("a request from %s failed", self.peer, exc_info=error)
        self.close("its request failed")

    def take_turn(self) -> None:
        """Serve what has arrived, then read on."""
        if self._frame is None or self.is_closed:
            return
        if self._filled >= self._needed:
            self._consume(self._view, self._start, self._filled)
        if self._frame is None or self._filled < self._needed:
            self._connections.received.read_on(self)

    @property
    def unsent_bytes(self) -> int:
        """Of responses not in buffers of the pool that are held for the client."""
        lent = sum(len(buffer) for buffer in self._lent)
        return max(self.transport.get_write_buffer_size() - lent, 0) + self._queued_bytes

    @property
    def is_halfway(self) -> bool:
        """The rest of a request is waited for."""
        return self._frame is not None and self._filled < self._needed

    def reclaim(self) -> None:
        """Give back the buffers of responses that have been sent."""
        if self._lent and self.transport.get_write_buffer_size() == 0:
            for buffer in self._lent:
                self._connections.pool.give(buffer)
            self._lent.clear()

    def resume_reading(self) -> None:
        """There is room for received bytes again."""
        if self.is_reading_paused and not self.is_closed:
            if self._frame is not None and self._filled == self._limit:
                self._keep(self._view, self._start, self._filled)
            self.is_reading_paused = False
            self.transport.resume_reading()

    # -- requests -------------------------------------------------------------------------------------------------

    def _consume(self, view: memoryview, position: int, end: int) -> None:
        """Serve the whole frames there and write their responses; keep the rest."""
        responses: list[bytes | PooledResponse] = []
        turns = self._connections.turns
        began = turns.stopwatch()
        self.is_serving = True
        try:
            position = self._serve_frames(view, position, end, responses, began + TURN_SECONDS)
        except MalformedRequestError as error:
            self.close(str(error))
        except Exception as error:
            self.failed(error)
        if responses or self._queue:
            self._send_completed(responses)
        self.is_serving = False
        turns.served(self, began)
        if self.is_closed:
            self.transport.close()
            position = end
        if position != end:
            self._keep(view, position, end)
        elif self._frame is not None:
            self._release_frame()

    def _serve_frames(
        self, view: memoryview, position: int, end: int, responses: list[bytes | PooledResponse], until: float
    ) -> int:
        connections, queue, gathered, served = self._connections, self._queue, 0, 0
        size_max, serve, unpack = connections.request_size_max, connections.serve, SIZE.unpack_from
        is_full, stopwatch, look_at = connections.unsent.is_full, connections.turns.stopwatch, REQUESTS_PER_LOOK
        while end - position >= SIZE_BYTES:
            (size,) = unpack(view, position)
            if not REQUEST_START.size <= size <= size_max:
                raise MalformedRequestError(f"a request of {size} bytes")
            start = position + SIZE_BYTES
            after = start + size
            if after > end or ((queue or self.is_writing_paused or is_full) and self._is_blocked(view, start)):
                break
            if served == look_at:
                if served >= TURN_REQUESTS_MAX or stopwatch() > until:
                    connections.turns.wait(self)
                    break
                look_at += REQUESTS_PER_LOOK
            if self._lent:
                self.reclaim()
            response = serve(self, view, start, after)
            served += 1
            position = after
            if type(response) is bytes and not queue:
                responses.append(response)
                gathered += len(response)
                if gathered > GATHERED_BYTES_MAX:
                    self._send_completed(responses)
                    gathered, is_full = 0, connections.unsent.is_full
            elif response is not None:
                self._enqueue(responses, response, size)
                is_full = connections.unsent.is_full
            elif self.is_closed:
                break
        return position

    def _enqueue(
        self, responses: list[bytes | PooledResponse], response: "Response | DelayedResponse", request_size: int
    ) -> None:
        """Into the queue when it is late or others are; else written at once, as large ones are."""
        if isinstance(response, DelayedResponse):
            self._queue.append(response)
            if not response.is_done:
                response.request_size = request_size
                self._waiting_bytes += request_size
                self._connections.received.hold(request_size)
        elif self._queue and response is not None:
            self._queue.append(response)
            self._queued_bytes += size_of(response)
        elif response is not None:
            responses.append(response)
            self._send_completed(responses)

    def _is_blocked(self, view: memoryview, start: int) -> bool:
        """Whether the request there has to wait."""
        queue, unsent = self._queue, self._connections.unsent
        if unsent.is_full and (self in unsent.behind or unpack_key(view, start)[0] not in ANSWERED_BRIEFLY):
            unsent.wait(self)
            return True
        if self.is_writing_paused or self._queued_bytes > QUEUED_BYTES_MAX:
            return True
        if not queue:
            return False
        if len(queue) >= REQUESTS_IN_FLIGHT_MAX or self._waiting_bytes > WAITING_BYTES_MAX:
            return True
        last = queue[-1]
        if isinstance(last, DelayedResponse) and last.exclusive and not last.is_done:
            return True
        return self.has_fetch and view[start] == 0 and view[start + 1] == FETCH

    def _go_on(self) -> None:
        """What held requests back may be over: serve those that have arrived, then read on, at once or in turn."""
        if self._frame is None or self.is_closed or self.is_serving or self.is_in_line:
            return
        is_quick = self.is_quick and self._needed - self._start <= QUICK_REQUEST_BYTES_MAX
        if self._filled >= self._needed and not is_quick and self._connections.turns.is_used_up:
            self._line_up()
        else:
            self.take_turn()

    def _line_up(self) -> None:
        """Serve what is there, if it is a whole request, when it is its turn."""
        if self._filled >= self._needed:
            self._pause_reading()
            self._connections.turns.wait(self)

    def _no_longer_waits(self, delayed: DelayedResponse) -> None:
        if size := delayed.request_size:
            delayed.request_size = 0
            self._waiting_bytes -= size
            self._connections.received.hold(-size)

    # -- responses ------------------------------------------------------------------------------------------------

    def _send_completed(self, responses: list[bytes | PooledResponse]) -> None:
        """Write these and then those at the head of the queue that are there, with as few writes as can be."""
        queue = self._queue
        while queue:
            entry = queue[0]
            if isinstance(entry, DelayedResponse):
                if not entry.is_done:
                    break
                response = entry.response
            else:
                response = entry
            queue.popleft()
            if response is not None:
                responses.append(response)
                self._queued_bytes -= size_of(response)
        if len(responses) == 1 and type(responses[0]) is bytes:
            self.transport.write(responses[0])
        else:
            self._write(responses)
        responses.clear()
        unsent = self._connections.unsent
        if self.is_writing_paused or self._queued_bytes > UNSENT_BYTES_MAX or self in unsent.behind:
            unsent.note(self, self.unsent_bytes)

    def _write(self, responses: list[bytes | PooledResponse]) -> None:
        """Small ones between large ones are joined."""
        small: list[bytes] = []
        for each in responses:
            if isinstance(each, PooledResponse):
                if small:
                    self.transport.write(b"".join(small))
                    small = []
                self._lent.append(each.buffer)
                self.transport.write(memoryview(each.buffer)[: each.size])
            else:
                small.append(each)
        if small:
            self.transport.write(b"".join(small))

    # -- the own buffer -------------------------------------------------------------------------------------------

    def _keep(self, view: memoryview, position: int, end: int) -> None:
        """Keep what is unserved, with room for more of its first frame."""
        tail = end - position
        size = SIZE_BYTES + SIZE.unpack_from(view, position)[0] if tail >= SIZE_BYTES else SIZE_BYTES
        if self._frame is None or position != self._start:
            self.frame_begun = self.last_active
        if self._frame is None:
            self._keep_shared(view, position, end, size)
        elif size > len(self._frame) - position:
            self._move(view, position, end, size)
        else:
            self._start, self._filled = position, end
        assert self._frame is not None
        self._needed = self._start + size
        self._limit = min(self._needed, len(self._frame)) if size > EXACT_MIN else len(self._frame)
        if self._filled >= self._needed or self._filled == self._limit:
            self._pause_reading()

    def _keep_shared(self, view: memoryview, position: int, end: int, size: int) -> None:
        connections, tail = self._connections.received, end - position
        if connections.hold_up(self):
            self._move(view, position, end, tail)
            self._pause_reading()
        elif tail >= ADOPTED_MIN and size <= len(view) - position:
            self._frame, self._view = connections.take_shared(), view
            self._start, self._filled = position, end
        else:
            self._move(view, position, end, size)

    def _move(self, view: memoryview, position: int, end: int, size: int) -> None:
        """Into another buffer: as large as the frame if the size is believed, else twice what has arrived."""
        connections, old, tail = self._connections.received, self._frame, end - position
        room = max(tail, size if size <= self._largest else min(size, max(self._largest, 2 * tail)))
        if old is not None and (room <= len(old) or connections.hold_back(self)):
            view[:tail] = view[position:end]
            if room > len(old):
                self._pause_reading()
        else:
            self._frame = connections.take(room)
            self._view = memoryview(self._frame)
            self._view[:tail] = view[position:end]
            if old is not None:
                connections.give(old)
        self._start, self._filled = 0, tail

    def _release_frame(self) -> None:
        frame, self._frame = self._frame, None
        if frame is not None:
            self._largest = max(self._largest, len(frame))
            self._view = self._connections.received.view
            self._connections.received.served(self, frame)

    def _pause_reading(self) -> None:
        if not self.is_reading_paused and not self.is_closed:
            self.is_reading_paused = True
            self.transport.pause_reading()


def size_of(response: Response) -> int:
    """Bytes of the frame."""
    if response is None:
        return 0
    return response.size if isinstance(response, PooledResponse) else len(response)
