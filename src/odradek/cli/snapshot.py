"""`odradek snapshot`: topics into Iceberg tables."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, Annotated

import typer

from odradek.cli.command import command
from odradek.cli.completion import complete_topic
from odradek.cli.errors import UsageError
from odradek.cli.options import Definition as DefinitionFile
from odradek.cli.output import plural, size, write_json, write_line
from odradek.cli.session import Session

if TYPE_CHECKING:
    from odradek.kappa.snapshots import Snapshotter, Taken
    from odradek.kappa.snapshots.pace import Pace

app = typer.Typer(add_completion=False)

LOOK_S = 1.0
"""Between two looks at what waits, with --follow."""


@command(app)
def snapshot(
    session: Session,
    topics: Annotated[
        list[str] | None,
        typer.Argument(metavar="[TOPIC...]", help="Those with a snapshot unless given.", autocompletion=complete_topic),
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on, as often as `every` says.")] = False,
    definition: DefinitionFile = None,
) -> None:
    """Write what topics hold, and their Iceberg tables do not yet, into the tables; each record once.

    kappa.yaml says which table (snapshot: {iceberg: namespace.table}). It can be stopped and killed at any time.
    """
    from odradek.cli.kappa import definition_directory, kappa_errors, read_definition

    with kappa_errors(), ExitStack() as stack:
        from odradek.kappa.definition.quantities import every
        from odradek.kappa.snapshots import Snapshotter, open_catalog
        from odradek.kappa.snapshots.pace import Pace

        defined = read_definition(definition)
        chosen = topics or [name for name, topic in defined.topics.items() if topic.snapshot is not None]
        if not chosen:
            raise UsageError("no topic of the definition has a snapshot: {iceberg: namespace.table}")
        for name in chosen:
            if name not in defined.topics:
                raise UsageError(f"{name} is not in the definition; known are {', '.join(defined.topics) or 'none'}")
        session.require_broker()
        catalog = open_catalog(defined.lake, definition_directory(definition))
        settings = {"bootstrap.servers": session.bootstrap}
        jobs = []
        for name in chosen:
            job = stack.enter_context(closing(Snapshotter(settings, catalog, name, defined.topics[name])))
            interval = every(job.every)
            assert interval is not None
            jobs.append((job, interval.size, Pace(interval, _now_ms())))
        told = [_take(session, job, name, limit, pace) for name, (job, limit, pace) in zip(chosen, jobs, strict=True)]
        while follow:
            _follow(session, chosen, jobs)
        if session.json:
            write_json(told)


def _follow(session: Session, names: list[str], jobs: list[tuple[Snapshotter, int, Pace]]) -> None:
    from odradek.cli.kappa import tried_again

    time.sleep(LOOK_S)
    for name, (job, limit, pace) in zip(names, jobs, strict=True):
        if pace.is_due(_now_ms(), tried_again(job.waiting, 0)):
            tried_again(lambda: _take(session, job, name, limit, pace), dict[str, object]())  # noqa: B023 - called at once


def _take(session: Session, job: Snapshotter, name: str, limit: int, pace: Pace) -> dict[str, object]:
    """All that is there now, a line for each commit."""
    rows = commits = 0
    for taken in _noted(job, limit, pace):
        rows, commits = rows + taken.rows, commits + 1
        if not session.json:
            write_line(f"{name}: {plural(taken.rows, 'record')} ({size(taken.size)}) to {job.table.name}")
    if not commits and not session.json:
        write_line(f"{name}: {job.table.name} has all of it")
    return {
        "topic": name,
        "table": job.table.name,
        "records": rows,
        "commits": commits,
        "offsets": {str(partition): offset for partition, offset in job.positions.next.items()},
    }


def _noted(job: Snapshotter, limit: int, pace: Pace) -> Iterator[Taken]:
    for taken in job.take(limit):
        pace.took(_now_ms(), taken.rows, taken.size)
        yield taken


def _now_ms() -> int:
    return int(time.monotonic() * 1000)
