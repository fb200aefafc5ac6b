"""Shows the play: a live table on a terminal, a line every second elsewhere."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Any, Self

from odradek.demo.proof import Findings
from odradek.demo.stage import Picture

_LINE_INTERVAL_S = 1.0


class LineDisplay:
    """Plain lines for pipes and logs."""

    def __init__(self) -> None:
        self._next_s = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def show(self, picture: Picture) -> None:
        """Write a line when it is time for one, and for the last picture."""
        done = all(seen == picture.total for _, seen in picture.groups.values())
        if picture.elapsed_s < self._next_s and not done:
            return
        self._next_s = picture.elapsed_s + _LINE_INTERVAL_S
        groups = "; ".join(
            f"{name} ({members} {'consumer' if members == 1 else 'consumers'}) {seen:,} lag {picture.lag(name):,}"
            for name, (members, seen) in picture.groups.items()
        )
        sys.stdout.write(
            f"{picture.elapsed_s:5.1f} s  stored {picture.stored_total:,} of {picture.total:,}; {groups}\n"
        )
        sys.stdout.flush()


class LiveDisplay:
    """A table that redraws itself."""

    def __init__(self) -> None:
        from rich.live import Live

        self._live = Live(refresh_per_second=8)

    def __enter__(self) -> Self:
        self._live.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.__exit__(kind, error, trace)

    def show(self, picture: Picture) -> None:
        """Draw the picture."""
        self._live.update(_table(picture))


class NoDisplay(LineDisplay):
    """Nothing, for --json."""

    def show(self, picture: Picture) -> None:
        """Draw nothing."""


def display_for(as_json: bool) -> LineDisplay | LiveDisplay:
    """The display that fits where stdout goes."""
    if as_json:
        return NoDisplay()
    return LiveDisplay() if sys.stdout.isatty() else LineDisplay()


def verdict(findings: Findings, records: int) -> str:
    """One line about what a group saw."""
    if findings.is_proven:
        again = f" ({findings.redelivered:,} read again after a rebalance)" if findings.redelivered else ""
        return f"{findings.group}: saw each of {records:,} records, in produced order for every aircraft{again}"
    faults = {
        "missing": findings.missing,
        "stored twice": findings.duplicated,
        "never produced": findings.unknown,
        "out of order": findings.out_of_order,
        "skipped": findings.skipped_offsets,
    }
    told = ", ".join(f"{number:,} {name}" for name, number in faults.items() if number)
    return f"{findings.group}: FAILED, of {records:,} records {told}"


def _table(picture: Picture) -> Any:
    from rich.progress_bar import ProgressBar
    from rich.table import Table

    table = Table(title=f"Flights of 2013, {picture.elapsed_s:.0f} s", box=None, pad_edge=False)
    for header in ("", "records", "", "lag", "consumers"):
        table.add_column(header, justify="left" if not header else "right")
    for name, stored in picture.stored.items():
        table.add_row(name, f"{stored:,}", "", "", "")
    table.add_row("stored", f"{picture.stored_total:,}", ProgressBar(picture.total, picture.stored_total, width=40))
    for name, (members, seen) in picture.groups.items():
        bar = ProgressBar(picture.total, seen, width=40)
        table.add_row(f"group {name}", f"{seen:,}", bar, f"{picture.lag(name):,}", "▮" * members)
    return table
