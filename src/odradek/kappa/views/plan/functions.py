"""Functions whose answer depends on anything but their arguments have no place in a view: it is computed again."""

from functools import cache
from itertools import pairwise
from typing import Any

import duckdb
from sqlglot import exp
from sqlglot.dialects import DuckDB

from odradek.kappa.views.plan.errors import ViewError

_CLOCKS = (exp.CurrentDate, exp.CurrentTime, exp.CurrentTimestamp, exp.CurrentDatetime)


def check_functions(view: str, query: exp.Expr) -> None:
    """Raises ViewError for a function that would answer otherwise when it is asked again."""
    for clock in query.find_all(*_CLOCKS):
        raise _refused(view, clock.sql(dialect="duckdb"))
    for name in _called(query.sql(dialect="duckdb")):
        if name in _unsteady():
            raise _refused(view, name)


def _refused(view: str, name: str) -> ViewError:
    return ViewError(view, f"{name} gives another answer each time, so that live, replay and batch would differ")


def _called(sql: str) -> set[str]:
    tokens: list[Any] = DuckDB().tokenize(sql)
    return {name.text.lower() for name, after in pairwise(tokens) if after.text == "("}


@cache
def _unsteady() -> frozenset[str]:
    """Those without any steady variant; `hour` of a time with a zone depends on a setting that is fixed here."""
    with duckdb.connect() as connection:
        rows = connection.execute(
            "SELECT function_name FROM duckdb_functions() WHERE function_type IN ('scalar', 'macro') "
            "GROUP BY 1 HAVING bool_and(coalesce(stability, 'CONSISTENT') <> 'CONSISTENT')"
        ).fetchall()
    return frozenset(name for (name,) in rows) | {"age", "read_text", "read_blob", "getenv"}
