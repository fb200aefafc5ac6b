"""Reused byte buffers: a fresh one for each large frame would cost a quarter of the throughput in page faults.

Whoever takes a buffer gives it back when nobody else holds it: a receive buffer when its frames are answered, a
response's when the transport has sent all it was given (uvloop sends from the buffer itself, later).
"""

from bisect import bisect_left

RECEIVE_SIZE = (1 << 20) + (64 << 10)
"""Of the buffer a read goes into: a batch of message.max.bytes fits with its request around it."""

SIZES = (4 << 10, 64 << 10, 256 << 10, RECEIVE_SIZE, 4 << 20, 16 << 20, 64 << 20, 128 << 20)
"""What buffers are rounded up to; larger ones are made to measure and never kept."""

KEPT_SIZE_MAX = 16 << 20
KEPT_BYTES_MAX = 32 << 20


class BufferPool:
    """Free buffers by size. `lent_bytes` counts what was taken and not given back."""

    __slots__ = ("_free", "kept_bytes", "lent_bytes")

    def __init__(self) -> None:
        self._free: dict[int, list[bytearray]] = {size: [] for size in SIZES}
        self.kept_bytes = 0
        self.lent_bytes = 0

    def take(self, size: int) -> bytearray:
        """A buffer of at least `size` bytes with any content."""
        rounded = SIZES[bisect_left(SIZES, size)] if size <= SIZES[-1] else size
        self.lent_bytes += rounded
        free = self._free.get(rounded)
        if free:
            self.kept_bytes -= rounded
            return free.pop()
        return bytearray(rounded)

    def give(self, buffer: bytearray) -> None:
        """Take back what `take` gave; nobody may hold a view of it any longer."""
        size = len(buffer)
        self.lent_bytes -= size
        if size <= KEPT_SIZE_MAX and self.kept_bytes + size <= KEPT_BYTES_MAX:
            self.kept_bytes += size
            self._free[size].append(buffer)

    def drop(self, buffer: bytearray) -> None:
        """Forget a buffer that a lost transport may still hold."""
        self.lent_bytes -= len(buffer)
