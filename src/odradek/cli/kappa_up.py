"""`odradek kappa`: the views of kappa.yaml, kept up to date and served."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from odradek.cli.command import command, group
from odradek.cli.errors import CommandError, UsageError
from odradek.cli.options import Definition as DefinitionFile
from odradek.cli.output import plural, write_json, write_line
from odradek.cli.session import Session, split_address
from odradek.cli.sql import Memory

if TYPE_CHECKING:
    from odradek.kappa.views.running import Views

app = group("Topics as tables: views kept up to date, and served.")

LOOK_S = 0.2
"""Between two looks for new records, when there were none."""
TOKEN = "ODRADEK_KAPPA_TOKEN"
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


@command(app)
def up(
    session: Session,
    once: Annotated[bool, typer.Option("--once", help="End when all that topics hold now is in the views.")] = False,
    http: Annotated[
        str, typer.Option("--http", metavar="HOST:PORT", help="Where views are served; port 0 takes a free one.")
    ] = "127.0.0.1:8092",
    state: Annotated[
        Path | None, typer.Option("--state", metavar="DIR", help="Default: kappa-state beside kappa.yaml.")
    ] = None,
    definition: DefinitionFile = None,
    memory: Memory = 1024,
) -> None:
    """Keep the views of kappa.yaml up to date and serve them over HTTP.

    It can be stopped and killed at any time: it goes on where it was. An address that others can reach needs
    ODRADEK_KAPPA_TOKEN, which every request must then bring as a bearer token.
    """
    from odradek.cli.kappa import definition_directory, kappa_errors, read_definition

    with kappa_errors():
        from odradek.kappa.views.running import Views

        defined = read_definition(definition)
        if not defined.views:
            raise UsageError("the definition has no views")
        host, port = split_address(http, "--http", lowest=0)
        token = os.environ.get(TOKEN) or None
        if host not in _LOOPBACK and token is None:
            raise UsageError(f"--http {http}: others can reach that address, so that {TOKEN} must be set")
        session.require_broker()
        directory = state or definition_directory(definition) / "kappa-state"
        with closing(
            Views(
                {"bootstrap.servers": session.bootstrap}, defined, definition_directory(definition), directory, memory
            )
        ) as views:
            if once:
                _once(session, views)
            else:
                _serve(views, host, port, token)


@command(app)
def schema(session: Session) -> None:
    """Write the JSON schema of kappa.yaml, for editors that complete and check it."""
    from odradek.cli.kappa import kappa_errors

    with kappa_errors():
        from odradek.kappa.definition.schema import schema as published

        write_json(published())


def _once(session: Session, views: Views) -> None:
    records = views.catch_up()
    results = []
    for name, view in views.running.items():
        found = view.connection.execute("SELECT (SELECT count(*) FROM result), (SELECT count(*) FROM late)").fetchone()
        assert found is not None
        results.append({"view": name, "rows": found[0], "late": found[1], "skipped": view.inputs.skipped})
    if session.json:
        write_json({"records": records, "views": results})
        return
    for each in results:
        write_line(f"{each['view']}: {plural(each['rows'], 'row')}, {plural(each['late'], 'late record')}")


def _serve(views: Views, host: str, port: int, token: str | None) -> None:
    from odradek.cli.kappa import tried_again

    with serving(views, host, port, token) as address:
        write_line(f"serving {plural(len(views.running), 'view')} at http://{address}/views")
        while True:
            if tried_again(views.catch_up, 1) == 0:
                threading.Event().wait(LOOK_S)


@contextmanager
def serving(views: Views, host: str, port: int, token: str | None) -> Iterator[str]:
    """Views over HTTP, in a thread beside; the address, once it listens."""
    import socket

    import uvicorn

    from odradek.kappa.serving import application

    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family)
    except OSError as error:
        raise CommandError(f"--http {host}:{port}: {error.strerror}") from error
    config = uvicorn.Config(application(views, token), log_level="warning", access_log=False)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="http", daemon=True)
    thread.start()
    try:
        yield f"{host}:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        listener.close()
