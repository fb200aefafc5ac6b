"""Which offset a group moves to: decided from what a partition holds, nothing asked and nothing written."""

from __future__ import annotations

from typing import Any, NamedTuple

from odradek.cli.errors import CommandError, UsageError
from odradek.cli.queries import Partition, Range


class Target(NamedTuple):
    """Where to: `kind` is earliest, latest, current, offset, datetime, duration, shift or file, as the options."""

    kind: str
    value: Any


class Move(NamedTuple):
    """One partition's change. `before` is None where the group had committed nothing."""

    topic: str
    partition: int
    before: int | None
    after: int


def destination(target: Target, partition: Partition, committed: int | None, held: Range, found: int = -1) -> int:
    """The offset one partition moves to, within what it holds.

    Args:
        committed: The group's committed offset, None without one.
        found: What a lookup by time answered; -1 without a record at or after the time.

    Raises:
        CommandError: A shift where nothing is committed.
    """
    match target.kind:
        case "earliest":
            return held.start
        case "latest":
            return held.end
        case "datetime" | "duration":
            return held.end if found < 0 else _clamp(found, held)
        case "current":
            return held.end if committed is None else _clamp(committed, held)
        case "shift" if committed is None:
            raise CommandError(
                f"{partition[0]}-{partition[1]} has no committed offset to shift: use --to-earliest first"
            )
        case "shift":
            return _clamp(committed + target.value, held)
        case "file":
            return _clamp(target.value[partition], held)
        case _:
            return _clamp(target.value, held)


def _clamp(offset: int, held: Range) -> int:
    return max(held.start, min(offset, held.end))


def parse_plan(text: str, source: str) -> dict[Partition, int]:
    """`topic,partition,offset` lines as Kafka's own tool writes them, empty lines skipped; raises UsageError."""
    plan = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        fields = [field.strip().strip('"') for field in line.split(",")]
        if len(fields) != 3 or not fields[1].isdigit() or not fields[2].isdigit():
            raise UsageError(f"{source} line {number}: expected topic,partition,offset")
        plan[fields[0], int(fields[1])] = int(fields[2])
    if not plan:
        raise UsageError(f"{source} has no topic,partition,offset lines")
    return plan


def parse_topic_filter(text: str) -> tuple[str, list[int] | None]:
    """`topic` or `topic:0,1` to name and partitions; raises UsageError."""
    name, separator, numbers = text.partition(":")
    if not separator:
        return name, None
    if not all(number.isdigit() for number in numbers.split(",")):
        raise UsageError(f"--topic {text}: expected TOPIC or TOPIC:0,1,2")
    return name, [int(number) for number in numbers.split(",")]
