"""Options and arguments that several commands share, each with its completion."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from odradek.cli.completion import complete_group, complete_topic

Bootstrap = Annotated[
    str | None,
    typer.Option(
        "--bootstrap",
        "-b",
        metavar="HOST:PORT[,...]",
        help="Broker to talk to (default: $ODRADEK_BOOTSTRAP, else 127.0.0.1:9092).",
        show_default=False,
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Write JSON for scripts.", show_default=False)]
Topic = Annotated[str, typer.Argument(metavar="TOPIC", autocompletion=complete_topic)]
Topics = Annotated[list[str], typer.Argument(metavar="TOPIC...", autocompletion=complete_topic)]
Group = Annotated[str, typer.Argument(metavar="GROUP", autocompletion=complete_group)]
Groups = Annotated[list[str], typer.Argument(metavar="GROUP...", autocompletion=complete_group)]
Definition = Annotated[
    Path | None,
    typer.Option(
        "--definition", "-d", metavar="FILE", help="What topics hold (default: ./kappa.yaml, if it is there).",
        show_default=False,
    ),
]  # fmt: skip
