"""`KEY=VALUE` arguments."""

from __future__ import annotations

from collections.abc import Iterable

from odradek.cli.errors import UsageError


def parse_pairs(texts: Iterable[str] | None, option: str) -> dict[str, str]:
    """Each `KEY=VALUE` as an entry; raises UsageError naming the option."""
    found = {}
    for text in texts or ():
        key, separator, value = text.partition("=")
        if not separator or not key.strip():
            raise UsageError(f"{option} {text}: expected KEY=VALUE")
        found[key.strip()] = value.strip()
    return found
