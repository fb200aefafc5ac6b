"""What a broker asks of the machine it runs on: files, wall clock, randomness, helper processes.

Everything else (sockets, timers, executor) is asyncio's own loop API. The real host is the operating system; the
simulated one lives in `odradek.simulation`. This package imports nothing of Odradek.
"""

from odradek.host.clock import Clock, SystemClock
from odradek.host.files import NOWAIT, WOULD_WAIT, FileStat, FileSystem, SpaceStat, write_atomically
from odradek.host.host import Host

__all__ = [
    "NOWAIT",
    "WOULD_WAIT",
    "Clock",
    "FileStat",
    "FileSystem",
    "Host",
    "SpaceStat",
    "SystemClock",
    "write_atomically",
]
