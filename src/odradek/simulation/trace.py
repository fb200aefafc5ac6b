"""The record of a run: a running digest over everything that was scheduled, sent or stored."""

import hashlib
from collections import deque


class Trace:
    """Hashes every line added; keeps the last `keep` lines so that two diverging runs can be compared by eye."""

    def __init__(self, keep: int = 200) -> None:
        self._hash = hashlib.blake2b(digest_size=16)
        self.lines = 0
        self.tail: deque[str] = deque(maxlen=keep)

    def add(self, line: str) -> None:
        self._hash.update(line.encode())
        self._hash.update(b"\n")
        self.lines += 1
        self.tail.append(line)

    @property
    def digest(self) -> str:
        """Hexadecimal digest of all lines so far; equal seeds give equal digests."""
        return self._hash.hexdigest()
