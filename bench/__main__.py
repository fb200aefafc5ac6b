"""`python -m bench [--rows bulk,small] [--seconds 2] [--repeats 3] [--no-kafka] [--output docs]`

Prints the table; with --output also writes benchmarks.md, benchmarks.json and the plots there.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import shutil
import sys
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from peers import KAFKA_VERSION, PeerMissingError, kafka_command

from bench.cluster import cluster_heap_mb
from bench.contender import BenchRow, Options, clusters, contenders
from bench.ending import Interrupts, scratch_directory
from bench.machine import machine, versions
from bench.memory import PageCache
from bench.report import PLOTS, page, plotted, table
from bench.results import Results
from bench.rows import GROUPS
from bench.rows.tools import TOOL_ROWS
from bench.run import measure_all
from bench.svg import bars

FULL_DATA_GB = 6.8
PAGE = "benchmarks.md"
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
        with closing(PageCache(scratch)) as page_cache:
            prepare = os.sync if arguments.memory_as_is else page_cache.settle
            measure_all(rows, single, replicated, options, results, interrupts, prepare)
    print(table(results))
    if arguments.output is not None:
        _write_unless_partial(results, Path(arguments.output), is_partial=arguments.rows is not None)
    return 1 if results.failures else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench", description="Odradek, Apache Kafka and the physical limit."
    )
    parser.add_argument("--rows", metavar="NAME,...", help="only these; `--rows help` lists them")
    parser.add_argument("--seconds", type=_positive, default=2.0, help="of each measurement")
    parser.add_argument("--repeats", type=_count, default=3, help="of each measurement, contenders in turn")
    parser.add_argument(
        "--data-gb", type=_positive, default=0.68, help=f"restarted with; {FULL_DATA_GB} is the full size"
    )
    parser.add_argument("--no-kafka", action="store_true", help="measure Odradek and the limit alone")
    parser.add_argument("--memory-as-is", action="store_true", help="do not fill the page cache before measurements")
    parser.add_argument("--scratch", type=_directory, help="where brokers keep data meanwhile (default: the system's)")
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
    return {
        "command": command(sys.argv[1:], is_full=options.data_gb >= FULL_DATA_GB),
        "arguments": sys.argv[1:],
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "machine": machine(scratch),
        "versions": versions(KAFKA_VERSION if options.has_kafka else None),
        "seconds": arguments.seconds,
        "repeats": arguments.repeats,
        "data_gb": arguments.data_gb,
        "cluster_heap_mb": cluster_heap_mb(),
    }


def command(arguments: Sequence[str], *, is_full: bool) -> str:
    """What repeats the run, from the arguments of this one."""
    rest = list(arguments)
    for named in ("--output", "--data-gb"):  # The Makefile's own.
        if named in rest:
            del rest[rest.index(named) : rest.index(named) + 2]
    options = f" BENCH_OPTIONS='{shlex.join(rest)}'" if rest else ""
    return f"make bench{' FULL=1' if is_full else ''}{options}"


def _positive(text: str) -> float:
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text}: must be more than 0")
    return value


def _count(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text}: must be at least 1")
    return value


def _directory(text: str) -> Path:
    path = Path(text)
    if not path.is_dir():
        raise argparse.ArgumentTypeError(f"{text} is no directory")
    return path


def _write_unless_partial(results: Results, directory: Path, *, is_partial: bool) -> None:
    """Some rows never take the place of all."""
    if is_partial and (directory / PAGE).exists():
        print(f"{directory / PAGE} stays as it is: with --rows it would lose the others", file=sys.stderr)
    else:
        _write(results, directory)


def _write(results: Results, directory: Path) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    (directory / PAGE).write_text(page(results))
    (directory / "benchmarks.json").write_text(json.dumps(results.as_json(), indent=1) + "\n")
    for name, (title, keys) in PLOTS.items():
        lines = plotted(results, keys)
        if lines:
            (directory / f"benchmarks-{name}.svg").write_text(bars(title, lines))


if __name__ == "__main__":
    sys.exit(main())
