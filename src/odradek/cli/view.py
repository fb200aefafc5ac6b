"""`odradek view`: what the definition keeps up to date."""

from __future__ import annotations

from typing import Annotated

import typer

from odradek.cli.command import command, group
from odradek.cli.errors import UsageError
from odradek.cli.options import Definition as DefinitionFile
from odradek.cli.output import write_json, write_table
from odradek.cli.session import Session
from odradek.cli.sql import Limit, Memory, Output, OutputForm, answer

app = group("What kappa.yaml keeps up to date: its views.")


@command(app, "list")
def list_views(session: Session, definition: DefinitionFile = None) -> None:
    """The views, what each reads, and the columns it has. Says what is wrong with the first that is not right."""
    from odradek.cli.kappa import kappa_errors, read_definition

    with kappa_errors():
        from odradek.kappa.views.relations import compile_defined

        defined = read_definition(definition)
        plans = [compile_defined(defined, name) for name in defined.views]
    if session.json:
        write_json(
            [
                {
                    "name": plan.name,
                    "inputs": [plan.stream.name, *(t.name for t in plan.tables)],
                    "columns": plan.output,
                }
                for plan in plans
            ]
        )
        return
    rows = [
        (
            plan.name,
            ", ".join([plan.stream.name, *(table.name for table in plan.tables)]),
            ", ".join(f"{column} {kind.lower()}" for column, kind in plan.output.items()),
        )
        for plan in plans
    ]
    write_table(("view", "inputs", "columns"), rows, empty="no views: kappa.yaml has none")


@command(app)
def batch(
    session: Session,
    name: Annotated[str, typer.Argument(metavar="VIEW")],
    form: OutputForm = None,
    definition: DefinitionFile = None,
    memory: Memory = 1024,
    limit: Limit = None,
) -> None:
    """Run a view over all of its history, in the log and in snapshots, and write its rows.

    The same rows as it has live once it has read as much.
    """
    from odradek.cli.kappa import kappa_errors, read_definition

    with kappa_errors():
        known = read_definition(definition).views
    if name not in known:
        raise UsageError(f"there is no view {name} in the definition; known are {', '.join(known) or 'none'}")
    quoted = '"' + name.replace('"', '""') + '"'
    answer(
        session,
        f"SELECT * FROM {quoted} ORDER BY ALL",
        form or (Output.JSON if session.json else None),
        definition,
        memory,
        limit,
    )
