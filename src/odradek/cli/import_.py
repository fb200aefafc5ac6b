"""`odradek import`: files, Iceberg tables and queries into a topic, in the order of event time, exactly once."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from odradek.cli.checks import INT32_MAX, check_named, check_number, check_seconds
from odradek.cli.command import command
from odradek.cli.completion import complete_topic
from odradek.cli.errors import UsageError
from odradek.cli.kappa import kappa_errors
from odradek.cli.output import count, plural, size, write_json, write_line
from odradek.cli.progress import draw
from odradek.cli.session import Session
from odradek.cli.sql import Memory
from odradek.cli.time_left import TimeLeft, in_words
from odradek.kappa.importing.options import EventTimeUnit, ImportOptions, KeyFormat, Limits, NullEventTime, ValueFormat

if TYPE_CHECKING:
    from odradek.kappa.importing.run import Summary

app = typer.Typer(add_completion=False)
_DRAW_EVERY_S = 0.2


@command(app, name="import")
def import_(
    session: Session,
    topic: Annotated[
        str, typer.Option("--topic", "-t", metavar="TOPIC", autocompletion=complete_topic, help="Where the rows go.")
    ],
    sources: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[SOURCE]...", help="Parquet, CSV or JSON files, or iceberg:CATALOG_URI:NAMESPACE.TABLE."
        ),
    ] = None,
    sql: Annotated[str | None, typer.Option("--sql", metavar="QUERY", help="Instead of SOURCE: DuckDB's SQL.")] = None,
    key: Annotated[
        list[str] | None, typer.Option("--key", "-k", metavar="COLUMN", help="The record's key; repeatable.")
    ] = None,
    key_format: Annotated[
        KeyFormat, typer.Option("--key-format", help="Several columns need json.")
    ] = KeyFormat.STRING,
    event_time: Annotated[
        str | None, typer.Option("--event-time", "-e", metavar="COLUMN", help="Orders the rows and dates the records.")
    ] = None,
    event_time_unit: Annotated[
        EventTimeUnit | None, typer.Option("--event-time-unit", help="For whole numbers: since 1970.")
    ] = None,
    null_event_time: Annotated[
        NullEventTime, typer.Option("--null-event-time", help="Rows without event time.")
    ] = NullEventTime.REFUSE,
    form: Annotated[ValueFormat, typer.Option("--format", "-F", help="What a value is.")] = ValueFormat.JSON,
    value: Annotated[str | None, typer.Option("--value", metavar="COLUMN", help="For --format raw.")] = None,
    null: Annotated[
        list[str] | None, typer.Option("--null", metavar="TEXT", help="What NULL is in CSV files; repeatable.")
    ] = None,
    create_partitions: Annotated[
        int | None, typer.Option("--create-partitions", metavar="N", help="Make a missing topic with so many.")
    ] = None,
    speed: Annotated[
        float | None, typer.Option("--speed", metavar="N", help="Event time passes N times as fast as real time.")
    ] = None,
    name: Annotated[str | None, typer.Option("--id", metavar="NAME", help="Of the import, in its records.")] = None,
    state: Annotated[
        Path | None, typer.Option("--state", metavar="DIR", help="Where it is kept how far it is.")
    ] = None,
    restart: Annotated[bool, typer.Option("--restart", help="Forget what was sent and send all of it.")] = False,
    memory: Memory = 400,
    scratch: Annotated[Path | None, typer.Option("--temp", metavar="DIR", help="Where sorting spills to.")] = None,
    wait: Annotated[float, typer.Option("--wait", metavar="S", help="For a broker that is away.")] = 120.0,
) -> None:
    """Send the rows of files, an Iceberg table or a query to a topic, ordered by event time, each exactly once.

    The same command resumes an import that was killed.
    """
    check_named("--topic", topic)
    check_number("--create-partitions", create_partitions, 1, INT32_MAX)
    check_seconds("--wait", wait)
    if speed is not None and (not 0 < speed < float("inf") or event_time is None):
        raise UsageError("--speed needs --event-time and must be a number above 0")
    options = ImportOptions(
        sources=tuple(sources or ()),
        topic=topic,
        sql=sql,
        key=tuple(key or ()),
        key_format=key_format,
        event_time=event_time,
        event_time_unit=event_time_unit,
        null_event_time=null_event_time,
        form=form,
        value=value,
        null_texts=tuple(null or ("",)),
        name=name,
    )
    limits = Limits(memory_mb=memory, scratch=str(scratch) if scratch else None, wait_s=wait, speed=speed)
    with kappa_errors():
        from odradek.kappa.importing.run import run_import

        session.require_broker()
        try:
            summary = run_import(
                session.bootstrap,
                options,
                limits,
                state or _state_directory(),
                create_partitions=create_partitions,
                restart=restart,
                told=_Progress(),
            )
        finally:
            draw("")
    _tell(summary, session.json)


def _state_directory() -> Path:
    home = os.environ.get("XDG_STATE_HOME")
    return (Path(home) if home else Path.home() / ".local" / "state") / "odradek"


class _Progress:
    """A bar with the share that is through and the time left, a few times a second."""

    def __init__(self) -> None:
        self._left = TimeLeft()
        self._drawn = 0.0

    def __call__(self, done: int, total: int) -> None:
        now = time.monotonic()
        if now - self._drawn < _DRAW_EVERY_S:
            return
        self._drawn = now
        left = in_words(self._left.estimate_s(now, total - done))
        share = done / max(total, 1)
        bar = ("#" * round(share * 20)).ljust(20, ".")
        draw(f"imported [{bar}] {share:.0%}, {done:,} of {plural(total, 'row')}" + (f", {left}" if left else ""))


def _tell(summary: Summary, as_json: bool) -> None:
    from odradek.cli.times import format_ms

    times = [format_ms(ms) if ms is not None else None for ms in (summary.first_ms, summary.last_ms)]
    if as_json:
        write_json(
            {
                "import": summary.import_id,
                "topic": summary.topic,
                "already_finished": summary.was_finished,
                "rows": summary.rows,
                "sent": summary.sent,
                "skipped": summary.skipped,
                "bytes": summary.size_bytes,
                "seconds": round(summary.seconds, 3),
                "rows_per_s": round(summary.sent / summary.seconds) if summary.seconds else None,
                "first_event_time": times[0],
                "last_event_time": times[1],
                "partitions": [
                    {"partition": index, "first_offset": first, "next_offset": following}
                    for index, (first, following) in enumerate(
                        zip(summary.first_offsets, summary.next_offsets, strict=True)
                    )
                ],
            }
        )
        return
    if summary.was_finished:
        write_line(
            f"{summary.topic} has all {plural(summary.rows, 'row')} of this import already; --restart sends them again"
        )
        return
    before = summary.rows - summary.sent
    notes = [
        f"{plural(before, 'row')} before" if before else "",
        f"{plural(summary.skipped, 'row')} without event time skipped" if summary.skipped else "",
        f"event time {times[0]} to {times[1]}" if times[0] else "",
        "offsets "
        + ", ".join(
            f"{index}: {first}-{following}"
            for index, (first, following) in enumerate(zip(summary.first_offsets, summary.next_offsets, strict=True))
        ),
    ]
    rate = summary.sent / max(summary.seconds, 1e-9)
    done = f"{plural(summary.sent, 'row')}, {size(summary.size_bytes)} in {summary.seconds:.1f} s"
    write_line(f"imported {'; '.join([f'{done}, {count(round(rate))} rows/s', *filter(None, notes)])}")
