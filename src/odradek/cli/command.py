"""Registers functions as commands: every command takes --bootstrap and --json and gets them as one `Session`."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import typer

from odradek.cli.options import AsJson, Bootstrap
from odradek.cli.session import Session


def group(help_text: str) -> typer.Typer:
    """A command group without commands yet."""
    return typer.Typer(help=help_text, no_args_is_help=True, add_completion=False)


def command(
    app: typer.Typer, name: str | None = None, **settings: Any
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Register `function(session, ...)`; the session parameter becomes the two shared options.

    A command named alone in its Typer app (`produce`, `status`) is that app's only command.
    """

    def register(function: Callable[..., None]) -> Callable[..., None]:
        def invoke(ctx: typer.Context, bootstrap: str | None, as_json: bool, **arguments: Any) -> None:
            function(Session.of(ctx, bootstrap, as_json), **arguments)

        parameters = _shared(list(inspect.signature(function, eval_str=True).parameters.values())[1:])
        invoke.__name__ = function.__name__
        invoke.__doc__ = function.__doc__
        invoke.__module__ = function.__module__
        invoke.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        invoke.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        app.command(name or function.__name__.replace("_", "-"), **settings)(invoke)
        return function

    return register


def _shared(own: list[inspect.Parameter]) -> list[inspect.Parameter]:
    keyword = inspect.Parameter.KEYWORD_ONLY
    return [
        inspect.Parameter("ctx", keyword, annotation=typer.Context),
        *(parameter.replace(kind=keyword) for parameter in own),
        inspect.Parameter("bootstrap", keyword, annotation=Bootstrap, default=None),
        inspect.Parameter("as_json", keyword, annotation=AsJson, default=False),
    ]
