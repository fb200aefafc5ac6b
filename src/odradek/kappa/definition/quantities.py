"""Durations and sizes as people write them."""

import re
from typing import NamedTuple

_UNITS_MS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_UNITS_BYTES = {"B": 1, "KB": 1 << 10, "MB": 1 << 20, "GB": 1 << 30}
_DURATION = re.compile(r"(\d{1,12})\s*(ms|s|m|h|d)")
_SIZE = re.compile(r"(\d{1,12})\s*(B|KB|MB|GB)", re.IGNORECASE)
DURATIONS = "a number and ms, s, m, h or d, as in 10m"
SIZES = "a number and B, KB, MB or GB, as in 128MB"


class Every(NamedTuple):
    """How long, or how much (bytes of records), until something is due; whichever comes first."""

    milliseconds: int
    size: int


def duration_ms(text: str) -> int | None:
    """None for what is none."""
    found = _DURATION.fullmatch(text.strip())
    return None if found is None else int(found[1]) * _UNITS_MS[found[2]]


def size_bytes(text: str) -> int | None:
    """None for what is none."""
    found = _SIZE.fullmatch(text.strip())
    return None if found is None else int(found[1]) * _UNITS_BYTES[found[2].upper()]


def every(text: str) -> Every | None:
    """`60s|128MB`; None for anything else, and for zero of either."""
    parts = text.split("|")
    if len(parts) != 2:
        return None
    time, size = duration_ms(parts[0]), size_bytes(parts[1])
    return Every(time, size) if time and size else None
