"""The supervisor's side of one worker process."""

import asyncio
import contextlib
import signal
import sys

import msgspec

from odradek.broker.options import StartOptions
from odradek.supervisor.protocol import Report, decode_report, encode_order


class WorkerProcess:
    """A broker that was started. Use: `await start(...)`, `await report()`, `await ended()`."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def start(cls, options: StartOptions) -> "WorkerProcess":
        """Raises OSError."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "odradek.supervisor.worker",
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        assert process.stdin is not None
        with contextlib.suppress(ConnectionError):
            process.stdin.write(encode_order(options))
            await process.stdin.drain()
        return cls(process)

    @property
    def pid(self) -> int:
        return self._process.pid

    async def report(self) -> Report:
        """Empty when it died without a word."""
        assert self._process.stdout is not None
        line = await self._process.stdout.readline()
        try:
            return decode_report(line)
        except msgspec.MsgspecError:
            return Report()

    async def ended(self) -> str:
        """How, in words, as soon as it has."""
        code = await self._process.wait()
        return f"exit code {code}" if code >= 0 else signal.Signals(-code).name

    @property
    def is_running(self) -> bool:
        return self._process.returncode is None

    @property
    def is_clean(self) -> bool:
        """Whether it has ended as a broker does that was asked to."""
        return self._process.returncode == 0

    def terminate(self) -> None:
        """Ask it to stop cleanly."""
        if self.is_running:
            self._process.terminate()

    def kill(self) -> None:
        if self.is_running:
            self._process.kill()
