"""A lookup in a view's result: which rows are asked for, checked against the view's columns."""

from collections.abc import Iterable
from typing import Any, NamedTuple

from odradek.kappa.errors import KappaError
from odradek.kappa.quoting import quoted
from odradek.kappa.views.plan import ViewPlan

ROWS_MAX = 10_000
ROWS = 100
"""Unless the request says otherwise."""
_OPERATORS = {"": "IS NOT DISTINCT FROM", "ge": ">=", "gt": ">", "le": "<=", "lt": "<"}
_OWN = ("limit", "wait", "timeout")


class RequestError(KappaError):
    """The request names a column, an operator or a value that is not there."""


class Lookup(NamedTuple):
    """A statement and its parameters; one row more than `limit` shows that there are more."""

    sql: str
    values: list[Any]
    limit: int


def read_lookup(plan: ViewPlan, query: Iterable[tuple[str, str]]) -> Lookup:
    """`column=value`, `column.ge=`, `.gt=`, `.le=`, `.lt=`, and `limit=`. Empty is null. Raises RequestError."""
    conditions, values, limit = [], list[Any](), ROWS
    for parameter, value in query:
        if parameter == "limit":
            limit = _limit(value)
        elif parameter not in _OWN:
            column, operator = _column(plan, parameter)
            conditions.append(f"{quoted(column)} {operator} CAST(? AS {plan.output[column]})")
            values.append(value if value or operator != _OPERATORS[""] else None)
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    columns = ", ".join(map(quoted, plan.output))
    return Lookup(f"SELECT {columns} FROM result{where} ORDER BY ALL LIMIT {limit + 1}", values, limit)


def _column(plan: ViewPlan, parameter: str) -> tuple[str, str]:
    if parameter in plan.output:
        return parameter, _OPERATORS[""]
    column, _, operator = parameter.rpartition(".")
    if column in plan.output and operator in _OPERATORS:
        return column, _OPERATORS[operator]
    raise RequestError(
        f"{parameter}: {plan.name} has the columns {', '.join(plan.output)}; after one may be .ge, .gt, .le or .lt"
    )


def _limit(value: str) -> int:
    if not (value.isascii() and value.isdigit() and 0 < int(value) <= ROWS_MAX):
        raise RequestError(f"limit={value}: must be a number from 1 to {ROWS_MAX:,}")
    return int(value)
