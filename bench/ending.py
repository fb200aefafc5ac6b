"""The end of a bench, also of one that is interrupted: no process and no directory of it is left."""

from __future__ import annotations

import os
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

from odradek.benchmark import resources
from odradek.benchmark.errors import BenchError

GONE_DEADLINE_S = 30.0
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_POLL_S = 0.002


class Interrupts:
    """SIGINT, SIGTERM and SIGHUP from `catch` on: the first one ends the bench by SystemExit, more change nothing."""

    def __init__(self) -> None:
        self._number: int | None = None

    def catch(self) -> None:
        """Also in a shell's background job, where SIGINT is ignored when nobody says otherwise."""
        for number in _SIGNALS:
            signal.signal(number, self._end)

    def raise_again(self) -> None:
        """For whoever has caught an error: the SystemExit, if it was that which led to it."""
        if self._number is not None:
            raise SystemExit(128 + self._number)

    def _end(self, number: int, frame: FrameType | None) -> None:
        if self._number is None:
            self._number = number
            end_processes(*resources.processes(os.getpid())[1:])  # So that nobody waits for an answer of them.
            self.raise_again()


@contextmanager
def scratch_directory(parent: Path | None) -> Iterator[Path]:
    """Where everything that the block starts keeps its data; both are gone afterwards, however the block ends."""
    with tempfile.TemporaryDirectory(prefix="odradek-bench-", dir=parent) as scratch:
        try:
            yield Path(scratch)
        finally:
            end_processes(*resources.processes(os.getpid())[1:])


def end_processes(*pids: int) -> None:
    """SIGKILL for the processes and all that they started; returns when none of them runs."""
    ending = resources.processes(*pids)
    for pid in ending:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + GONE_DEADLINE_S
    while any(is_running(pid) for pid in ending):
        if time.monotonic() > deadline:
            raise BenchError(f"processes {[pid for pid in ending if is_running(pid)]} outlived SIGKILL")
        time.sleep(_POLL_S)


def is_running(pid: int) -> bool:
    """Whether it exists and has not ended; one that nobody has waited for yet has ended."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in ("Z", "X")
