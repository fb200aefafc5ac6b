"""`odradek demo --kappa`: one definition live, as a replay and as a batch, on a screen and over HTTP."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from odradek.cli.errors import CommandError
from odradek.cli.output import write_json, write_line

if TYPE_CHECKING:
    from odradek.kappa.demo import Verdict
    from odradek.kappa.demo.stage import Picture

WEEK_DAYS, WEEK_SPEED, YEAR_SPEED = 7, 2000.0, 100_000.0
BAR_WIDTH = 40


def play(bootstrap: str, archive: Path, *, days: int | None, speed: float | None, as_json: bool) -> None:
    """Raises CommandError unless all three results are equal."""
    from odradek.cli.kappa import kappa_errors
    from odradek.cli.kappa_up import serving

    with kappa_errors(), tempfile.TemporaryDirectory(prefix="odradek-demo-") as directory:
        from odradek.kappa.demo import Stage

        stage = Stage(bootstrap, archive, Path(directory), days, speed)
        views = stage.open()
        try:
            with serving(views, "127.0.0.1", 0, None) as address:
                if not as_json:
                    write_line(f"the views are at http://{address}/views until the end")
                with _display(as_json) as show:
                    verdicts = stage.play(show)
        finally:
            views.close()
    _tell(verdicts, as_json)


def _tell(verdicts: list[Verdict], as_json: bool) -> None:
    rows = sum(each.rows for each in verdicts)
    wrong = [each for each in verdicts if each.live_differs or each.replay_differs or not each.rows]
    if as_json:
        write_json({"rows": rows, "equal": not wrong, "views": [each._asdict() for each in verdicts]})
    else:
        for each in wrong:
            write_line(f"{each.view}: {each.live_differs:,} live and {each.replay_differs:,} replayed rows differ")
    if wrong:
        raise CommandError("live, replay and batch differ")
    if not as_json:
        write_line(f"live = replay = batch: {rows:,} rows equal")


@contextmanager
def _display(as_json: bool) -> Iterator[Any]:
    """A chart that is drawn again and again on a terminal; a line for each tenth elsewhere."""
    if as_json:
        yield lambda picture: None
    elif not sys.stdout.isatty():
        yield _Lines()
    else:
        from rich.live import Live

        with Live(auto_refresh=False) as live:
            yield lambda picture: live.update(_chart(picture), refresh=True)


class _Lines:
    def __init__(self) -> None:
        self._told = ("", -1)

    def __call__(self, picture: Picture) -> None:
        now = (picture.act, 10 * picture.sent // max(picture.rows, 1))
        if now != self._told:
            self._told = now
            write_line(f"{picture.act}: {picture.sent:,} of {picture.rows:,} flights")


def _chart(picture: Picture) -> Any:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    title = f"{picture.act}: {picture.sent:,} of {picture.rows:,} flights"
    table = Table(box=SIMPLE_HEAD, title=title, title_justify="left", header_style="bold", pad_edge=False)
    for header, justify in (("airline", "left"), ("flights", "right"), ("mean delay", "right"), ("", "left")):
        table.add_column(header, justify=justify)  # type: ignore[arg-type]
    most = max((bar.flights for bar in picture.bars), default=1)
    for bar in picture.bars:
        delay = "" if bar.mean_delay is None else f"{bar.mean_delay:.1f} min"
        table.add_row(bar.airline, f"{bar.flights:,}", delay, "█" * round(BAR_WIDTH * bar.flights / most))
    return table
