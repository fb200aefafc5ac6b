"""`odradek log`: look into segment files and check them. Read-only; a broker may be running on them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from odradek.cli.command import command, group
from odradek.cli.errors import CommandError
from odradek.cli.output import plural, write_json, write_line
from odradek.cli.session import Session

app = group("Look into segment files and check them, without a broker.")


@command(app)
def dump(
    session: Session,
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help=".log, .index, .timeindex or .snapshot")],
    records: Annotated[bool, typer.Option("--records", "-r", help="Also each record of a batch.")] = False,
) -> None:
    """Show what segment files hold, one line a batch or entry (with --json one object a line)."""
    for path in files:
        reader = _readers(records).get(path.suffix)
        if reader is None:
            raise CommandError(f"{path}: not a .log, .index, .timeindex or .snapshot file")
        for entry in reader(path):
            write_line(json.dumps(entry, ensure_ascii=False) if session.json else _as_text(entry))


def _readers(with_records: bool) -> dict[str, Callable[[Path], Iterator[dict[str, Any]]]]:
    from odradek.cli import log_dump

    return {
        ".log": lambda path: log_dump.batches_of(path, with_records=with_records),
        ".index": log_dump.offset_index_of,
        ".timeindex": log_dump.time_index_of,
        ".snapshot": log_dump.snapshot_of,
    }


def _as_text(entry: dict[str, Any]) -> str:
    indent = "  " if entry["type"] == "record" else ""
    return indent + " ".join(f"{name}={value}" for name, value in entry.items() if name != "type")


@command(app)
def verify(
    session: Session,
    directories: Annotated[list[Path], typer.Argument(metavar="DIR...", help="Of partitions, or of data.")],
    decode: Annotated[bool, typer.Option("--decode", help="Also decompress and decode every record.")] = False,
) -> None:
    """Check every batch, index and order of offsets; exit code 1 when something is wrong."""
    from odradek.cli.log_files import partitions_in
    from odradek.cli.log_verify import verify_partition

    reports = [verify_partition(partition, decode=decode) for partition in partitions_in(directories)]
    problems = sum(len(report.problems) for report in reports)
    if session.json:
        write_json({"partitions": [report.as_json() for report in reports], "problems": problems})
    else:
        for problem in (problem for report in reports for problem in report.problems):
            write_line(problem)
        batches, records = sum(report.batches for report in reports), sum(report.records for report in reports)
        checked = f"{plural(len(reports), 'partition')}, {batches:,} batches, {plural(records, 'record')}"
        write_line(f"{checked}: {'no problems' if not problems else plural(problems, 'problem')}")
    if problems:
        raise CommandError(f"{plural(problems, 'problem')} found")
