"""Functions whose answer depends on anything but their arguments have no place in a view: it is computed again."""

from functools import cache
from itertools import pairwise
from typing import Any

import duckdb
from sqlglot import exp
from sqlglot.dialects import DuckDB

from odradek.kappa.views.plan.errors import ViewError

_ELSEWHERE = ("Current", "Local", "Session")
"""How the parser's classes begin for what has another answer at another time, for another user, on another machine."""


def check_functions(view: str, query: exp.Expr) -> None:
    """Raises ViewError for a function that would answer otherwise when it is asked again."""
    for function in query.find_all(exp.Func):
        if type(function).__name__.startswith(_ELSEWHERE):
            raise _refused(view, function.sql(dialect="duckdb"))
    for name in sorted(_called(query.sql(dialect="duckdb"))):
        if name in _unsteady():
            raise _refused(view, name)


@cache
def aggregate_names() -> frozenset[str]:
    """Of DuckDB's catalog."""
    return _names("function_type = 'aggregate'")


def _refused(view: str, name: str) -> ViewError:
    return ViewError(view, f"{name} gives another answer each time, so that live, replay and batch would differ")


def _called(sql: str) -> set[str]:
    tokens: list[Any] = DuckDB().tokenize(sql)
    return {name.text.lower() for name, after in pairwise(tokens) if after.text == "("}


@cache
def _unsteady() -> frozenset[str]:
    """Those without any steady variant; `hour` of a time with a zone depends on a setting that is fixed here."""
    steady = "bool_and(coalesce(stability, 'CONSISTENT') <> 'CONSISTENT')"
    return _names("function_type IN ('scalar', 'macro')", steady) | {"age", "version", "getenv"}


def _names(where: str, having: str = "true") -> frozenset[str]:
    with duckdb.connect() as connection:
        rows = connection.execute(
            f"SELECT function_name FROM duckdb_functions() WHERE {where} GROUP BY 1 HAVING {having}"
        ).fetchall()
    return frozenset(name for (name,) in rows)
