"""`odradek bench`: how fast Kafka-compatible brokers are, by requests that cost the client next to nothing."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from odradek.cli.command import command
from odradek.cli.errors import CommandError, UsageError
from odradek.cli.output import write_json, write_table
from odradek.cli.session import Session, split_address

if TYPE_CHECKING:
    from odradek.benchmark.row import Measured, Row
    from odradek.benchmark.target import Target

app = typer.Typer(add_completion=False)

CONNECT_TIMEOUT_S = 3.0
SECONDS_MAX = 86_400


class Acks(StrEnum):
    """Whose word a producer waits for."""

    LEADER = "1"
    ALL = "all"


@command(app)
def bench(
    session: Session,
    rows: Annotated[
        str | None, typer.Option("--rows", "-r", metavar="NAME,...", help="Only these; --list names them.")
    ] = None,
    seconds: Annotated[float, typer.Option("--seconds", "-s", min=0.05, max=SECONDS_MAX, help="Of each row.")] = 3.0,
    replication_factor: Annotated[
        int | None,
        typer.Option("--replication-factor", min=1, max=32767, help="Copies of each partition; the broker's default."),
    ] = None,
    acks: Annotated[
        Acks, typer.Option("--acks", help="Wait for the leader (1) or for all in-sync replicas (all).")
    ] = Acks.LEADER,
    pid: Annotated[
        list[int] | None,
        typer.Option("--pid", min=1, help="A broker's process, if it runs here: adds CPU and memory. Repeatable."),
    ] = None,
    list_rows: Annotated[bool, typer.Option("--list", help="Name the rows and measure nothing.")] = False,
) -> None:
    """Measure a broker or a cluster: throughput, latency, and with --pid what its processes use.

    Rows create topics named odradek-bench-... and delete them. Plaintext listeners only.
    """
    chosen = _chosen(rows)
    if list_rows:
        _list(chosen, session.json)
        return
    target = _target(session, pid or [], replication_factor, acks)
    measured = [(row, _measure(row, target, seconds)) for row in chosen]
    if session.json:
        write_json(_report(session.bootstrap, measured, target))
    else:
        _write(measured, target)


def _chosen(names: str | None) -> Sequence[Row]:
    from odradek.benchmark.rows import ROWS

    if names is None:
        return ROWS
    available = {row.name: row for row in ROWS}
    wanted = [name.strip() for name in names.split(",")]
    for name in wanted:
        if name not in available:
            raise UsageError(f"no row {name!r}: there are {', '.join(available)}")
    return [available[name] for name in wanted]


def _list(rows: Sequence[Row], as_json: bool) -> None:
    if as_json:
        write_json({"rows": [{"row": row.name, "title": row.title} for row in rows]})
    else:
        write_table(["ROW", "WHAT"], [[row.name, row.title] for row in rows])


def _target(session: Session, pids: Sequence[int], replication_factor: int | None, acks: Acks) -> Target:
    from odradek.benchmark.target import Target

    session.require_broker()
    for pid in pids:
        if not Path(f"/proc/{pid}/stat").exists():
            raise UsageError(f"--pid {pid}: no such process here")
    return Target(
        _reachable(session.bootstrap), *pids,
        replication_factor=replication_factor or -1, acks=-1 if acks is Acks.ALL else 1,
    )  # fmt: skip


def _reachable(bootstrap: str) -> tuple[str, int]:
    """The first address at which something listens."""
    from odradek.benchmark.connection import Connection

    for address in bootstrap.split(","):
        found = split_address(address.strip())
        with contextlib.suppress(OSError):
            Connection(found, CONNECT_TIMEOUT_S).close()
            return found
    raise CommandError(f"no broker at {bootstrap}")


def _measure(row: Row, target: Target, seconds: float) -> Measured:
    from odradek.benchmark.errors import BenchError

    if sys.stderr.isatty():
        sys.stderr.write(f"\r\033[K{row.name}: {row.title}\r")
        sys.stderr.flush()
    try:
        return row.measure(target, seconds)
    except BenchError as error:
        raise CommandError(f"{row.name}: {error}") from error
    except OSError as error:
        host, port = target.address
        reason = "it did not answer in time" if isinstance(error, TimeoutError) else error.strerror or error
        raise CommandError(f"{row.name}: {host}:{port}: {reason}") from error
    finally:
        if sys.stderr.isatty():
            sys.stderr.write("\033[K")


def _report(bootstrap: str, measured: list[tuple[Row, Measured]], target: Target) -> dict[str, Any]:
    return {
        "bootstrap": bootstrap,
        "rows": [
            {
                "row": row.name,
                "title": row.title,
                "metrics": [
                    {"metric": metric.key, "unit": metric.unit, "value": found[metric.key]}
                    for metric in row.metrics
                    if metric.key in found
                ],
            }
            for row, found in measured
        ],
        "resident_mb": target.resident_mb(),
    }


def _write(measured: list[tuple[Row, Measured]], target: Target) -> None:
    from odradek.benchmark.row import shown

    lines = [
        [row.name, row.title, shown(found[metric.key]), metric.unit]
        for row, found in measured
        for metric in row.metrics
        if metric.key in found
    ]
    resident_mb = target.resident_mb()
    if resident_mb is not None:
        lines.append(["", "resident memory afterwards", shown(resident_mb), "MB"])
    write_table(["ROW", "WHAT", "VALUE", "UNIT"], lines)
