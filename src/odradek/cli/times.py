"""Times and durations as people type them."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from odradek.cli.errors import UsageError

_UNITS_MS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
FIRST_YEAR = 1970
_SHORT = re.compile(r"(\d+(?:\.\d+)?)(ms|[smhdw])")
_ISO = re.compile(r"P(?:(\d+)W)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?")


def parse_duration_ms(text: str) -> int:
    """`90s`, `1h30m`, `7d`, or ISO 8601 (`PT1H30M`) in milliseconds; raises UsageError."""
    parts = _SHORT.findall(text)
    if parts and "".join(number + unit for number, unit in parts) == text:
        return round(sum(float(number) * _UNITS_MS[unit] for number, unit in parts))
    iso = _ISO.fullmatch(text.upper())
    if iso and any(iso.groups()):
        return round(sum(float(n or 0) * _UNITS_MS[unit] for n, unit in zip(iso.groups(), "wdhms", strict=True)))
    raise UsageError(f"{text!r} is not a duration: write 90s, 1h30m, 7d or PT1H30M")


def parse_datetime_ms(text: str) -> int:
    """ISO 8601 date or date-time in milliseconds since 1970; without an offset it is UTC. Raises UsageError."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"{text!r} is not a time: write 2026-01-31T12:00:00 or 2026-01-31T12:00:00+09:00") from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    if moment.year < FIRST_YEAR:
        raise UsageError(f"{text!r} is before {FIRST_YEAR}")
    return round(moment.timestamp() * 1000)


def format_ms(timestamp_ms: int) -> str:
    """Milliseconds since 1970 as ISO 8601 in UTC."""
    return datetime.fromtimestamp(timestamp_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
