"""A view's SQL, taken apart into what is kept for each key and what is made of it.

The state is grouped by what the stream alone says, join keys among it; tables are joined when the result is made of it.
So a change of a table needs no record of the stream again.
"""

from collections.abc import Callable, Mapping
from typing import Any

from sqlglot import exp

from odradek.kappa.views.plan.aggregates import is_aggregate, read_aggregate
from odradek.kappa.views.plan.errors import ViewError
from odradek.kappa.views.plan.functions import check_functions
from odradek.kappa.views.plan.joining import is_left, join_key
from odradek.kappa.views.plan.model import STATE, Join, Partial, Relation, ViewPlan
from odradek.kappa.views.plan.naming import (
    DIALECT,
    group_expressions,
    has_aggregate,
    read_items,
    resolve_aliases,
)
from odradek.kappa.views.plan.parsing import parse_view
from odradek.kappa.views.plan.sources import Source, Sources
from odradek.kappa.views.plan.windows import Call, end_sql, is_window, is_window_end, read_window, start_sql
from odradek.kappa.views.plan.writing import Parts, typed, write_plan

Known = Callable[[Any], str | None]
"""What a node is replaced by; None: it stays."""


def compile_view(view: str, sql: str, relations: Mapping[str, Relation]) -> ViewPlan:
    """Raises ViewError for whatever cannot be kept up to date with the same result as a batch run."""
    return _Compiler(view, parse_view(view, sql), relations).plan()


class _Compiler:
    def __init__(self, view: str, query: exp.Select, relations: Mapping[str, Relation]) -> None:
        self.view, self.query = view, query
        check_functions(view, query)
        self.sources = Sources(view, query, relations)
        self.keys: dict[str, str] = {}
        """SQL over the stream to the state's column."""
        self.partials: list[Partial] = []
        self.groups: dict[str, str] = {}
        """SQL over the joined state to the group's column."""
        self.window: Call | None = None

    def plan(self) -> ViewPlan:
        query, sources = self.query, self.sources
        joins = [self._join(join, table) for join, table in zip(sources.joins, sources.tables, strict=True)]
        items = read_items(self.view, query)
        resolve_aliases(sources, query, items)
        sources.resolve(query)
        groups = group_expressions(self.view, query, items, self._row_identity())
        self._find_window(groups)
        grouped = [self._group(each) for each in groups]
        of_stream, of_tables = self._conditions()
        having = query.args.get("having")
        parts = Parts(
            keys=self.keys,
            partials=self.partials,
            groups=self.groups,
            joins=joins,
            of_stream=of_stream,
            of_tables=[self._over_state(each) for each in of_tables],
            items=[(name, self._final(node, grouped)) for name, node in items],
            having=None if having is None else self._final(having.this, grouped),
            window=self.window,
        )
        return typed(self.view, write_plan(self.view, sources, parts))

    # -- reading --------------------------------------------------------------------------------------------------

    def _join(self, join: exp.Join, table: Source) -> Join:
        key = self._key(join_key(self.sources, join, table))
        assert table.relation.key is not None
        return Join(table.relation.name, table.alias, table.relation.key, key, is_left(join))

    def _row_identity(self) -> list[exp.Expr]:
        """Without an aggregate each row of the stream is a row of the view."""
        alias = self.sources.stream.alias
        return [exp.column(name, table=alias, quoted=True) for name in ("_partition", "_offset")]

    def _find_window(self, groups: list[exp.Expr]) -> None:
        calls = [read_window(self.sources, node) for node in self.query.walk() if is_window(node)]
        if len({(each.window, each.time.sql(dialect=DIALECT)) for each in calls}) > 1:
            raise ViewError(self.view, "only one window of time is supported")
        self.window = calls[0] if calls else None
        is_grouped = any(is_window(node) for group in groups for node in group.walk())
        if self.window is not None and self.window.is_hop and not is_grouped:
            raise ViewError(self.view, "a row is in several windows of HOP: group by it")

    def _conditions(self) -> tuple[list[str], list[exp.Expr]]:
        """Of WHERE: what the stream alone decides, and what needs a table."""
        where = self.query.args.get("where")
        if where is None:
            return [], []
        if has_aggregate(where.this):
            raise ViewError(self.view, "an aggregate in WHERE: HAVING is its place")
        parts = list(where.this.flatten()) if isinstance(where.this, exp.And) else [where.this]
        of_stream = [f"({self._stream_sql(each)})" for each in parts if self.sources.is_of_stream(each)]
        return of_stream, [each for each in parts if not self.sources.is_of_stream(each)]

    # -- writing --------------------------------------------------------------------------------------------------

    def _key(self, node: exp.Expr) -> str:
        """The state's column with this of the stream."""
        return self.keys.setdefault(self._stream_sql(node), f"k{len(self.keys)}")

    def _stream_sql(self, node: exp.Expr) -> str:
        """With windows written out."""
        return self._replaced(node, lambda each: None)

    def _group(self, node: exp.Expr) -> tuple[str, str]:
        """The node's SQL, by which it is found again, and its column."""
        column = self.groups.setdefault(self._over_state(node), f"g{len(self.groups)}")
        return node.sql(dialect=DIALECT), column

    def _over_state(self, node: exp.Expr) -> str:
        """What the stream alone says is a key as a whole; else each of its columns is one."""
        if self.sources.is_of_stream(node):
            return f"{STATE}.{self._key(node)}"
        alias = self.sources.stream.alias

        def of_state(each: exp.Expr) -> str | None:
            is_key = (isinstance(each, exp.Column) and each.table == alias) or is_window(each) or is_window_end(each)
            return f"{STATE}.{self._key(each)}" if is_key else None

        return self._replaced(node, of_state)

    def _final(self, node: exp.Expr, grouped: list[tuple[str, str]]) -> str:
        by_sql = dict(grouped)

        def of_group(each: exp.Expr) -> str | None:
            if is_aggregate(each):
                return self._aggregate(each)
            return by_sql.get(each.sql(dialect=DIALECT))

        return self._replaced(node, of_group, of_columns=self._not_grouped)

    def _not_grouped(self, column: exp.Column) -> str:
        raise ViewError(self.view, f"{column.sql(dialect=DIALECT)} must be in GROUP BY or in an aggregate")

    def _aggregate(self, node: exp.Expr) -> str:
        text = node.sql(dialect=DIALECT)
        inner = node.this if isinstance(node, exp.Filter) else node
        if any(is_aggregate(each) for each in inner.walk() if each is not inner):
            raise ViewError(self.view, f"{text}: an aggregate of an aggregate needs a view on a view")
        if not self.sources.is_of_stream(node):
            raise ViewError(
                self.view, f"{text}: a table's column in an aggregate is not supported: group by it instead"
            )
        if any(is_window(each) or is_window_end(each) for each in node.walk()):
            raise ViewError(self.view, f"{text}: a window in an aggregate is not supported: group by it instead")
        aggregate = read_aggregate(self.view, node, len(self.partials))
        for known in range(len(self.partials)):  # The same aggregate twice is kept once.
            same = read_aggregate(self.view, node, known)
            if [each.begin for each in self.partials[known : known + len(same.partials)]] == [
                p.begin for p in same.partials
            ]:
                return same.final
        self.partials += aggregate.partials
        return aggregate.final

    def _replaced(self, node: exp.Expr, by: Known, of_columns: Known | None = None) -> str:
        """SQL in which the outermost nodes that `by` knows are what it says, and windows are written out."""

        def change(each: exp.Expr) -> exp.Expr:
            found = by(each)
            if found is None and is_window(each):
                found = start_sql(read_window(self.sources, each))
            if found is None and is_window_end(each):
                found = self._window_end(each, by)
            if found is None and of_columns is not None and isinstance(each, exp.Column):
                found = of_columns(each)
            return each if found is None else _verbatim(found)

        return node.copy().transform(change).sql(dialect=DIALECT)

    def _window_end(self, node: exp.Expr, by: Known) -> str:
        (start,) = node.expressions if len(node.expressions) == 1 else (None,)
        if start is None or not is_window(start):
            raise ViewError(self.view, f"{node.sql(dialect=DIALECT)}: must be of the window, or of its name")
        written = by(start)
        call = read_window(self.sources, start)
        return end_sql(start_sql(call) if written is None else written, call.window)


def _verbatim(sql: str) -> exp.Expr:
    return exp.Var(this=sql)
