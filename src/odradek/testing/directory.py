"""The data directory of a test's broker: a temporary one that goes away with the broker, or one that is kept."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from odradek.testing.errors import BrokerFailedError


class DataDirectory:
    """Where one test broker keeps its data and, beside it, its log file."""

    def __init__(self, kept: str | Path | None) -> None:
        self._scratch: Path | None = Path(tempfile.mkdtemp(prefix="odradek-test-"))
        self.path = Path(kept).absolute() if kept is not None else self._scratch / "data"
        self.log_file = self._scratch / "broker.log"

    def require_open(self) -> None:
        """What was removed is gone for good: a start would have nowhere to be."""
        if self._scratch is None:
            raise BrokerFailedError("the broker is closed; start another one")

    def log_tail(self, lines: int = 60) -> str:
        """The last lines of the broker's log; empty when it wrote none."""
        if not self.log_file.exists():
            return ""
        return "\n".join(self.log_file.read_text(errors="replace").splitlines()[-lines:])

    def remove(self) -> None:
        """Delete what is temporary; a kept data directory stays."""
        if self._scratch is not None:
            shutil.rmtree(self._scratch, ignore_errors=True)
            self._scratch = None
