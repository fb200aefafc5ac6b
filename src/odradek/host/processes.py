"""Helper processes: CPU-heavy work outside of the interpreter that runs the event loop.

A helper is a Python module that is given lines on its standard input and answers with lines on its standard output. It
is of the lowest priority and dies with the process that started it: at the end of its input, and on Linux at once.
"""

import asyncio
import contextlib
import ctypes
import os
import select
import signal
import subprocess
import sys
import time
from collections import deque
from typing import Protocol

READ_SIZE = 65_536
NICENESS = 19
PR_SET_PDEATHSIG = 1


class Helper(Protocol):
    """One running helper."""

    async def write_line(self, line: bytes) -> None:
        """Hand it a line; nothing happens when it is dead."""
        ...

    async def read_line(self) -> bytes | None:
        """Its next line, None when it has ended."""
        ...

    def kill(self) -> None:
        """End it now; whoever reads gets None."""
        ...

    async def stop(self) -> None:
        """Returns when the process is gone."""
        ...


class Processes(Protocol):
    """What a machine that has processes offers."""

    async def start(self, module: str) -> Helper:
        """Run `python -m module`. Raises OSError."""
        ...


class PosixProcesses:
    """Implements `Processes` on the operating system."""

    async def start(self, module: str) -> Helper:
        """Raises OSError."""
        loop = asyncio.get_running_loop()
        return PosixHelper(loop, await loop.run_in_executor(None, _spawn, (sys.executable, "-m", module)))


def _spawn(arguments: tuple[str, ...]) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)


class PosixHelper:
    """Lines through pipes; reading never blocks the loop, writing and waiting happen in the executor."""

    def __init__(self, loop: asyncio.AbstractEventLoop, process: "subprocess.Popen[bytes]") -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._loop = loop
        self._process = process
        self._input, self._output = process.stdin, process.stdout
        self._partial = b""
        self._lines: deque[bytes] = deque()
        self._ended = False
        self._waiter: asyncio.Future[None] | None = None
        os.set_blocking(self._output.fileno(), False)
        loop.add_reader(self._output.fileno(), self._readable)

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    async def write_line(self, line: bytes) -> None:
        with contextlib.suppress(BrokenPipeError):
            await self._loop.run_in_executor(None, _write_all, self._input.fileno(), line + b"\n")

    async def read_line(self) -> bytes | None:
        while not self._lines and not self._ended:
            self._waiter = self._loop.create_future()
            await self._waiter
        return self._lines.popleft() if self._lines else None

    def kill(self) -> None:
        self._process.kill()

    async def stop(self) -> None:
        self.kill()
        self._end()
        self._input.close()
        self._output.close()
        await self._loop.run_in_executor(None, self._process.wait)

    def _readable(self) -> None:
        try:
            content = os.read(self._output.fileno(), READ_SIZE)
        except BlockingIOError:
            return
        if not content:
            self._end()
        else:
            *whole, self._partial = (self._partial + content).split(b"\n")
            self._lines.extend(whole)
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _end(self) -> None:
        if not self._ended:
            self._ended = True
            self._loop.remove_reader(self._output.fileno())


def _write_all(fd: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(fd, view) :]


# -- the helper's own side --------------------------------------------------------------------------------------------


class HelperInput:
    """The lines a helper is given."""

    def __init__(self, fd: int = 0) -> None:
        self._file = os.fdopen(fd, "rb")
        self._fd = fd

    def read_line(self) -> bytes:
        """The next line, empty at the end of the input: whoever started the helper is gone."""
        return self._file.readline().rstrip(b"\n")

    @property
    def has_ended(self) -> bool:
        """Whether nobody is at the other end any more, without waiting."""
        poll = select.poll()
        poll.register(self._fd, 0)  # Only POLLHUP and POLLERR are reported then.
        return bool(poll.poll(0))


def become_helper() -> None:
    """Lowest priority, no interruption from the terminal, and no life of its own."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(NICENESS)
    die_with_parent()


def die_with_parent() -> None:
    """Be killed when the process that started this one dies, on Linux; elsewhere the end of the input has to do."""
    prctl = getattr(ctypes.CDLL(None), "prctl", None)
    if prctl is not None:
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def answer(line: bytes) -> None:
    """Write a line to whoever started this helper. Raises BrokenPipeError."""
    _write_all(1, line + b"\n")


def monotonic_s() -> float:
    """Seconds of a clock that only goes forward."""
    return time.monotonic()


def rest(seconds: float) -> None:
    """Do nothing for so long."""
    time.sleep(seconds)
