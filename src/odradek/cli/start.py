"""`odradek start`: run one broker in the foreground until Ctrl-C or SIGTERM."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from odradek.broker.options import ReadyInfo, StartOptions
from odradek.cli.errors import CommandError, UsageError
from odradek.cli.options import AsJson
from odradek.cli.pairs import parse_pairs

app = typer.Typer(add_completion=False)


@app.command("start")
def start(
    ctx: typer.Context,
    listen: Annotated[
        str | None,
        typer.Option(metavar="HOST:PORT", help="Where to listen (default: 127.0.0.1:9092).", show_default=False),
    ] = None,
    advertise: Annotated[
        str | None,
        typer.Option(metavar="HOST:PORT", help="Address that clients are told (default: where it listens)."),
    ] = None,
    data_dir: Annotated[
        str | None,
        typer.Option(
            metavar="DIR", help="Where the data is (default: $ODRADEK_DATA_DIR, else $XDG_DATA_HOME/odradek)."
        ),
    ] = None,
    node_id: Annotated[int | None, typer.Option(min=0, help="This broker's id in its cluster.")] = None,
    cluster: Annotated[str | None, typer.Option(metavar="NAME", help="Name of the cluster.")] = None,
    config: Annotated[str | None, typer.Option(metavar="FILE", help="Kafka's configuration keys in TOML.")] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="One configuration key; repeatable.")
    ] = None,
    metrics: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="Serve /metrics, /healthz and /readyz there.")
    ] = None,
    log_format: Annotated[str, typer.Option(metavar="text|json", help="How log lines are written.")] = "text",
    log_level: Annotated[str, typer.Option(metavar="LEVEL", help="DEBUG, INFO, WARNING or ERROR.")] = "INFO",
    as_json: AsJson = False,
) -> None:
    """Run a broker. Its data survives it; Ctrl-C or SIGTERM stops it cleanly."""
    options = StartOptions(
        listen=listen,
        advertise=advertise,
        data_dir=data_dir,
        node_id=node_id,
        cluster=cluster,
        config_file=config,
        overrides=parse_pairs(settings, "--set"),
        metrics=metrics,
        log_format=_one_of("--log-format", log_format, ("text", "json")),
        log_level=_one_of("--log-level", log_level.upper(), ("DEBUG", "INFO", "WARNING", "ERROR")),
    )
    json_wanted = as_json or bool(getattr(ctx.obj, "json", False))
    _require_supported_system()
    from odradek.broker.server import StartError, run

    try:
        code = run(options, _write_ready_json if json_wanted else _write_ready)
    except StartError as error:
        raise CommandError(str(error)) from error
    raise typer.Exit(code)


def _one_of(option: str, value: str, allowed: tuple[str, ...]) -> str:
    if value not in allowed:
        raise UsageError(f"{option} {value}: allowed are {', '.join(allowed)}")
    return value


def _require_supported_system() -> None:
    # Before the broker's modules: they import what Windows does not have.
    if sys.platform == "win32":
        raise CommandError("Windows is not supported: run it in WSL2")


def _write_ready(info: ReadyInfo) -> None:
    bold, plain = ("\033[1m", "\033[0m") if _colours() else ("", "")
    option = "" if info.advertise == "127.0.0.1:9092" else f" -b {info.advertise}"
    lines = [
        f"{bold}Odradek is ready{plain} on {bold}{info.listen}{plain}"
        + (f", clients are told {info.advertise}" if info.advertise != info.listen else ""),
        f"  data     {info.data_dir}",
        *([f"  metrics  http://{info.metrics}/metrics"] if info.metrics else []),
        f"  try      echo hello | odradek produce greetings{option}",
        f"           odradek consume greetings{option}",
        "  stop     Ctrl-C",
    ]
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()


def _write_ready_json(info: ReadyInfo) -> None:
    import dataclasses
    import json
    import os

    sys.stdout.write(json.dumps({**dataclasses.asdict(info), "pid": os.getpid()}) + "\n")
    sys.stdout.flush()


def _colours() -> bool:
    import os

    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
