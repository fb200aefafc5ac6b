"""`odradek log`: look into segment files and check them, of a running broker too; repair those of a stopped one."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from odradek.cli.command import command, group
from odradek.cli.errors import CommandError
from odradek.cli.output import plural, write_json, write_line
from odradek.cli.session import Session

if TYPE_CHECKING:
    from odradek.cli.log_repair import RepairReport

app = group("Look into segment files, check and repair them, without a broker.")


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


@command(app)
def repair(
    session: Session,
    partitions: Annotated[
        list[str] | None, typer.Argument(metavar="[TOPIC-PARTITION]...", help="Of all partitions only these.")
    ] = None,
    data_dir: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Of a stopped broker (default: $ODRADEK_DATA_DIR, else as `odradek start`)."),
    ] = None,
    execute: Annotated[bool, typer.Option("--execute", help="Do it; without, only show what would be cut.")] = False,
) -> None:
    """Cut damaged partitions where they are still intact, so that they can be written again.

    What is cut is kept beside the segment, in files that end in .damaged-OFFSET.
    """
    from odradek.broker.settings import default_data_directory
    from odradek.cli.log_repair import repair_directory

    directory = data_dir or Path(default_data_directory())
    reports = []
    for report in repair_directory(directory, partitions or [], execute=execute):
        reports.append(report)
        if not session.json:
            _write_repair(report)
    if session.json:
        write_json({"executed": execute, "damaged": [report.as_json() for report in reports]})
    elif not reports:
        write_line(f"no damage in {directory}: nothing to repair")
    elif not execute:
        write_line(f"nothing was changed: --execute cuts {plural(len(reports), 'partition')}")


def _write_repair(report: RepairReport) -> None:
    write_line(f"{report.partition}: {report.file}, position {report.position}: {report.reason}")
    write_line(f"  intact below offset {report.intact_offset}")
    lost = f"offsets {report.intact_offset} to at least {report.lost_end_offset - 1}, {report.lost_bytes:,} bytes"
    if report.lost_end_offset <= report.intact_offset:
        lost = f"everything from offset {report.intact_offset} on, {report.lost_bytes:,} bytes"
    write_line(f"  lost: {lost}")
    for path in report.kept:
        write_line(f"  kept: {path}")
