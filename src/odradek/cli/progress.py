"""One line on stderr that says how far something is, only when a person watches it there."""

from __future__ import annotations

import shutil
import sys
import time

_INTERVAL_S = 0.2


def draw(line: str) -> None:
    """Replace the progress line, as far as the terminal is wide; an empty one takes it away. Silent elsewhere."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\033[K{line[: shutil.get_terminal_size().columns - 1]}")
        sys.stderr.flush()


class Progress:
    """Counts records and redraws its line a few times a second; silent unless stderr is a terminal.

    It also stays silent while records themselves go to the terminal.
    """

    def __init__(self, verb: str, *, total: int | None = None, shows: bool = True) -> None:
        self.records = 0
        self._verb = verb
        self._total = total
        self._shows = shows and sys.stderr.isatty()
        self._started = self._drawn = time.monotonic()

    def advance(self, records: int) -> None:
        """More records are through."""
        self.records += records
        if self._shows and time.monotonic() - self._drawn >= _INTERVAL_S:
            self._draw("")

    def expect(self, total: int) -> None:
        """So many it will be."""
        self._total = total

    def clear(self) -> None:
        """Take the line away."""
        if self._shows:
            sys.stderr.write("\r\033[K")
            sys.stderr.flush()

    def finish(self) -> None:
        """Draw the final count and end the line."""
        if self._shows:
            self._draw("\n")

    def _draw(self, end: str) -> None:
        self._drawn = time.monotonic()
        rate = self.records / max(self._drawn - self._started, 1e-9)
        share = f" of {self._total:,}" if self._total is not None else ""
        sys.stderr.write(f"\r\033[K{self._verb} {self.records:,}{share} records, {rate:,.0f}/s{end}")
        sys.stderr.flush()
