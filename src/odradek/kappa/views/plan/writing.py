"""A plan's statements, put together from the parts of a view."""

from dataclasses import replace
from typing import NamedTuple

import duckdb

from odradek.kappa.decoding.session import connect
from odradek.kappa.quoting import quoted
from odradek.kappa.views.plan.errors import ViewError
from odradek.kappa.views.plan.model import STATE, Join, Partial, Relation, ViewPlan, table_name
from odradek.kappa.views.plan.sources import Sources
from odradek.kappa.views.plan.windows import Call, hops_sql


class Parts(NamedTuple):
    """SQL of a view's parts. `keys` are over the stream, `groups` and `of_tables` over state and tables.

    `items` (column, SQL) and `having` are over groups and partials.
    """

    keys: dict[str, str]
    partials: list[Partial]
    groups: dict[str, str]
    joins: list[Join]
    of_stream: list[str]
    of_tables: list[str]
    items: list[tuple[str, str]]
    having: str | None
    window: Call | None


def write_plan(view: str, sources: Sources, parts: Parts) -> ViewPlan:
    """Without the output's types."""
    return ViewPlan(
        name=view,
        stream=sources.stream.relation,
        tables=tuple({each.relation.name: each.relation for each in sources.tables}.values()),
        joins=tuple(parts.joins),
        window=None if parts.window is None else parts.window.window,
        keys=tuple(parts.keys.values()),
        partials=tuple(each.name for each in parts.partials),
        groups=tuple(parts.groups.values()),
        partial_sql=_partial_sql(sources.stream.alias, parts),
        combine_sql=_combine_sql(parts),
        joined_sql=_joined_sql(parts),
        final_sql=_final_sql(parts),
        output={},
    )


def typed(view: str, plan: ViewPlan) -> ViewPlan:
    """Asks DuckDB for the output's types, over a row of nulls: it also says what it does not know. Raises ViewError."""
    with connect() as connection:
        try:
            _create(connection, "stream", plan.stream)
            connection.execute("INSERT INTO stream DEFAULT VALUES")
            for table in plan.tables:
                _create(connection, table_name(table.name), table)
            connection.execute(f"CREATE TABLE state AS {plan.partial_sql.format(stream='stream')}")
            connection.execute(f"CREATE TABLE joined AS {plan.joined_sql.format(state='state')}")
            final = plan.final_sql.format(joined="joined")
            connection.execute(final).fetchall()
            described = connection.execute(f"DESCRIBE {final}").fetchall()
        except duckdb.Error as error:
            raise ViewError(view, " ".join(str(error).split("\n\nLINE")[0].split())) from error
    return replace(plan, output={row[0]: row[1] for row in described[len(plan.groups) :]})


def _partial_sql(alias: str, parts: Parts) -> str:
    hops, is_in = ("", "") if parts.window is None else hops_sql(parts.window)
    conditions = [*parts.of_stream, *([is_in] if is_in else [])]
    keys = [f"{_kept(sql)} AS {column}" for sql, column in parts.keys.items()]
    begins = [f"{_kept(each.begin)} AS {each.name}" for each in parts.partials]
    by = f" GROUP BY {', '.join(str(place + 1) for place in range(len(keys)))}" if keys else ""
    where = f" WHERE {_kept(' AND '.join(conditions))}" if conditions else ""
    return f"SELECT {', '.join([*keys, *begins])} FROM {{stream}} AS {_kept(quoted(alias))}{hops}{where}{by}"


def _combine_sql(parts: Parts) -> str:
    keys = [*parts.keys.values()]
    combined = [f"{each.combine} AS {each.name}" for each in parts.partials]
    return f"SELECT {', '.join([*keys, *combined])} FROM {{state}} AS state{_group_by(keys)}"


def _joined_sql(parts: Parts) -> str:
    groups = [f"{_kept(sql)} AS {column}" for sql, column in parts.groups.items()]
    partials = [f"{STATE}.{each.name}" for each in parts.partials]
    tables = "".join(map(_joined, parts.joins))
    where = f" WHERE {' AND '.join(f'({_kept(each)})' for each in parts.of_tables)}" if parts.of_tables else ""
    return f"SELECT {', '.join([*groups, *partials]) or '1'} FROM {{state}} AS {STATE}{tables}{where}"


def _final_sql(parts: Parts) -> str:
    columns = [f"{_kept(sql)} AS {_kept(quoted(column))}" for column, sql in parts.items]
    groups = [*parts.groups.values()]
    having = f" HAVING {_kept(parts.having)}" if parts.having else ""
    return f"SELECT {', '.join([*groups, *columns])} FROM {{joined}} AS joined{_group_by(groups)}{having}"


def _joined(join: Join) -> str:
    kind, alias = "LEFT JOIN" if join.is_left else "JOIN", quoted(join.alias)
    condition = f"{alias}.{quoted(join.column)} = {STATE}.{join.key}"
    return _kept(f" {kind} {quoted(table_name(join.relation))} AS {alias} ON {condition}")


def _group_by(columns: list[str]) -> str:
    return f" GROUP BY {', '.join(columns)}" if columns else ""


def _kept(sql: str) -> str:
    """Of a user: its braces are no places to be filled in."""
    return sql.replace("{", "{{").replace("}", "}}")


def _create(connection: duckdb.DuckDBPyConnection, table: str, relation: Relation) -> None:
    columns = ", ".join(f"{quoted(column)} {kind}" for column, kind in relation.columns.items())
    connection.execute(f"CREATE TABLE {quoted(table)} ({columns})")
