"""`odradek start`: run a broker, or several, in the foreground until Ctrl-C or SIGTERM."""

from __future__ import annotations

from typing import Annotated

import typer

from odradek.broker.options import WORKERS_MAX, StartOptions
from odradek.cli.errors import UsageError
from odradek.cli.options import AsJson
from odradek.cli.pairs import parse_pairs
from odradek.cli.starting import LOG_FORMATS, LOG_LEVELS, run_broker

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
    workers: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            max=WORKERS_MAX,
            help="N brokers on this machine: ids and ports counted up, one metadata store.",
        ),
    ] = None,
    cluster: Annotated[str | None, typer.Option(metavar="NAME", help="Name of the cluster.")] = None,
    metadata: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Where the metadata is: sqlite (default), etcd://HOST:PORT,..., unix:/PATH."),
    ] = None,
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
    """Run a broker, or with --workers several. Their data survives them; Ctrl-C or SIGTERM stops them cleanly."""
    options = StartOptions(
        listen=listen,
        advertise=advertise,
        data_dir=data_dir,
        node_id=node_id,
        workers=workers,
        cluster=cluster,
        metadata=metadata,
        config_file=config,
        overrides=parse_pairs(settings, "--set"),
        metrics=metrics,
        log_format=_one_of("--log-format", log_format, LOG_FORMATS),
        log_level=_one_of("--log-level", log_level.upper(), LOG_LEVELS),
    )
    json_wanted = as_json or bool(getattr(ctx.obj, "json", False))
    raise typer.Exit(run_broker(options, as_json=json_wanted))


def _one_of(option: str, value: str, allowed: tuple[str, ...]) -> str:
    if value not in allowed:
        raise UsageError(f"{option} {value}: allowed are {', '.join(allowed)}")
    return value
