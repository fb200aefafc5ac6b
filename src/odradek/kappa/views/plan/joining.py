"""Joins of the stream to tables: by the table's key, whose row is the newest there is."""

from sqlglot import exp

from odradek.kappa.views.plan.errors import ViewError
from odradek.kappa.views.plan.sources import Source, Sources


def join_key(sources: Sources, join: exp.Join, table: Source) -> exp.Expr:
    """What of the stream equals the table's key. Raises ViewError for any other join."""
    if join.side.upper() not in ("", "LEFT") or join.kind.upper() not in ("", "INNER", "OUTER") or join.method:
        raise _refused(sources, join, "JOIN and LEFT JOIN are supported")
    using = join.args.get("using")
    if using:
        if [each.name for each in using] != [table.relation.key]:
            raise _refused(sources, join, f"USING must name the key of {table.alias}, {table.relation.key}")
        column = exp.column(table.relation.key or "")
        sources.resolve(column)
        return column
    condition = join.args.get("on")
    if condition is None:
        raise _refused(sources, join, "ON is needed")
    condition = condition.unnest()
    sources.resolve(condition)
    if isinstance(condition, exp.EQ):
        for one, other in ((condition.this, condition.expression), (condition.expression, condition.this)):
            if _is_key(one, table) and sources.is_of_stream(other):
                found: exp.Expr = other
                return found
    raise _refused(
        sources, join, f"ON must be {table.alias}.{table.relation.key} = something of {sources.stream.alias}"
    )


def is_left(join: exp.Join) -> bool:
    """Whether rows without one in the table stay."""
    return join.side.upper() == "LEFT"


def _is_key(node: exp.Expr, table: Source) -> bool:
    return isinstance(node, exp.Column) and node.table == table.alias and node.name == table.relation.key


def _refused(sources: Sources, join: exp.Join, advice: str) -> ViewError:
    return ViewError(sources.view, f"{join.sql(dialect='duckdb')[:120]}: {advice}")
