"""Aggregates that can be kept as partials: what begins one, what combines two, what is made of one in the end."""

from typing import NamedTuple

from sqlglot import exp

from odradek.kappa.views.plan.errors import ViewError
from odradek.kappa.views.plan.functions import aggregate_names
from odradek.kappa.views.plan.model import Partial

_KEPT = (exp.Count, exp.Sum, exp.Min, exp.Max, exp.Avg, exp.ApproxDistinct)
SUPPORTED = "count, sum, min, max, avg and approx_count_distinct"


class Aggregate(NamedTuple):
    """`final` is SQL over combined partials."""

    partials: tuple[Partial, ...]
    final: str


def is_aggregate(node: exp.Expr) -> bool:
    """Whatever DuckDB has as one, also where the parser does not know it as that."""
    if isinstance(node, exp.AggFunc | exp.Filter):
        return True
    return isinstance(node, exp.Anonymous) and node.name.lower() in aggregate_names()


def read_aggregate(view: str, node: exp.Expr, number: int) -> Aggregate:
    """`number`: of its first partial. Raises ViewError for one that cannot be kept."""
    text = node.sql(dialect="duckdb")
    condition = ""
    if isinstance(node, exp.Filter):
        condition = f" FILTER ({node.expression.sql(dialect='duckdb')})"
        node = node.this
    if list(node.find_all(exp.Distinct)):
        raise ViewError(view, f"{text}: DISTINCT values cannot be kept in bounded state; approx_count_distinct can")
    if list(node.find_all(exp.Order)):
        raise ViewError(view, f"{text}: an order has no meaning for {SUPPORTED}")
    if any(value for name, value in node.args.items() if name not in ("this", "big_int")) and isinstance(node, _KEPT):
        raise ViewError(view, f"{text}: {node.key} takes one argument here")
    argument = node.this.sql(dialect="duckdb") if isinstance(node.this, exp.Expr) else "*"
    first, second = f"p{number}", f"p{number + 1}"
    match node:
        case exp.Count():
            partial = Partial(first, f"count({argument}){condition}", f"sum({first})::BIGINT")
            return Aggregate((partial,), f"coalesce(sum({first}), 0)::BIGINT")
        case exp.Sum():
            return Aggregate((Partial(first, f"sum({argument}){condition}", f"sum({first})"),), f"sum({first})")
        case exp.Min() | exp.Max():
            name = node.key
            return Aggregate(
                (Partial(first, f"{name}({argument}){condition}", f"{name}({first})"),), f"{name}({first})"
            )
        case exp.Avg():
            total = Partial(first, f"sum({argument}){condition}", f"sum({first})")
            count = Partial(second, f"count({argument}){condition}", f"sum({second})::BIGINT")
            return Aggregate((total, count), f"(sum({first})::DOUBLE / nullif(sum({second}), 0))")
        case exp.ApproxDistinct():
            state = f"approx_count_distinct({argument}) EXPORT_STATE"
            if condition:
                raise ViewError(
                    view, f"{text}: FILTER is not supported with approx_count_distinct: use CASE in its argument"
                )
            partial = Partial(first, state, f"combine_aggr({first})")
            return Aggregate((partial,), f"coalesce(finalize(combine_aggr({first})), 0)")
    raise ViewError(view, f"{text} cannot be kept up to date from parts; {SUPPORTED} can")
