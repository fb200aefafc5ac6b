"""The physical limit of replication: a process that also sends what arrives to others, and answers when they have.

    python -m bench.relay PORT FILE COPY_PORT...

The others are `bench.limit`, which write the same bytes and answer each request. It answers a client's requests when
its own write and the answers of all the others are there.
"""

from __future__ import annotations

import select
import signal
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

from bench.limit import TOPIC_BEGUN_SIZE, Mover, Peer

_RECEIVE_SIZE = 1 << 16


class Copies:
    """The connections over which one client's bytes go to the others, and how far each has answered."""

    def __init__(self, client: Peer, ports: Sequence[int]) -> None:
        self.client = client
        self.sockets = [socket.create_connection(("127.0.0.1", port)) for port in ports]
        self._received = {each.fileno(): 0 for each in self.sockets}
        self._answered = 0
        for each in self.sockets:
            each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, content: memoryview) -> None:
        for each in self.sockets:
            each.sendall(content)

    def receive(self, descriptor: int) -> int:
        """Some answers of one of them; how many requests have been answered by all for the first time."""
        [answering] = [each for each in self.sockets if each.fileno() == descriptor]
        received = len(answering.recv(_RECEIVE_SIZE))
        if received == 0:
            sys.exit("a copy closed its connection")
        self._received[descriptor] += received
        before, self._answered = self._answered, min(self._received.values()) // len(self.client.response)
        return self._answered - before


class Relay(Mover):
    """A mover with copies elsewhere: their answers are of the size of its own, as their requests are."""

    def __init__(self, port: int, path: Path, copies: Sequence[int]) -> None:
        super().__init__(port, path)
        self._ports = copies
        self._copies: dict[int, Copies] = {}
        """By the descriptors of both sides."""

    def _accept(self) -> Peer:
        client = super()._accept()
        copies = Copies(client, self._ports)
        self._copies[client.socket.fileno()] = copies
        for each in copies.sockets:
            self._copies[each.fileno()] = copies
            self._poll.register(each, select.EPOLLIN)
        return client

    def _close(self, peer: Peer) -> None:
        copies = self._copies.pop(peer.socket.fileno())
        for each in copies.sockets:
            self._poll.unregister(each)
            del self._copies[each.fileno()]
            each.close()
        super()._close(peer)

    def _ready(self, descriptor: int, answered: list[tuple[Peer, int]]) -> None:
        if descriptor in self._peers:
            super()._ready(descriptor, answered)
        elif descriptor in self._copies:  # Its client may have closed just now.
            copies = self._copies[descriptor]
            answered.append((copies.client, copies.receive(descriptor)))

    def _take(self, peer: Peer, received: memoryview) -> int:
        """None yet: they are when the copies have answered."""
        super()._take(peer, received)
        self._copies[peer.socket.fileno()].send(received)
        return 0

    def _begin_topic(self, peer: Peer, request: bytes) -> None:
        """The copies empty their files too."""
        for each in self._copies[peer.socket.fileno()].sockets:
            each.sendall(request)
            each.recv(TOPIC_BEGUN_SIZE, socket.MSG_WAITALL)
        super()._begin_topic(peer, request)


def main() -> None:
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(0))
    Relay(int(sys.argv[1]), Path(sys.argv[2]), [int(port) for port in sys.argv[3:]]).run()


if __name__ == "__main__":
    main()
