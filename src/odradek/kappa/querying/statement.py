"""What a statement asks for: which topics, and which part of each is enough to answer it."""

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from odradek.kappa.errors import KappaError

CHANGES = "__changes"
"""`NAME__changes`: every change of a table topic."""


class StatementError(KappaError):
    """The statement cannot be asked."""


class Bound(NamedTuple):
    """A condition that every row of the topic must fulfil to count: `column` `operator` `value`."""

    column: str
    operator: str
    value: int


class Statement(NamedTuple):
    """`topics`: relations that DuckDB does not have, each with what all of its uses demand."""

    sql: str
    topics: dict[str, tuple[Bound, ...]]
    has_headers: bool


def read_statement(sql: str) -> Statement:
    """Raises StatementError for anything but one query."""
    try:
        parsed = sqlglot.parse(sql, dialect="duckdb")
    except SqlglotError as error:
        raise StatementError(f"the SQL cannot be read: {_first_line(error)}") from error
    if len(parsed) != 1 or parsed[0] is None:
        raise StatementError("one statement is asked at a time")
    query = parsed[0]
    if not isinstance(query, exp.Query):
        raise StatementError(f"only SELECT can be asked, not {query.key.upper()}")
    found: dict[str, list[set[Bound]]] = {}
    for table in _tables(query):
        found.setdefault(table.name, []).append(set(_demanded(table)))
    topics = {name: tuple(sorted(set.intersection(*uses))) for name, uses in found.items()}
    has_headers = any(column.name == "_headers" for column in query.find_all(exp.Column)) or _is_star(query)
    return Statement(sql, topics, has_headers)


def _tables(query: exp.Query) -> Iterator[exp.Table]:
    """Relations by a plain name that no WITH defines."""
    named = {each.alias for each in query.find_all(exp.CTE)}
    for table in query.find_all(exp.Table):
        if isinstance(table.this, exp.Identifier) and not table.db and table.name not in named:
            yield table


def _is_star(query: exp.Query) -> bool:
    return any(
        isinstance(each, exp.Star) and not isinstance(each.parent, exp.Count) for each in query.find_all(exp.Star)
    )


def _demanded(table: exp.Table) -> Iterator[Bound]:
    """Of the one SELECT around it: its WHERE holds for each row, unless a join makes rows up."""
    select = table.find_ancestor(exp.Select)
    if select is None or table.find_ancestor(exp.Join) is not None or any(_makes_rows(j) for j in _joins(select)):
        return
    where = select.args.get("where")
    source = select.args.get("from_") or select.args.get("from")
    if where is None or source is None or source.this is not table:
        return
    condition = where.this
    for part in condition.flatten() if isinstance(condition, exp.And) else [condition]:
        yield from _bounds(part.unnest(), table.alias_or_name)


def _joins(select: exp.Select) -> list[exp.Join]:
    return select.args.get("joins") or []


def _makes_rows(join: exp.Join) -> bool:
    return join.side.upper() in ("RIGHT", "FULL")


_MIRRORED = {">": "<", ">=": "<=", "<": ">", "<=": ">=", "=": "="}
_OPERATORS: dict[type[exp.Expr], str] = {exp.GT: ">", exp.GTE: ">=", exp.LT: "<", exp.LTE: "<=", exp.EQ: "="}
_COLUMNS = ("_partition", "_offset", "_timestamp")


def _bounds(part: exp.Expr, relation: str) -> Iterator[Bound]:
    if isinstance(part, exp.Between):
        for operator, value in ((">=", part.args["low"]), ("<=", part.args["high"])):
            yield from _bound(part.this, operator, value, relation)
    elif (compared := _OPERATORS.get(type(part))) is not None:
        yield from _bound(part.args["this"], compared, part.args["expression"], relation)
        yield from _bound(part.args["expression"], _MIRRORED[compared], part.args["this"], relation)


def _bound(column: exp.Expr, operator: str, value: exp.Expr, relation: str) -> Iterator[Bound]:
    if isinstance(column, exp.Column) and column.name in _COLUMNS and column.table in ("", relation):
        number = _milliseconds(value) if column.name == "_timestamp" else _whole(value)
        if number is not None:
            yield Bound(column.name, operator, number)


def _whole(value: exp.Expr) -> int | None:
    return int(value.this) if isinstance(value, exp.Literal) and value.is_int else None


def _milliseconds(value: exp.Expr) -> int | None:
    """Of `'2013-01-01'` or TIMESTAMP '...': UTC, as everything here."""
    if isinstance(value, exp.Cast):
        value = value.this
    if not (isinstance(value, exp.Literal) and value.is_string):
        return None
    try:
        moment = datetime.fromisoformat(value.this)
    except ValueError:
        return None
    if moment.tzinfo is not None:
        return None
    return int((moment - datetime(1970, 1, 1)).total_seconds() * 1000)


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0].rstrip(".")
