"""A blocking socket that sends encoded requests."""

from __future__ import annotations

import socket
from struct import unpack
from types import TracebackType
from typing import Self

TIMEOUT_S = 60.0


class Connection:
    """One connection to a broker. Raises OSError when it does not answer in time."""

    def __init__(self, address: tuple[str, int], timeout_s: float = TIMEOUT_S) -> None:
        self.socket = socket.create_connection(address, timeout=timeout_s)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._size = bytearray(4)
        self._buffer = bytearray(1 << 16)

    def call(self, frame: bytes) -> bytes:
        """Send one request; its response without the size."""
        self.socket.sendall(frame)
        return bytes(self.receive())

    def receive(self) -> memoryview:
        """The next response without its size, valid until the next call."""
        self._fill(memoryview(self._size))
        (size,) = unpack(">i", self._size)
        if size > len(self._buffer):
            self._buffer = bytearray(size)
        view = memoryview(self._buffer)[:size]
        self._fill(view)
        return view

    def close(self) -> None:
        self.socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _fill(self, view: memoryview) -> None:
        position = 0
        while position < len(view):
            received = self.socket.recv_into(view[position:])
            if received == 0:
                raise ConnectionError("the broker closed the connection")
            position += received
