"""JSON structures, as DuckDB's json_structure tells them, merged into the columns that hold them all."""

from collections.abc import Iterable
from typing import Any

NOTHING = "NULL"
_WHOLE = {"UBIGINT": "BIGINT", "BIGINT": "BIGINT"}
_PLAIN = {
    "DOUBLE": "DOUBLE",
    "VARCHAR": "VARCHAR",
    "BOOLEAN": "BOOLEAN",
    "HUGEINT": "DOUBLE",
    "UHUGEINT": "DOUBLE",
} | _WHOLE


def columns_of_all(structures: Iterable[Any]) -> dict[str, str]:
    """Column to type: the narrowest that all of its values have, else JSON; in the order of their first appearance."""
    merged: dict[str, Any] = {}
    for structure in structures:
        if isinstance(structure, dict):
            for member, kind in structure.items():
                merged[member] = _merged(merged.get(member, NOTHING), _kind(kind))
    return {member: _sql(kind) for member, kind in merged.items()}


def _kind(kind: Any) -> Any:
    """A plain type, a list of one, or JSON."""
    if isinstance(kind, str):
        return NOTHING if kind == NOTHING else _PLAIN.get(kind, "JSON")
    if isinstance(kind, list) and len(kind) == 1 and isinstance(kind[0], str):
        return [_kind(kind[0])]
    return "JSON"


def _merged(one: Any, other: Any) -> Any:
    if one == other or other == NOTHING:
        return one
    if one == NOTHING:
        return other
    if isinstance(one, list) and isinstance(other, list):
        return [_merged(one[0], other[0])]
    return "DOUBLE" if {"BIGINT", "DOUBLE"} == {str(one), str(other)} else "JSON"


def _sql(kind: Any) -> str:
    if isinstance(kind, list):
        return f"{kind[0]}[]" if kind[0] not in (NOTHING, "JSON") else "JSON"
    return "JSON" if kind == NOTHING else str(kind)
