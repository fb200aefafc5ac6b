"""`odradek import`: files and queries become a log."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from odradek.cli.command import command
from odradek.cli.completion import complete_topic
from odradek.cli.errors import UsageError
from odradek.cli.output import plural, size, write_json, write_line
from odradek.cli.progress import draw
from odradek.cli.session import Session
from odradek.cli.sql import Memory
from odradek.cli.time_left import TimeLeft, in_words
from odradek.cli.times import format_ms

if TYPE_CHECKING:
    from odradek.kappa.importing import Import, Progress

app = typer.Typer(add_completion=False)


@command(app, "import")
def import_(
    session: Session,
    topic: Annotated[str, typer.Option("--topic", "-t", help="Where rows go.", autocompletion=complete_topic)],
    event_time: Annotated[
        str, typer.Option("--event-time", "-e", metavar="COLUMN", help="When it happened: orders rows, dates records.")
    ],
    files: Annotated[
        list[Path] | None, typer.Argument(metavar="[FILE]...", help="Parquet, CSV or JSON lines, all of one kind.")
    ] = None,
    sql: Annotated[
        str | None, typer.Option("--sql", metavar="SQL", help="Instead of files: anything that DuckDB reads.")
    ] = None,
    key: Annotated[str | None, typer.Option("--key", "-k", metavar="COLUMN", help="The records' key.")] = None,
    null: Annotated[
        list[str] | None, typer.Option("--null", metavar="TEXT", help="What CSV files write for null; repeatable.")
    ] = None,
    speed: Annotated[
        float | None, typer.Option("--speed", metavar="N", help="N times as fast as the event times pass.")
    ] = None,
    state: Annotated[
        Path | None, typer.Option("--state", metavar="DIR", help="Where it is noted how far an import is.")
    ] = None,
    restart: Annotated[bool, typer.Option("--restart", help="Begin anew, whatever was sent before.")] = False,
    memory: Memory = 1024,
) -> None:
    """Send rows to a topic as JSON records, in the order of their event time, each once.

    Killed or failed, the same command goes on where it was. Rows of one time stay as the files have them.
    """
    from odradek.cli.kappa import kappa_errors

    if (sql is None) == (not files):
        raise UsageError("name files, or a query with --sql")
    if speed is not None and not 0 < speed < float("inf"):
        raise UsageError(f"--speed {speed:g}: must be above 0")
    with kappa_errors():
        from odradek.kappa.decoding import connect
        from odradek.kappa.importing import Import, Source

        session.require_broker()
        source = Source(tuple(files or ()), sql, event_time, key, tuple(null or ("",)))
        settings = {"bootstrap.servers": session.bootstrap}
        job = Import(settings, topic, source, state or _state_directory(), speed=speed, on_progress=_shown())
        if restart:
            job.forget()
        with tempfile.TemporaryDirectory(prefix="odradek-import-") as spill_to:
            with connect(memory_mb=memory, spill_to=Path(spill_to)) as connection:
                connection.execute("SET preserve_insertion_order=true")  # Rows of one time stay in their order.
                _run(session, job, connection, topic)


def _run(session: Session, job: Import, connection: object, topic: str) -> None:
    began = time.monotonic()
    rows, sender = job.run(connection)  # type: ignore[arg-type]
    seconds = time.monotonic() - began
    draw("")
    sent = 0 if sender is None else sender.sent
    if session.json:
        written = 0 if sender is None else sender.size
        write_json({"topic": topic, "rows": rows, "sent": sent, "bytes": written, "seconds": round(seconds, 3)})
    elif sender is None:
        write_line(f"{topic} has all {plural(rows, 'row')} already: --restart sends them again")
    else:
        rate = f"{sent / max(seconds, 1e-9):,.0f} rows/s"
        write_line(f"{topic}: {plural(sent, 'row')} sent of {rows:,} ({size(sender.size)}, {seconds:.1f} s, {rate})")


def _shown() -> Callable[[Progress], None]:
    left = TimeLeft()
    drawn = [0.0]

    def show(progress: Progress) -> None:
        now = time.monotonic()
        if sys.stderr.isatty() and now - drawn[0] >= 0.2:
            drawn[0] = now
            share = progress.row / max(progress.rows, 1)
            words = in_words(left.estimate_s(now, progress.rows - progress.row))
            bar = "█" * round(share * 20)
            at = format_ms(progress.time_ms)
            draw(f"{bar:░<20} {share:4.0%} {progress.row:,} of {progress.rows:,} rows, at {at} {words}")

    return show


def _state_directory() -> Path:
    home = os.environ.get("XDG_STATE_HOME")
    return (Path(home) if home else Path.home() / ".local" / "state") / "odradek" / "imports"
