"""`odradek cluster survey` and `recover`: the metadata made anew from what the brokers have."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from odradek.broker.options import StartOptions
from odradek.cli import progress
from odradek.cli.command import command
from odradek.cli.errors import CommandError
from odradek.cli.output import plural, write_json, write_line, write_table
from odradek.cli.pairs import parse_pairs
from odradek.cli.session import Session

if TYPE_CHECKING:
    from odradek.recovery.plan import PartitionPlan, RecoveryPlan

HEADERS = ("PARTITION", "LEADER", "EPOCH", "OFFSETS", "REPLICAS")
ROWS_MAX = 40

ConfigFile = Annotated[str | None, typer.Option("--config", metavar="FILE", help="The broker's configuration file.")]
Settings = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="One configuration key; repeatable.")
]


def register(app: typer.Typer) -> None:
    """Add both to `odradek cluster`."""
    command(app)(survey)
    command(app)(recover)


def survey(
    session: Session,
    data_dir: Annotated[str | None, typer.Option(metavar="DIR", help="As for `odradek start`.")] = None,
    config: ConfigFile = None,
    settings: Settings = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", metavar="FILE", help="Write the report there.")] = None,
) -> None:
    """Report what the log directories of this machine's stopped broker hold, for `odradek cluster recover`."""
    from odradek.config import ConfigError
    from odradek.recovery.run import survey_directories
    from odradek.recovery.survey import SurveyError

    options = StartOptions(data_dir=data_dir, config_file=config, overrides=parse_pairs(settings or [], "--set"))
    try:
        report = survey_directories(options)
        if out is not None:
            out.write_bytes(report.encode() + b"\n")
    except (SurveyError, ConfigError) as error:
        raise CommandError(str(error)) from error
    except OSError as error:
        raise CommandError(f"cannot write {out}: {error.strerror}") from error
    if out is None:
        write_line(report.encode().decode())
    elif session.json:
        write_json({"broker": report.broker_id, "partitions": len(report.partitions), "file": str(out)})
    else:
        write_line(f"broker {report.broker_id} has {plural(len(report.partitions), 'partition')}: {out}")


def recover(
    session: Session,
    reports: Annotated[
        list[Path], typer.Argument(metavar="REPORT...", help="What `odradek cluster survey` made, one for each broker.")
    ],
    metadata: Annotated[
        str | None, typer.Option(metavar="URL", help="Where the metadata is: etcd://HOST:PORT,...")
    ] = None,
    cluster: Annotated[str | None, typer.Option(metavar="NAME", help="Name of the cluster.")] = None,
    config: ConfigFile = None,
    settings: Settings = None,
    without: Annotated[
        list[int] | None, typer.Option(metavar="ID", min=0, help="Do without this broker's report; repeatable.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do it; otherwise only show what would be done.")] = False,
) -> None:
    """Make the metadata anew from what all brokers have, after an older backup of it had to be put back."""
    from odradek.config import ConfigError
    from odradek.recovery import run
    from odradek.recovery.report import ReportError

    options = StartOptions(
        cluster=cluster, metadata=metadata, config_file=config, overrides=parse_pairs(settings or [], "--set")
    )
    try:
        found = run.read_reports(reports)
        plan = run.recover(options, found, without or (), is_for_real=yes, progress=_draw)
    except (run.RecoveryError, ReportError, ConfigError) as error:
        raise CommandError(str(error)) from error
    finally:
        progress.draw("")
    if session.json:
        write_json(as_json(plan, is_done=yes))
        return
    for line in lines_of(plan):
        write_line(line)
    write_table(HEADERS, [row_of(each) for each in plan.partitions[:ROWS_MAX]], empty="there are no partitions")
    if len(plan.partitions) > ROWS_MAX:
        write_line(f"... and {len(plan.partitions) - ROWS_MAX:,} more: --json has all")
    write_line("done: start the brokers" if yes else "nothing was changed: --yes does it")


def _draw(done: int, total: int) -> None:
    progress.draw(f"{done:,} of {total:,} partitions written")


def lines_of(plan: RecoveryPlan) -> list[str]:
    """What the recovery says before its table."""
    leaders = Counter(each.best for each in plan.partitions if each.best >= 0)
    told = [f"broker {broker} leads {plural(count, 'partition')}" for broker, count in sorted(leaders.items())]
    if plan.empty:
        told.append(f"{plural(len(plan.empty), 'partition')} will be empty: no broker has a log of them")
    return [*told, *plan.notes]


def row_of(plan: PartitionPlan) -> tuple[str, ...]:
    """One of the table."""
    found, record = plan.report, plan.record
    offsets = "none" if found is None else f"{found.log_start_offset} to {found.log_end_offset}"
    leader = str(plan.best) if plan.best >= 0 else "-"
    return f"{plan.topic}-{plan.index}", leader, str(record.leader_epoch), offsets, ",".join(map(str, record.replicas))


def as_json(plan: RecoveryPlan, *, is_done: bool) -> dict[str, Any]:
    """The whole plan."""
    return {
        "done": is_done,
        "partitions": [
            {
                "topic": each.topic,
                "partition": each.index,
                "leader": each.best,
                "leader_epoch": each.record.leader_epoch,
                "log_start_offset": None if each.report is None else each.report.log_start_offset,
                "log_end_offset": None if each.report is None else each.report.log_end_offset,
                "replicas": list(each.record.replicas),
            }
            for each in plan.partitions
        ],
        "topics_made": sorted(plan.made.values()),
        "notes": list(plan.notes),
    }
