"""The SQL as one SELECT of known relations, or why it is not."""

import re
from typing import Any

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from odradek.kappa.views.plan.errors import ViewError

_SESSION = re.compile(r"\bSESSION\s*\(", re.IGNORECASE)
_CLAUSES = {
    "with_": "WITH",
    "distinct": "DISTINCT",
    "order": "ORDER BY",
    "limit": "LIMIT",
    "offset": "OFFSET",
    "qualify": "QUALIFY",
    "windows": "WINDOW",
    "sample": "a sample",
    "pivots": "PIVOT",
    "laterals": "LATERAL",
    "into": "INTO",
}
_NODES: dict[type[exp.Expr], str] = {
    exp.Subquery: "a subquery",
    exp.Window: "a function OVER rows",
    exp.Exists: "EXISTS",
    exp.Parameter: "a parameter",
    exp.Placeholder: "a parameter",
    exp.Unnest: "UNNEST",
    exp.Explode: "UNNEST",
    exp.Star: "*",
}


def parse_view(view: str, sql: str) -> exp.Select:
    """Raises ViewError for anything but SELECT ... FROM ... [JOIN ...] [WHERE] [GROUP BY] [HAVING]."""
    if _SESSION.search(sql):  # To the parser it is a word of another kind.
        raise ViewError(view, "SESSION windows are not supported; TUMBLE and HOP are")
    try:
        parsed = sqlglot.parse(sql, dialect="duckdb")
    except SqlglotError as error:
        raise ViewError(view, f"the SQL cannot be read: {str(error).splitlines()[0].rstrip('.')}") from error
    query: Any = parsed[0] if len(parsed) == 1 else None
    if not isinstance(query, exp.Select):
        found = "nothing" if query is None else query.key.upper()
        raise ViewError(
            view, f"it must be one SELECT, not {found if len(parsed) <= 1 else f'{len(parsed)} statements'}"
        )
    for clause, told in _CLAUSES.items():
        if query.args.get(clause):
            raise ViewError(
                view, f"{told} is not supported: make what it does a view of its own, or do it when you ask"
            )
    for kind, told in _NODES.items():
        for node in query.find_all(kind):
            if not (isinstance(node, exp.Star) and isinstance(node.parent, exp.Count)):
                raise ViewError(view, f"{told} is not supported ({node.sql(dialect='duckdb')[:80]})")
    if any(node is not query for node in query.find_all(exp.Query) if not isinstance(node, exp.Table)):
        raise ViewError(view, "a subquery is not supported")
    if query.args.get("from_") is None:
        raise ViewError(view, "it lacks FROM")
    return query
