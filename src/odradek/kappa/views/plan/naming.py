"""What a name in a view's SQL stands for: a column, a column of the result, or the number of one."""

from sqlglot import exp

from odradek.kappa.views.plan.aggregates import is_aggregate
from odradek.kappa.views.plan.errors import ViewError
from odradek.kappa.views.plan.sources import Sources
from odradek.kappa.views.plan.windows import is_window_end

DIALECT = "duckdb"
Items = list[tuple[str, exp.Expr]]
"""Columns of the result: name and expression."""
_SETS = (exp.Rollup, exp.Cube, exp.GroupingSets)


def has_aggregate(node: exp.Expr) -> bool:
    return any(is_aggregate(each) for each in node.walk())


def read_items(view: str, query: exp.Select) -> Items:
    """Raises ViewError for two of one name."""
    found = [(item.alias_or_name or item.sql(dialect=DIALECT), item.unalias()) for item in query.expressions]
    names = [name.lower() for name, _ in found]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ViewError(view, f"two columns are called {twice}: name one of them with AS")
    return found


def resolve_aliases(sources: Sources, query: exp.Select, items: Items) -> None:
    """In window_end(w), GROUP BY and HAVING a name may be an item's; where it is a column too, it is the column.

    Only `w` of window_end cannot be a column: it is of a window.
    """
    named = {name.lower(): node for name, node in items}
    for place in [node for node in query.walk() if is_window_end(node)]:
        _replace(place, named)
    others = {name: node for name, node in named.items() if not sources.has_column(name)}
    for clause in (query.args.get("group"), query.args.get("having")):
        if clause is not None:
            _replace(clause, others)


def group_expressions(view: str, query: exp.Select, items: Items, row_identity: list[exp.Expr]) -> list[exp.Expr]:
    """What the result has a row for; without any aggregate a row of the stream. Raises ViewError."""
    group = query.args.get("group")
    plain = [node for _, node in items if not has_aggregate(node)]
    if group is None:
        is_whole = len(plain) < len(items) or query.args.get("having") is not None
        return [] if is_whole else [*row_identity, *plain]
    if group.args.get("all"):
        return plain
    if any(each for name, each in group.args.items() if name != "expressions") or list(group.find_all(*_SETS)):
        text = group.sql(dialect=DIALECT).strip()
        raise ViewError(view, f"{text}: only plain expressions can be grouped by")
    return [_grouped_by(view, each, items) for each in group.expressions]


def _grouped_by(view: str, node: exp.Expr, items: Items) -> exp.Expr:
    if isinstance(node, exp.Literal) and node.is_int:
        if not 0 < int(node.name) <= len(items):
            raise ViewError(view, f"GROUP BY {node.name}: there are {len(items)} columns")
        node = items[int(node.name) - 1][1]
    if has_aggregate(node):
        raise ViewError(view, f"GROUP BY {node.sql(dialect=DIALECT)}: an aggregate cannot be grouped by")
    return node


def _replace(place: exp.Expr, named: dict[str, exp.Expr]) -> None:
    for column in list(place.find_all(exp.Column)):
        node = named.get(column.name.lower())
        if not column.table and node is not None and node is not column:
            column.replace(node.copy())
