"""A view's SQL, taken apart into what is kept for each key and what is made of it.

The state is grouped by what the stream alone says, join keys among it; tables are joined when the result is made of it.
So a change of a table needs no record of the stream again.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import duckdb
from sqlglot import exp

from odradek.kappa.views.plan.aggregates import is_aggregate, read_aggregate
from odradek.kappa.views.plan.errors import ViewError
from odradek.kappa.views.plan.functions import check_functions
from odradek.kappa.views.plan.joining import is_left, join_key
from odradek.kappa.views.plan.model import Join, Partial, Relation, ViewPlan
from odradek.kappa.views.plan.parsing import parse_view
from odradek.kappa.views.plan.sources import Sources
from odradek.kappa.views.plan.windows import Call, end_sql, hops_sql, is_window, is_window_end, read_window, start_sql

DIALECT = "duckdb"
Known = Callable[[Any], str | None]
"""What a node is replaced by; None: it stays."""
_SETS = (exp.Rollup, exp.Cube, exp.GroupingSets)


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
        join_keys = [
            self._join(join, table) for join, table in zip(self.sources.joins, self.sources.tables, strict=True)
        ]
        items = self._items()
        self._resolve_aliases(items)
        self.sources.resolve(self.query)
        self._find_window()
        grouped = [self._group(each) for each in self._group_expressions(items)]
        stream_part, joined_part = self._conditions()
        joined_sql_parts = [self._over_state(each) for each in joined_part]
        final_items = [(name, self._final(node, grouped)) for name, node in items]
        having = self.query.args.get("having")
        final_having = None if having is None else self._final(having.this, grouped)
        plan = self._sql(join_keys, stream_part, joined_sql_parts, final_items, final_having)
        return self._typed(plan)

    # -- reading --------------------------------------------------------------------------------------------------

    def _join(self, join: exp.Join, table: object) -> Join:
        source = self.sources.tables[self.sources.joins.index(join)]
        key = self._key(join_key(self.sources, join, source))
        assert source.relation.key is not None
        return Join(source.relation.name, source.alias, source.relation.key, key, is_left(join))

    def _items(self) -> list[tuple[str, exp.Expr]]:
        found = []
        for item in self.query.expressions:
            name = item.alias_or_name or item.sql(dialect=DIALECT)
            found.append((name, item.unalias()))
        names = [name.lower() for name, _ in found]
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise ViewError(self.view, f"two columns are called {twice}: name one of them with AS")
        return found

    def _resolve_aliases(self, items: list[tuple[str, exp.Expr]]) -> None:
        """`w` in window_end(w), GROUP BY and HAVING is the item of that name; 2 in GROUP BY is the second one."""
        named = {name.lower(): node for name, node in items}
        places = [node for node in self.query.walk() if is_window_end(node)]
        places += [each for each in (self.query.args.get("having"), self.query.args.get("group")) if each is not None]
        for place in places:
            for column in list(place.find_all(exp.Column)):
                node = named.get(column.name.lower())
                if not column.table and node is not None and not (isinstance(node, exp.Column) and node is column):
                    column.replace(node.copy())

    def _group_expressions(self, items: list[tuple[str, exp.Expr]]) -> list[exp.Expr]:
        group = self.query.args.get("group")
        plain = [node for _, node in items if not _has_aggregate(node)]
        if group is None:
            if len(plain) < len(items):
                return []
            return [*self._row_identity(), *plain]
        if group.args.get("all"):
            return plain
        if any(each for name, each in group.args.items() if name != "expressions") or list(group.find_all(*_SETS)):
            text = group.sql(dialect=DIALECT).strip()
            raise ViewError(self.view, f"{text}: only plain expressions can be grouped by")
        return [self._grouped_by(each, items) for each in group.expressions]

    def _grouped_by(self, node: exp.Expr, items: list[tuple[str, exp.Expr]]) -> exp.Expr:
        if isinstance(node, exp.Literal) and node.is_int:
            if not 0 < int(node.name) <= len(items):
                raise ViewError(self.view, f"GROUP BY {node.name}: there are {len(items)} columns")
            node = items[int(node.name) - 1][1]
        if _has_aggregate(node):
            raise ViewError(self.view, f"GROUP BY {node.sql(dialect=DIALECT)}: an aggregate cannot be grouped by")
        return node

    def _row_identity(self) -> list[exp.Expr]:
        """Without an aggregate each row of the stream is a row of the view."""
        alias = self.sources.stream.alias
        return [exp.column(name, table=alias, quoted=True) for name in ("_partition", "_offset")]

    def _find_window(self) -> None:
        calls = [read_window(self.sources, node) for node in self.query.walk() if is_window(node)]
        if len({(each.window, each.time.sql(dialect=DIALECT)) for each in calls}) > 1:
            raise ViewError(self.view, "only one window of time is supported")
        self.window = calls[0] if calls else None

    def _conditions(self) -> tuple[list[str], list[exp.Expr]]:
        """Of WHERE: what the stream alone decides, and what needs a table."""
        where = self.query.args.get("where")
        if where is None:
            return [], []
        if _has_aggregate(where.this):
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
            return f"state.{self._key(node)}"
        alias = self.sources.stream.alias

        def of_state(each: exp.Expr) -> str | None:
            is_key = (isinstance(each, exp.Column) and each.table == alias) or is_window(each) or is_window_end(each)
            return f"state.{self._key(each)}" if is_key else None

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

    def _sql(
        self,
        joins: list[Join],
        stream_part: list[str],
        joined_part: list[str],
        items: list[tuple[str, str]],
        having: str | None,
    ) -> ViewPlan:
        alias = _quoted(self.sources.stream.alias)
        hops, is_in = ("", "") if self.window is None else hops_sql(self.window)
        conditions = [*stream_part, *([is_in] if is_in else [])]
        where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
        keys = [f"{sql} AS {column}" for sql, column in self.keys.items()]
        begins = [f"{each.begin} AS {each.name}" for each in self.partials]
        by = f" GROUP BY {', '.join(str(n + 1) for n in range(len(keys)))}" if keys else ""
        names = [*self.keys.values()]
        combined = [f"{each.combine} AS {each.name}" for each in self.partials]
        groups = [f"{sql} AS {column}" for sql, column in self.groups.items()]
        tables = "".join(_joined(join) for join in joins)
        of_tables = f" WHERE {' AND '.join(f'({each})' for each in joined_part)}" if joined_part else ""
        partials = [f"state.{each.name}" for each in self.partials]
        columns = [f"{sql} AS {_quoted(name)}" for name, sql in items]
        final_by = f" GROUP BY {', '.join(self.groups.values())}" if groups else ""
        return ViewPlan(
            name=self.view,
            stream=self.sources.stream.relation,
            tables=tuple({each.relation.name: each.relation for each in self.sources.tables}.values()),
            joins=tuple(joins),
            window=None if self.window is None else self.window.window,
            keys=tuple(names),
            partials=tuple(each.name for each in self.partials),
            groups=tuple(self.groups.values()),
            partial_sql=f"SELECT {', '.join([*keys, *begins])} FROM {{stream}} AS {alias}{hops}{where}{by}",
            combine_sql=f"SELECT {', '.join([*names, *combined])} FROM {{state}} AS state{_group_by(names)}",
            joined_sql=f"SELECT {', '.join([*groups, *partials]) or '1'} FROM {{state}} AS state{tables}{of_tables}",
            final_sql=(
                f"SELECT {', '.join([*self.groups.values(), *columns])} FROM {{joined}} AS joined{final_by}"
                f"{f' HAVING {having}' if having else ''}"
            ),
            output={},
        )

    def _typed(self, plan: ViewPlan) -> ViewPlan:
        """Asks DuckDB for the output's types, over empty relations: it also says what it does not know."""
        with duckdb.connect() as connection:
            try:
                _create(connection, "stream", plan.stream)
                for table in plan.tables:
                    _create(connection, table.name, table)
                connection.execute(f"CREATE TABLE state AS {plan.partial_sql.format(stream='stream')}")
                connection.execute(f"CREATE TABLE joined AS {plan.joined_sql.format(state='state')}")
                described = connection.execute(f"DESCRIBE {plan.final_sql.format(joined='joined')}").fetchall()
            except duckdb.Error as error:
                raise ViewError(self.view, " ".join(str(error).split("\n\nLINE")[0].split())) from error
        return replace(plan, output={row[0]: row[1] for row in described[len(plan.groups) :]})


def _create(connection: duckdb.DuckDBPyConnection, name: str, relation: Relation) -> None:
    columns = ", ".join(f"{_quoted(column)} {kind}" for column, kind in relation.columns.items())
    connection.execute(f"CREATE TABLE IF NOT EXISTS {_quoted(name)} ({columns})")


def _joined(join: Join) -> str:
    kind = "LEFT JOIN" if join.is_left else "JOIN"
    alias = _quoted(join.alias)
    return f" {kind} {_quoted(join.relation)} AS {alias} ON {alias}.{_quoted(join.column)} = state.{join.key}"


def _group_by(names: list[str]) -> str:
    return f" GROUP BY {', '.join(names)}" if names else ""


def _has_aggregate(node: exp.Expr) -> bool:
    return any(is_aggregate(each) for each in node.walk())


def _verbatim(sql: str) -> exp.Expr:
    return exp.Var(this=sql)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
