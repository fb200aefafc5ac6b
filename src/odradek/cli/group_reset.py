"""`odradek group reset-offsets`: move a group's committed offsets; shows what would change unless --execute."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from odradek.cli import queries, reset_plan
from odradek.cli.checks import INT64_MAX, check_named, check_number
from odradek.cli.completion import complete_topic
from odradek.cli.errors import CommandError, UsageError
from odradek.cli.options import Group
from odradek.cli.output import write_json, write_line, write_table
from odradek.cli.queries import Partition
from odradek.cli.reset_plan import Move, Target
from odradek.cli.session import REQUEST_TIMEOUT_S, Session
from odradek.cli.times import parse_datetime_ms, parse_duration_ms

if TYPE_CHECKING:
    from odradek.cli.kafka import AdminClient


def reset_offsets(
    session: Session,
    group: Group,
    topic: Annotated[
        list[str] | None,
        typer.Option("--topic", "-t", metavar="TOPIC[:0,1]", help="Repeatable.", autocompletion=complete_topic),
    ] = None,
    all_topics: Annotated[bool, typer.Option("--all-topics", help="Every topic the group has committed.")] = False,
    to_earliest: Annotated[bool, typer.Option("--to-earliest", help="The first record that is held.")] = False,
    to_latest: Annotated[bool, typer.Option("--to-latest", help="The end: only what comes from now on.")] = False,
    to_current: Annotated[bool, typer.Option("--to-current", help="Where it is (to save as JSON).")] = False,
    to_offset: Annotated[int | None, typer.Option("--to-offset", metavar="N", min=0, help="This offset.")] = None,
    to_datetime: Annotated[
        str | None, typer.Option("--to-datetime", metavar="TIME", help="ISO 8601; UTC unless it names an offset.")
    ] = None,
    by_duration: Annotated[
        str | None, typer.Option("--by-duration", metavar="AGO", help="This long ago: 90s, 1h30m, 7d, PT1H.")
    ] = None,
    shift_by: Annotated[int | None, typer.Option("--shift-by", metavar="N", help="Forward; back when < 0.")] = None,
    from_file: Annotated[
        Path | None, typer.Option("--from-file", metavar="FILE", help="Lines topic,partition,offset.")
    ] = None,
    execute: Annotated[bool, typer.Option("--execute", help="Do it; without this only show it.")] = False,
) -> None:
    """Move a group's offsets. A dry run unless --execute; the group must have no members."""
    check_named("GROUP", group)
    check_number("--to-offset", to_offset, 0, INT64_MAX)
    check_number("--shift-by", shift_by, -INT64_MAX, INT64_MAX)
    target = _one_target(
        {
            "earliest": to_earliest or None,
            "latest": to_latest or None,
            "current": to_current or None,
            "offset": to_offset,
            "datetime": parse_datetime_ms(to_datetime) if to_datetime else None,
            "duration": parse_duration_ms(by_duration) if by_duration else None,
            "shift": shift_by,
            "file": reset_plan.parse_plan(_read(from_file), str(from_file)) if from_file else None,
        }
    )
    admin = session.admin()
    committed = queries.committed(admin, group)
    partitions = _partitions(admin, committed, target, topic or [], all_topics)
    moves = _moves(admin, committed, partitions, target)
    if execute:
        _require_no_members(admin, group)
        _commit(admin, group, moves)
    _write(session, group, moves, execute)


def _one_target(targets: dict[str, Any]) -> Target:
    chosen = [(kind, value) for kind, value in targets.items() if value is not None]
    if len(chosen) != 1:
        raise UsageError(
            "give exactly one of --to-earliest, --to-latest, --to-current, --to-offset, --to-datetime, --by-duration, "
            "--shift-by, --from-file"
        )
    return Target(*chosen[0])


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except UnicodeDecodeError:
        raise UsageError(f"{path} is not text") from None


def _partitions(
    admin: AdminClient, committed: dict[Partition, int], target: Target, filters: list[str], all_topics: bool
) -> list[Partition]:
    kind, value = target
    if kind == "file" and not filters:
        queries.require_topics(admin, dict.fromkeys(name for name, _ in value))
        return list(value)
    if bool(filters) == all_topics:
        raise UsageError("say which topics: --topic TOPIC (repeatable) or --all-topics")
    if all_topics:
        return list(committed)
    wanted = dict(reset_plan.parse_topic_filter(text) for text in filters)
    existing = queries.partitions_of(queries.require_topics(admin, wanted))
    chosen = [(name, number) for name, number in existing if (only := wanted[name]) is None or number in only]
    unknown = [f"{n}:{p}" for n, only in wanted.items() for p in only or [] if (n, p) not in existing]
    if unknown:
        raise CommandError(f"no partition {', '.join(unknown)}: see `odradek topic describe`")
    return [partition for partition in chosen if kind != "file" or partition in value]


def _moves(
    admin: AdminClient, committed: dict[Partition, int], partitions: list[Partition], target: Target
) -> list[Move]:
    held = queries.ranges(admin, partitions)
    found: dict[Partition, int] = {}
    if target.kind in ("datetime", "duration"):
        since_ms = target.value if target.kind == "datetime" else max(_now_ms() - target.value, 0)
        found = _lookup(admin, partitions, since_ms)
    moves = []
    for partition in partitions:
        before = committed.get(partition)
        after = reset_plan.destination(target, partition, before, held[partition], found.get(partition, -1))
        moves.append(Move(*partition, before, after))
    return moves


def _lookup(admin: AdminClient, partitions: list[Partition], timestamp_ms: int) -> dict[Partition, int]:
    from odradek.cli.kafka import OffsetSpec

    return queries.offsets(admin, partitions, OffsetSpec.for_timestamp(timestamp_ms))


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _require_no_members(admin: AdminClient, group: str) -> None:
    known = {listing.group_id for listing in queries.group_listings(admin)}
    members = queries.describe_groups(admin, [group])[group].members if group in known else []
    if members:
        raise CommandError(f"group {group!r} has {len(members)} running consumers: stop them first")


def _commit(admin: AdminClient, group: str, moves: list[Move]) -> None:
    from odradek.cli.kafka import ConsumerGroupTopicPartitions, KafkaException, TopicPartition

    wanted = [TopicPartition(move.topic, move.partition, move.after) for move in moves]
    if not wanted:
        return
    request = [ConsumerGroupTopicPartitions(group, wanted)]
    answer = admin.alter_consumer_group_offsets(request, request_timeout=REQUEST_TIMEOUT_S)[group].result()
    for partition in answer.topic_partitions:
        if partition.error:
            raise KafkaException(partition.error)


def _write(session: Session, group: str, moves: list[Move], executed: bool) -> None:
    if session.json:
        write_json({"group": group, "executed": executed, "offsets": [move._asdict() for move in moves]})
        return
    rows = [[move.topic, move.partition, move.before, move.after] for move in moves]
    write_table(["TOPIC", "PARTITION", "BEFORE", "AFTER"], rows, empty="no partitions to move")
    if moves and not executed:
        write_line("dry run: nothing changed; add --execute to do it")
