"""`odradek consume`: records to stdout, alone or as a member of a group."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from odradek.cli import queries
from odradek.cli.checks import check_named, check_seconds
from odradek.cli.command import command
from odradek.cli.completion import complete_group
from odradek.cli.consuming import GroupSource, PartitionSource, Source, copy_records
from odradek.cli.errors import CommandError, UsageError
from odradek.cli.formats import Format, record_writer, unescape
from odradek.cli.options import Topic
from odradek.cli.pairs import parse_pairs
from odradek.cli.positions import parse_position, resolve
from odradek.cli.progress import Progress
from odradek.cli.session import Session

app = typer.Typer(add_completion=False)


@command(app)
def consume(
    session: Session,
    topic: Topic,
    group: Annotated[
        str | None,
        typer.Option("--group", "-g", help="Read as a member, commit what was written.", autocompletion=complete_group),
    ] = None,
    start: Annotated[
        str | None,
        typer.Option(
            "--from", "-o", metavar="WHERE", help="beginning, end, an offset, -N (last N), a time, or 15m (ago)."
        ),
    ] = None,
    partition: Annotated[list[int] | None, typer.Option("--partition", "-p", min=0, help="Only these.")] = None,
    count: Annotated[int | None, typer.Option("--count", "-n", min=1, help="Stop after N records.")] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Wait for more at the end.")] = False,
    timeout: Annotated[
        float | None, typer.Option("--timeout", metavar="S", help="Stop when no record came for S seconds.")
    ] = None,
    form: Annotated[Format, typer.Option("--format", "-F", help="How a record is written.")] = Format.RAW,
    key_separator: Annotated[
        str | None, typer.Option("--key-separator", "-K", metavar="TEXT", help=r"Write KEY TEXT VALUE; \t works.")
    ] = None,
    separator: Annotated[str, typer.Option("--separator", metavar="TEXT", help="After each record.")] = r"\n",
    null: Annotated[str, typer.Option("--null", metavar="TEXT", help="What a null is written as.")] = "",
    setting: Annotated[
        list[str] | None, typer.Option("-X", metavar="KEY=VALUE", help="A librdkafka setting; repeatable.")
    ] = None,
) -> None:
    """Write a topic's records to stdout: all that it holds now, or with --follow also what comes."""
    check_seconds("--timeout", timeout)
    form = Format.JSON if session.json else form
    key = unescape(key_separator) if key_separator is not None else None
    if form is Format.JSON and key is not None:
        raise UsageError("--key-separator does not go with JSON: its objects have the key")
    write = record_writer(form, key, null.encode(), unescape(separator))
    config = parse_pairs(setting, "-X")
    if group is None:
        source: Source = _alone(session, topic, start, partition, follow, config)
    else:
        source = _member(session, topic, group, start, partition, follow, config)
    progress = Progress("read", total=source.expected, shows=not sys.stdout.isatty())
    with source:
        written = copy_records(source, write, sys.stdout.buffer, count=count, timeout_s=timeout, progress=progress)
    if follow and count is not None and written < count:
        raise CommandError(f"{written:,} of {count:,} records came before {timeout:g} s without one")


def _alone(
    session: Session, topic: str, start: str | None, only: list[int] | None, follow: bool, config: dict[str, Any]
) -> PartitionSource:
    position = parse_position(start or "beginning")
    admin = session.admin()
    existing = queries.partitions_of(queries.require_topics(admin, [topic]))
    wanted = [(topic, number) for number in dict.fromkeys(only)] if only else existing
    unknown = [str(number) for name, number in wanted if (name, number) not in existing]
    if unknown:
        raise CommandError(f"topic {topic!r} has no partition {', '.join(unknown)}: it has 0 to {len(existing) - 1}")
    held = queries.ranges(admin, wanted)
    starts = resolve(position, admin, held)
    ends = None if follow or position.kind == "end" else {number: held[topic, number].end for _, number in wanted}
    return PartitionSource(session, topic, {number: starts[topic, number] for _, number in wanted}, ends, config)


def _member(
    session: Session,
    topic: str,
    group: str,
    start: str | None,
    only: list[int] | None,
    follow: bool,
    config: dict[str, Any],
) -> GroupSource:
    check_named("--group", group)
    if only:
        raise UsageError("--partition does not go with --group: the group assigns partitions")
    if start not in (None, "beginning", "end"):
        raise UsageError(
            "with --group, --from is beginning or end and counts only without a committed offset; "
            "move a group with `odradek group reset-offsets`"
        )
    queries.require_topics(session.admin(), [topic])
    return GroupSource(session, topic, group, "latest" if start == "end" else "earliest", follow, config)
