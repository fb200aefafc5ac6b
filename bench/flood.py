"""One client that asks for as much as it can: `python -m bench.flood HOST:PORT KIND TOPIC`, until it is terminated.

Says `begun` on stdout when it is under way.
"""

from __future__ import annotations

import select
import signal
import socket
import sys
from collections.abc import Sequence
from struct import unpack

from bench.requests import encoded
from odradek.benchmark import frames
from odradek.benchmark.connection import Connection
from odradek.benchmark.rows import FETCH_BYTES

PIPELINED = 2_000
"""Requests in one write."""
FETCHING = 1_000
LISTING = 100
LISTED = 10_000
_RECEIVE_SIZE = 1 << 20


def pipelined(address: tuple[str, int], topic: str) -> None:
    """One connection with thousands of small requests on the way, whose answers are read."""
    content = memoryview(encoded("metadata", 4, topics=[{"name": topic}], allow_auto_topic_creation=False) * PIPELINED)
    with Connection(address) as connection:
        end, position = connection.socket, 0
        end.setblocking(False)
        while True:
            readable, writable, _ = select.select([end], [end], [])
            if readable:
                end.recv(_RECEIVE_SIZE)
            if writable:
                position = (position + end.send(content[position:])) % len(content)


def fetches(address: tuple[str, int], topic: str) -> None:
    """A thousand connections, each of which reads a MiB again and again."""
    _one_each(address, [frames.fetch(topic, 0, 0, FETCH_BYTES)] * FETCHING)


def offsets(address: tuple[str, int], topic: str) -> None:
    """A hundred connections, each of which asks for the offsets of 10,000 partitions again and again."""
    _one_each(address, [frames.list_offsets(topic, range(LISTED))] * LISTING)


class _End:
    """One connection with a request on the way; `left` of its answer, 0 before it begins."""

    def __init__(self, address: tuple[str, int], request: bytes) -> None:
        self.connection, self.left = Connection(address), 0
        self._request = request

    def ask(self) -> None:
        self.connection.socket.sendall(self._request)

    def take(self) -> None:
        """Some of the answer; after the last of it the next request."""
        end = self.connection.socket
        if self.left == 0:
            (self.left,) = unpack(">i", end.recv(4, socket.MSG_WAITALL))
        self.left -= len(end.recv(min(self.left, _RECEIVE_SIZE)))
        if self.left == 0:
            self.ask()


def _one_each(address: tuple[str, int], requests: Sequence[bytes]) -> None:
    poll, ends = select.epoll(), {}
    for request in requests:
        end = _End(address, request)
        end.ask()
        descriptor = end.connection.socket.fileno()
        ends[descriptor] = end
        poll.register(descriptor, select.EPOLLIN)
    while True:
        for descriptor, _ in poll.poll():
            ends[descriptor].take()


KINDS = {"pipelined": pipelined, "fetches": fetches, "offsets": offsets}


def main() -> None:
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(0))
    address, kind, topic = sys.argv[1:4]
    host, _, port = address.rpartition(":")
    print("begun", flush=True)
    KINDS[kind]((host, int(port)), topic)


if __name__ == "__main__":
    main()
