"""What all logs of one log directory share."""

import random
from collections.abc import Callable
from typing import TYPE_CHECKING

from odradek.host.files import NOWAIT, WOULD_WAIT, FileSystem
from odradek.log.descriptors import Descriptors
from odradek.log.errors import ColdError

if TYPE_CHECKING:
    from odradek.log.log import Log


def _ignore(_: "Log") -> None:
    """Nobody wants to know."""


class LogStorage:
    """Files, open descriptors, source of roll jitter, and who is told that a log has bytes to flush."""

    __slots__ = ("descriptors", "files", "on_dirty", "random")

    def __init__(
        self,
        files: FileSystem,
        descriptors: Descriptors,
        random: random.Random,
        on_dirty: Callable[["Log"], None] = _ignore,
    ) -> None:
        self.files = files
        self.descriptors = descriptors
        self.random = random
        self.on_dirty = on_dirty


def read_at(files: FileSystem, fd: int, position: int, length: int, *, wait: bool) -> bytes:
    """Bytes of a file, fewer only at its end. Raises ColdError when they are not in memory and `wait` is False."""
    buffer = bytearray(length)
    if wait:
        count = files.preadv(fd, [buffer], position)
        return bytes(buffer[:count])
    try:
        count = files.preadv(fd, [buffer], position, NOWAIT)
    except OSError as error:
        if error.errno in WOULD_WAIT:
            raise ColdError from None
        raise
    if count < length and position + count < files.size(fd):
        raise ColdError
    return bytes(buffer[:count])
