"""`odradek sql`: a query over topics, as if they were tables."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from odradek.cli.command import command
from odradek.cli.errors import tell
from odradek.cli.options import Definition as DefinitionFile
from odradek.cli.output import plural
from odradek.cli.progress import Progress
from odradek.cli.session import Session

if TYPE_CHECKING:
    from odradek.kappa.definition import Definition
    from odradek.kappa.querying import Query, Report

app = typer.Typer(add_completion=False)


class Output(StrEnum):
    """How an answer is written."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"
    ARROW = "arrow"


OutputForm = Annotated[Output | None, typer.Option("--format", "-F", help="How the answer is written.")]
Memory = Annotated[
    int, typer.Option("--memory", metavar="MB", min=64, max=1 << 20, help="What is more is kept on disk.")
]
Limit = Annotated[
    int | None, typer.Option("--limit", "-n", min=1, help="Rows of a table; 1,000 unless given.", show_default=False)
]


@command(app)
def sql(
    session: Session,
    query: Annotated[
        str, typer.Argument(metavar="SQL", help='For example "select count(*) from flights"; - reads it from stdin.')
    ],
    form: OutputForm = None,
    definition: DefinitionFile = None,
    memory: Memory = 1024,
    limit: Limit = None,
) -> None:
    """Ask topics with SQL (DuckDB's): all that the log holds now.

    A topic is a relation with the columns of its JSON records, or those that kappa.yaml says, and _partition,
    _offset, _timestamp, _key and _headers. Conditions on _partition, _offset and _timestamp keep the rest unread.
    A view of kappa.yaml is a relation too.
    """
    answer(session, sys.stdin.read() if query == "-" else query, form, definition, memory, limit)


def answer(
    session: Session, query: str, form: Output | None, definition: Path | None, memory: int, limit: int | None
) -> None:
    """Ask, write the rows, and tell what had to be left out."""
    from odradek.cli.kappa import definition_directory, kappa_errors, read_definition
    from odradek.cli.sql_output import write_answer

    with kappa_errors():
        from odradek.kappa.querying import ask
        from odradek.kappa.querying.statement import read_statement

        statement = read_statement(query)
        defined = read_definition(definition)
        session.require_broker()
        with _query(session, defined, definition_directory(definition), memory) as asked:
            rows, report = ask(asked, statement)
            write_answer(rows, _form(session, form), limit)
            _tell(report)


def _form(session: Session, form: Output | None) -> Output:
    return form or (Output.JSON if session.json else Output.TABLE)


@contextmanager
def _query(session: Session, definition: Definition, directory: Path, memory_mb: int) -> Iterator[Query]:
    from odradek.kappa.decoding import connect
    from odradek.kappa.querying import Query

    progress = Progress("read")

    def on_read(records: int, expected: int) -> None:
        progress.expect(expected)
        progress.advance(records)

    with tempfile.TemporaryDirectory(prefix="odradek-sql-") as spill_to:
        with connect(memory_mb=memory_mb, spill_to=Path(spill_to)) as connection:
            yield Query(connection, {"bootstrap.servers": session.bootstrap}, definition, directory, on_read)
            progress.clear()


def _tell(report: Report) -> None:
    for topic, count in report.skipped.items():
        tell(f"{plural(count, 'record')} of {topic} could not be read and {'is' if count == 1 else 'are'} left out")
    for topic, count in report.gone.items():
        tell(f"{plural(count, 'offset')} of {topic} had been deleted before the snapshot had them")
    for view, count in report.late.items():
        tell(f"{plural(count, 'row')} came too late for {view}")
