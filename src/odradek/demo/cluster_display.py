"""Shows the cluster's play: brokers, leaders and copies as they change on a terminal, a line every second elsewhere."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Any, Self

from odradek.demo.cluster_stage import ClusterPicture

_LINE_INTERVAL_S = 1.0
_STORY_SHOWN = 8


class ClusterLines:
    """Plain lines for pipes and logs: the story as it happens, and now and then how far everything is."""

    def __init__(self) -> None:
        self._next_s = 0.0
        self._told = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def show(self, picture: ClusterPicture) -> None:
        """Write what is new."""
        for event in picture.story[self._told :]:
            sys.stdout.write(f"{event.at_s:5.1f} s  * {event.what}\n")
        self._told = len(picture.story)
        if picture.elapsed_s >= self._next_s:
            self._next_s = picture.elapsed_s + _LINE_INTERVAL_S
            sys.stdout.write(f"{picture.elapsed_s:5.1f} s  {line_of(picture)}\n")
        sys.stdout.flush()


class LiveCluster:
    """Tables that redraw themselves."""

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

    def show(self, picture: ClusterPicture) -> None:
        """Draw the picture."""
        from rich.console import Group

        self._live.update(Group(_brokers(picture), "", _records(picture), "", _story(picture)))


class NoCluster(ClusterLines):
    """Nothing, for --json."""

    def show(self, picture: ClusterPicture) -> None:
        """Draw nothing."""


def cluster_display_for(as_json: bool) -> ClusterLines | LiveCluster:
    """The display that fits where stdout goes."""
    if as_json:
        return NoCluster()
    return LiveCluster() if sys.stdout.isatty() else ClusterLines()


def state_of(picture: ClusterPicture, broker: int) -> str:
    """`up`, `draining`, `down`, or `gone` for one that was drained and has left."""
    if broker in picture.view.brokers:
        return "draining" if broker == picture.draining else "up"
    return "gone" if broker == picture.draining else "down"


def line_of(picture: ClusterPicture) -> str:
    """How far everything is."""
    view = picture.view
    leaders = " ".join(f"{broker}:{view.leads(broker)}" for broker in sorted(view.brokers))
    return (
        f"stored {picture.stored:,} of {picture.total:,}; {picture.group} saw {picture.seen:,}, lag {picture.lag:,}; "
        f"leaders {leaders}; {view.in_sync.total()} of {view.copies.total()} copies in sync"
    )


def _brokers(picture: ClusterPicture) -> Any:
    from rich.table import Table

    view = picture.view
    table = Table(title=f"A cluster, {picture.elapsed_s:.0f} s", box=None, pad_edge=False)
    for header in ("broker", "address", "state", "leads", "copies in sync"):
        table.add_column(header, justify="left" if header in ("address", "state") else "right")
    for broker, address in sorted(picture.addresses.items()):
        state = state_of(picture, broker)
        name = f"{broker}*" if broker == view.controller else str(broker)
        colour = {"up": "green", "draining": "yellow", "down": "red", "gone": "dim"}[state]
        synced, copies = view.in_sync[broker], view.copies[broker]
        table.add_row(
            name,
            address,
            f"[{colour}]{state}[/]",
            f"{'▮' * view.leads(broker)} {view.leads(broker)}",
            f"{synced} of {copies}" if copies else "-",
        )
    return table


def _records(picture: ClusterPicture) -> Any:
    from rich.progress_bar import ProgressBar
    from rich.table import Table

    table = Table(box=None, pad_edge=False, show_header=False)
    stored = ProgressBar(picture.total, picture.stored, width=40)
    table.add_row("stored by all", f"{picture.stored:,}", stored, f"of {picture.total:,}")
    seen = ProgressBar(picture.total, picture.seen, width=40)
    table.add_row(f"group {picture.group}", f"{picture.seen:,}", seen, f"lag {picture.lag:,}")
    return table


def _story(picture: ClusterPicture) -> Any:
    from rich.text import Text

    shown = picture.story[-_STORY_SHOWN:]
    return Text("\n".join(f"{event.at_s:5.1f} s  {event.what}" for event in shown))
