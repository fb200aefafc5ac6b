"""Columns of a source by name."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches

from odradek.kappa.errors import KappaError


def require_column(option: str, name: str, columns: Mapping[str, str]) -> str:
    """The column's type; raises KappaError with the nearest name."""
    if name in columns:
        return columns[name]
    near = get_close_matches(name, columns, 1)
    advice = f"did you mean {near[0]}?" if near else f"there are {', '.join(columns)}"
    raise KappaError(f"{option} {name}: the source has no such column; {advice}")
