"""`python -m bench [--rows bulk,small] [--seconds 2] [--repeats 3] [--no-kafka] [--output docs]`

Prints the table; with --output also writes benchmarks.md, benchmarks.json and the plots there.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from peers import KAFKA_VERSION, PeerMissingError, kafka_command

from bench.cluster import cluster_heap_mb
from bench.contender import BenchRow, Options, clusters, contenders
from bench.ending import Interrupts, scratch_directory
from bench.machine import machine, versions
from bench.report import PLOTS, page, plotted, table
from bench.results import Results
from bench.rows import GROUPS
from bench.rows.tools import TOOL_ROWS
from bench.run import measure_all
from bench.svg import bars

FULL_DATA_GB = 6.8
ROOM_GB = 15.0
"""Beside the restarted data: what rows leave behind until brokers have deleted it."""


def main() -> int:
    arguments = _arguments()
    interrupts = Interrupts()
    interrupts.catch()
    options = Options(arguments.seconds, arguments.repeats, arguments.data_gb, _has_kafka(arguments))
    rows = _chosen(arguments.rows, options)
    with scratch_directory(arguments.scratch) as scratch:
        _require_room(scratch, rows, options.data_gb)
        results = Results(_about(arguments, options, scratch), GROUPS)
        single = contenders(scratch, has_kafka=options.has_kafka)
        replicated = clusters(scratch, has_kafka=options.has_kafka)
        measure_all(rows, single, replicated, options, results, interrupts)
    print(table(results))
    if arguments.output is not None:
        _write(results, Path(arguments.output))
    return 1 if results.failures else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench", description="Odradek, Apache Kafka and the physical limit."
    )
    parser.add_argument("--rows", metavar="NAME,...", help="only these; `--rows help` lists them")
    parser.add_argument("--seconds", type=float, default=2.0, help="of each measurement")
    parser.add_argument("--repeats", type=int, default=3, help="of each measurement, contenders in turn")
    parser.add_argument("--data-gb", type=float, default=0.68, help=f"restarted with; {FULL_DATA_GB} is the full size")
    parser.add_argument("--no-kafka", action="store_true", help="measure Odradek and the limit alone")
    parser.add_argument("--scratch", type=Path, help="where brokers keep data meanwhile (default: the system's)")
    parser.add_argument("--output", metavar="DIR", help="write benchmarks.md, benchmarks.json and plots there")
    return parser.parse_args()


def _has_kafka(arguments: argparse.Namespace) -> bool:
    """Whether it can be run here; its jars are fetched once."""
    if arguments.no_kafka:
        return False
    try:
        kafka_command("kafka.Kafka")
    except PeerMissingError as error:
        print(f"{error}: measuring Odradek and the physical limit without Apache Kafka", file=sys.stderr)
        return False
    return True


def _chosen(names: str | None, options: Options) -> list[BenchRow]:
    available = {row.name: row for rows in GROUPS.values() for row in rows}
    if names is not None and not set(names.split(",")) <= set(available):
        listing = "\n".join(f"  {row.name:<20} {row.title}" for row in available.values())
        sys.exit(f"rows are\n{listing}")
    rows = [row for row in available.values() if names is None or row.name in names.split(",")]
    return [row for row in rows if options.has_kafka or row not in TOOL_ROWS]


def _require_room(scratch: Path, rows: Sequence[BenchRow], data_gb: float) -> None:
    restarts = any(row.name == "restart" for row in rows)
    needed_gb = (ROOM_GB if len(rows) > 3 else 1) + data_gb * restarts
    free_gb = shutil.disk_usage(scratch).free / 1e9
    if free_gb < needed_gb:
        sys.exit(
            f"{needed_gb:.0f} GB are needed at {scratch} and {free_gb:.0f} GB are free: choose --scratch or --rows"
        )


def _about(arguments: argparse.Namespace, options: Options, scratch: Path) -> dict[str, object]:
    full = " FULL=1" if options.data_gb >= FULL_DATA_GB else ""
    return {
        "command": f"make bench{full}",
        "arguments": sys.argv[1:],
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "machine": machine(scratch),
        "versions": versions(KAFKA_VERSION if options.has_kafka else None),
        "seconds": arguments.seconds,
        "repeats": arguments.repeats,
        "data_gb": arguments.data_gb,
        "cluster_heap_mb": cluster_heap_mb(),
    }


def _write(results: Results, directory: Path) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "benchmarks.md").write_text(page(results))
    (directory / "benchmarks.json").write_text(json.dumps(results.as_json(), indent=1) + "\n")
    for name, (title, keys) in PLOTS.items():
        lines = plotted(results, keys)
        if lines:
            (directory / f"benchmarks-{name}.svg").write_text(bars(title, lines))


if __name__ == "__main__":
    sys.exit(main())
