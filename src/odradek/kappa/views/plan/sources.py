"""The relations that a view reads, and which of them each column is of."""

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any, NamedTuple

from sqlglot import exp

from odradek.kappa.views.plan.errors import ViewError
from odradek.kappa.views.plan.model import Relation


class Source(NamedTuple):
    """A relation under its alias."""

    alias: str
    relation: Relation


class Sources:
    """The stream, and the tables beside it in the order of their joins."""

    def __init__(self, view: str, query: exp.Select, relations: Mapping[str, Relation]) -> None:
        self.view = view
        self._relations = relations
        self.stream = self._source(query.args["from_"].this)
        self.joins: list[exp.Join] = list(query.args.get("joins") or [])
        self.tables = [self._source(join.this) for join in self.joins]
        self._check()
        self._shared = {str(column.name): self.stream for join in self.joins for column in join.args.get("using") or ()}

    def resolve(self, query: exp.Expr) -> None:
        """Every column becomes `"alias"."column"`, as the relation writes it. Raises ViewError."""
        for column in list(query.find_all(exp.Column)):
            source, name = self.find(column)
            column.set("this", exp.to_identifier(name, quoted=True))
            column.set("table", exp.to_identifier(source.alias, quoted=True))

    def find(self, column: exp.Column) -> tuple[Source, str]:
        """Of which source it is, and its name there."""
        name, table = column.name, column.table
        if not table and name in self._shared:
            return self._shared[name], self._named(self._shared[name], name) or name
        sources = [each for each in (self.stream, *self.tables) if not table or each.alias.lower() == table.lower()]
        if not sources:
            aliases = ", ".join(each.alias for each in (self.stream, *self.tables))
            raise ViewError(
                self.view, f"{column.sql(dialect='duckdb')}: there is no relation {table}; known are {aliases}"
            )
        found = [(each, known) for each in sources if (known := self._named(each, name)) is not None]
        if not found:
            raise ViewError(self.view, f"there is no column {column.sql(dialect='duckdb')}{self._near(name, sources)}")
        if len(found) > 1:
            owners = " or ".join(f"{each.alias}.{name}" for each, _ in found)
            raise ViewError(self.view, f"{name} is ambiguous: write {owners}")
        return found[0]

    def has_column(self, name: str) -> bool:
        """Whether any of the relations has one of the name."""
        return any(self._named(each, name) is not None for each in (self.stream, *self.tables))

    def is_of_stream(self, node: exp.Expr) -> bool:
        """Whether no table has a part in it; the columns are resolved."""
        return all(column.table == self.stream.alias for column in node.find_all(exp.Column))

    def _source(self, table: Any) -> Source:
        if not isinstance(table, exp.Table) or not isinstance(table.this, exp.Identifier) or table.db:
            raise ViewError(self.view, f"{table.sql(dialect='duckdb')[:80]} is no topic or view of the definition")
        more = [key for key, value in table.args.items() if value and key not in ("this", "alias")]
        alias = table.args.get("alias")
        if more or (alias is not None and alias.columns):
            raise ViewError(self.view, f"{table.sql(dialect='duckdb')[:80]}: only its name and an alias may be there")
        relation = self._relations.get(table.name)
        if relation is None:
            near = get_close_matches(table.name, self._relations, 1)
            advice = f"did you mean {near[0]}?" if near else f"known are {', '.join(self._relations) or 'none'}"
            raise ViewError(self.view, f"there is no topic or view {table.name} in the definition; {advice}")
        return Source(table.alias_or_name, relation)

    def _check(self) -> None:
        aliases = [each.alias.lower() for each in (self.stream, *self.tables)]
        if len(set(aliases)) < len(aliases):
            raise ViewError(self.view, "two relations have one alias")
        if self.stream.relation.is_table:
            raise ViewError(self.view, f"{self.stream.alias} is a table: FROM needs a stream, tables are joined to it")
        for each in self.tables:
            if not each.relation.is_table:
                raise ViewError(self.view, f"{each.alias} is a stream: only topics with `table: true` can be joined")

    def _named(self, source: Source, name: str) -> str | None:
        return next((each for each in source.relation.columns if each.lower() == name.lower()), None)

    def _near(self, name: str, sources: list[Source]) -> str:
        known = [column for each in sources for column in each.relation.columns]
        near = get_close_matches(name, known, 1)
        return f"; did you mean {near[0]}?" if near else f"; known are {', '.join(known)}"
