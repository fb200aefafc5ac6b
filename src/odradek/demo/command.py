"""The command line as a person would use it: a process of its own beside the play."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence

from odradek.demo.worker import Worker

_LOOK_S = 0.2


class Command(Worker):
    """Runs `odradek ARGUMENTS` to its end; that it failed is this worker's failure."""

    def __init__(self, bootstrap: str, arguments: Sequence[str]) -> None:
        super().__init__(f"odradek {' '.join(arguments)}")
        self._command = [sys.executable, "-m", "odradek", "-b", bootstrap, *arguments]

    def work(self) -> None:
        process = subprocess.Popen(
            self._command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        try:
            while True:
                try:
                    told, _ = process.communicate(timeout=_LOOK_S)
                    break
                except subprocess.TimeoutExpired:
                    if self.stopping.is_set():
                        return
            if process.returncode:
                raise RuntimeError(told.strip() or f"exit code {process.returncode}")
        finally:
            process.kill()
            process.wait()
