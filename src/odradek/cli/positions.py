"""`--from`: where reading starts, as typed and as an offset of each partition."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from odradek.cli import queries
from odradek.cli.checks import INT64_MAX, check_number
from odradek.cli.errors import UsageError
from odradek.cli.queries import Partition, Range
from odradek.cli.times import parse_datetime_ms, parse_duration_ms

if TYPE_CHECKING:
    from odradek.cli.kafka import AdminClient


class Position(NamedTuple):
    """`kind` is beginning, end, offset (negative: back from the end) or time (milliseconds since 1970)."""

    kind: str
    value: int = 0


def parse_position(text: str) -> Position:
    """`beginning`, `end`, `42`, `-10`, `2026-01-31T12:00`, or `15m` for that long ago; raises UsageError."""
    if text in ("beginning", "end"):
        return Position(text)
    if text.lstrip("-").isdecimal() and text.rfind("-") <= 0:
        check_number("--from", int(text), -INT64_MAX, INT64_MAX)
        return Position("offset", int(text))
    with suppress(UsageError):
        return Position("time", max(time.time_ns() // 1_000_000 - parse_duration_ms(text), 0))
    try:
        return Position("time", parse_datetime_ms(text))
    except UsageError:
        problem = "write beginning, end, an offset, -N for the last N, a time or how long ago (15m)"
        raise UsageError(f"--from {text}: {problem}") from None


def resolve(position: Position, admin: AdminClient, held: dict[Partition, Range]) -> dict[Partition, int]:
    """The offset that reading starts at in each partition, within what it holds."""
    found: dict[Partition, int] = {}
    if position.kind == "time":
        from odradek.cli.kafka import OffsetSpec

        found = queries.offsets(admin, held, OffsetSpec.for_timestamp(position.value))
    return {partition: _start(position, range_, found.get(partition, -1)) for partition, range_ in held.items()}


def _start(position: Position, held: Range, found: int) -> int:
    match position.kind:
        case "beginning":
            return held.start
        case "end":
            return held.end
        case "time":
            return held.end if found < 0 else found
        case _:
            wanted = position.value if position.value >= 0 else held.end + position.value
            return max(held.start, min(wanted, held.end))
