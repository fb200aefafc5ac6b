"""`KEY=VALUE` arguments."""

from __future__ import annotations

from collections.abc import Iterable

from odradek.cli.errors import UsageError


def parse_pairs(texts: Iterable[str] | None, option: str) -> dict[str, str]:
    """Each `KEY=VALUE` as an entry, without spaces around either; raises UsageError naming the option."""
    return {key: value.strip() for key, value in list_pairs(texts, option)}


def list_pairs(texts: Iterable[str] | None, option: str) -> list[tuple[str, str]]:
    """All of them in order, keys more than once, values as they stand; raises UsageError naming the option."""
    found = []
    for text in texts or ():
        key, separator, value = text.partition("=")
        if not separator or not key.strip():
            raise UsageError(f"{option} {text}: expected KEY=VALUE")
        found.append((key.strip(), value))
    return found
