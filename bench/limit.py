"""The physical limit: a process that moves the same bytes between sockets and a file and does nothing else.

    python -m bench.limit PORT FILE

What arrives is written to the file as it comes, framing included, and each Produce request is answered with a fixed
response: after one fdatasync for all that arrived meanwhile, if the last topic to be created had flush.messages.
A Fetch request is answered with the next of the stored batches, read into one buffer. A new topic empties the file. It
understands only what `odradek.benchmark.frames` sends, which are requests of one size on each connection.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from queue import SimpleQueue
from struct import Struct, pack, unpack_from
from threading import Thread

from bench.broker import Broker, Started
from odradek.benchmark import frames
from odradek.benchmark.connection import Connection
from odradek.benchmark.rows import PARTITIONS
from odradek.benchmark.target import Target

_SIZE = Struct(">i")
_RECEIVE_SIZE = 1 << 20
_HEADER_SIZE = 4 + 2 + 2 + 4 + 2 + len(frames.CLIENT_ID)
TOPIC_BEGUN_SIZE = 8
"""The answer to a CreateTopics request, framing included."""
_PRODUCE, _FETCH, _CREATE_TOPICS = 0, 1, 19
_PRODUCED = Struct(">iihqqqihi")
"""One partition: index, error, base offset, append time, log start; no record errors, no message; not throttled."""
_FETCHED = Struct(">iihqqqiii")
"""One partition: index, error, high watermark, last stable offset, log start; no aborted, no replica; size."""


class LimitTarget(Target):
    """It has no topics: whatever is named is there."""

    def connect(self, topic: str | None = None, partition: int = 0) -> Connection:
        return Connection(self.address)

    def create_topic(self, name: str, partitions: int, configs: Mapping[str, str]) -> None:
        with Connection(self.address) as connection:
            connection.call(frames.create_topic(name, partitions, configs))

    def delete_topic(self, name: str) -> None:
        self.create_topic(name, 1, {})

    def led_together(self, topic: str, partition: int = 0) -> list[int]:
        return list(range(PARTITIONS))

    def require_end_offset(self, topic: str, partition: int, expected: int) -> None:
        """It does not number records."""


class Limit(Broker):
    """The bare process as something to measure. `settings` are not for it."""

    name = "limit"

    def commands(self) -> Sequence[Sequence[str]]:
        return [[sys.executable, "-m", "bench.limit", str(self.port), str(self.directory / "bytes")]]

    @property
    def target(self) -> Target:
        found = super().target
        return LimitTarget(found.address, *found.pids)

    def start_measured(self, topic: str = "started") -> Started:
        begin = self.launch()
        self._connected(begin).close()
        return Started(0.0, 0.0)


class Peer:
    """One connection: how much of the current frame is still to come, and what its requests look like."""

    def __init__(self, accepted: socket.socket) -> None:
        accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket = accepted
        self.rest = 0
        self.head = b""
        self.response = b""
        self.next_batch = 0

    def whole_frames(self, received: memoryview) -> int:
        """How many frames end in what was received."""
        if self.rest >= len(received):
            self.rest -= len(received)
            return self.rest == 0
        count, position = 0, self.rest
        if position:
            count += 1
        data = received
        if self.head:
            data, position, self.head = memoryview(self.head + bytes(received)), 0, b""
        while len(data) - position >= _SIZE.size:
            (size,) = _SIZE.unpack_from(data, position)
            end = position + _SIZE.size + size
            if end > len(data):
                self.rest = end - len(data)
                return count
            count, position = count + 1, end
        self.rest, self.head = 0, bytes(data[position:])
        return count


class Mover:
    """Serves until it is terminated."""

    def __init__(self, port: int, path: Path) -> None:
        self._listener = socket.create_server(("127.0.0.1", port), backlog=1024)
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC)
        self._sync = False
        self._poll = select.epoll()
        self._peers: dict[int, Peer] = {}
        self._buffer = memoryview(bytearray(_RECEIVE_SIZE))
        self._fetched = memoryview(bytearray(_RECEIVE_SIZE))
        self._stored = (0, 0, 0)
        """Where the first frame begins in the file, its size, and its head before the records."""
        self._written = 0
        self._unsynced: SimpleQueue[tuple[Peer, int]] = SimpleQueue()

    def run(self) -> None:
        Thread(target=self._answer_synced, daemon=True).start()
        self._poll.register(self._listener, select.EPOLLIN)
        while True:
            answered: list[tuple[Peer, int]] = []
            for descriptor, _ in self._poll.poll():
                if descriptor == self._listener.fileno():
                    self._accept()
                else:
                    self._ready(descriptor, answered)
            for peer, count in answered:
                if self._sync:
                    self._unsynced.put((peer, count))
                else:
                    peer.socket.sendall(peer.response * count)

    def _answer_synced(self) -> None:
        """One sync for all that arrived while the one before it ran."""
        while True:
            waiting = [self._unsynced.get()]
            while not self._unsynced.empty():
                waiting.append(self._unsynced.get())
            os.fdatasync(self._file)
            for peer, count in waiting:
                peer.socket.sendall(peer.response * count)

    def _accept(self) -> Peer:
        accepted, _ = self._listener.accept()
        peer = self._peers[accepted.fileno()] = Peer(accepted)
        self._poll.register(accepted, select.EPOLLIN)
        return peer

    def _ready(self, descriptor: int, answered: list[tuple[Peer, int]]) -> None:
        self._receive(self._peers[descriptor], answered)

    def _close(self, peer: Peer) -> None:
        self._poll.unregister(peer.socket)
        del self._peers[peer.socket.fileno()]
        peer.socket.close()

    def _receive(self, peer: Peer, answered: list[tuple[Peer, int]]) -> None:
        size = peer.socket.recv_into(self._buffer)
        if size == 0:
            self._close(peer)
            return
        received = self._buffer[:size]
        if peer.rest == 0 and not peer.head and size >= _HEADER_SIZE + 4:
            (api_key,) = unpack_from(">h", received, 4)
            if api_key == _FETCH:
                self._send_batch(peer)
                return
            if api_key == _CREATE_TOPICS:
                self._begin_topic(peer, bytes(received))
                return
            if api_key == _PRODUCE and not peer.response:
                self._learn(peer, received)
        os.write(self._file, received)
        self._written += size
        count = self._take(peer, received)
        if count:
            answered.append((peer, count))

    def _take(self, peer: Peer, received: memoryview) -> int:
        """How many requests are to be answered, now that this is written."""
        return peer.whole_frames(received)

    def _begin_topic(self, peer: Peer, request: bytes) -> None:
        self._sync = b"flush.messages" in request
        os.ftruncate(self._file, 0)
        os.lseek(self._file, 0, os.SEEK_SET)
        self._written = 0
        peer.socket.sendall(pack(">ii", TOPIC_BEGUN_SIZE - 4, 1))

    def _learn(self, peer: Peer, received: memoryview) -> None:
        """The response to this connection's requests, from its first."""
        position = _HEADER_SIZE + 2 + 2 + 4 + 4
        (name_size,) = unpack_from(">h", received, position)
        name = bytes(received[position : position + 2 + name_size])
        (frame_size,) = _SIZE.unpack_from(received)
        self._stored = (self._written, frame_size + 4, position + 2 + name_size + 12)
        content = pack(">ii", 1, 1) + name + _PRODUCED.pack(1, 0, 0, 0, -1, 0, 0, -1, 0)
        peer.response = _SIZE.pack(len(content)) + content

    def _send_batch(self, peer: Peer) -> None:
        begin, frame_size, head = self._stored
        size = frame_size - head
        position = begin + peer.next_batch * frame_size
        if position + frame_size > self._written:
            peer.next_batch, position = 0, begin
        peer.next_batch += 1
        read = os.preadv(self._file, [self._fetched[:size]], position + head)
        name = peer.response[4 + 4 + 4 : -_PRODUCED.size]
        fields = _FETCHED.pack(1, 0, 0, 1 << 40, 1 << 40, 0, -1, -1, read)
        content = pack(">iihii", 1, 0, 0, 0, 1) + name + fields
        peer.socket.sendall(_SIZE.pack(len(content) + read) + content)
        peer.socket.sendall(self._fetched[:read])


def main() -> None:
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(0))
    Mover(int(sys.argv[1]), Path(sys.argv[2])).run()


if __name__ == "__main__":
    main()
