"""What an argument may be, said before a client library or a broker says it in words of its own."""

from __future__ import annotations

import math

from odradek.cli.errors import UsageError

INT32_MAX = 2**31 - 1
INT64_MAX = 2**63 - 1
PARTITIONS_MAX = 100_000
REPLICAS_MAX = 10_000
"""These two are librdkafka's; a broker may allow fewer."""
TIMEOUT_S_MAX = INT32_MAX // 1000
DEFAULT = -1


def check_number(option: str, value: int | None, minimum: int, maximum: int, *, or_default: bool = False) -> None:
    """None stands for an option that was not given. Raises UsageError."""
    if value is None or minimum <= value <= maximum or (or_default and value == DEFAULT):
        return
    otherwise = f", or {DEFAULT} for the broker's default" if or_default else ""
    raise UsageError(f"{option} {value}: must be a whole number from {minimum} to {maximum}{otherwise}")


def check_seconds(option: str, value: float | None) -> None:
    """None stands for an option that was not given. Raises UsageError."""
    if value is None or (math.isfinite(value) and 0 <= value <= TIMEOUT_S_MAX):
        return
    raise UsageError(f"{option} {value:g}: must be seconds from 0 to {TIMEOUT_S_MAX}")


def check_named(what: str, name: str) -> None:
    """Raises UsageError for an empty name."""
    if not name:
        raise UsageError(f"{what} must not be empty")
