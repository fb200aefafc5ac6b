"""Measures rows: contenders in turn, as often as asked, whatever fails being told and left out."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from confluent_kafka import KafkaException
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from bench.contender import BenchRow, Contender, Options
from bench.ending import Interrupts
from bench.results import Results
from odradek.benchmark.errors import BenchError


class Step(NamedTuple):
    """One measurement."""

    row: BenchRow
    contender: Contender


def measure_all(
    rows: Sequence[BenchRow], single: Sequence[Contender], clusters: Sequence[Contender], options: Options,
    results: Results, interrupts: Interrupts, prepare: Callable[[], None],
) -> None:  # fmt: skip
    """Rows that share brokers first; those end before the rows that start their own. Then the same with clusters.

    `prepare` is called before each measurement.
    """
    phases = list(_phases(rows, single, clusters, options))
    columns = (TextColumn("{task.description:<34}"), BarColumn(), TextColumn("{task.completed}/{task.total}"))
    console = Console(stderr=True)
    with Progress(*columns, TimeElapsedColumn(), console=console, disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task("", total=sum(map(len, phases)))
        for steps in phases:
            for step in steps:
                progress.update(task, description=f"{step.row.name}: {step.contender.name}")
                _measure(step, options, results, console, interrupts, prepare)
                progress.advance(task)
            for contender in (*single, *clusters):
                contender.close()


def _phases(
    rows: Sequence[BenchRow], single: Sequence[Contender], clusters: Sequence[Contender], options: Options
) -> Iterator[list[Step]]:
    for contenders, is_replicated in ((single, False), (clusters, True)):
        for is_shared in (True, False):
            kind = (is_shared, is_replicated)
            chosen = [row for row in rows if (row.is_shared, row.is_replicated) == kind]
            yield list(_steps(chosen, contenders, options))


def _steps(rows: Sequence[BenchRow], contenders: Sequence[Contender], options: Options) -> Iterator[Step]:
    for row in rows:
        for _ in range(row.repeats or options.repeats):
            yield from (Step(row, contender) for contender in contenders if contender.name in row.contenders)


def _measure(
    step: Step, options: Options, results: Results, console: Console, interrupts: Interrupts,
    prepare: Callable[[], None],
) -> None:  # fmt: skip
    row, contender = step
    prepare()
    begin = time.perf_counter()
    try:
        measured = row.measure(contender, options)
    except (BenchError, OSError, KafkaException) as error:
        interrupts.raise_again()
        results.failures.append((row.name, contender.name, str(error)))
        console.print(f"{row.name}: {contender.name}: {error}", style="red")
        return
    results.add(row, contender.name, measured)
    values = ", ".join(f"{metric.key} {measured[metric.key]:.4g}" for metric in row.metrics if metric.key in measured)
    took_s = time.perf_counter() - begin
    console.print(f"{row.name:<20} {contender.name:<8} {values}  ({took_s:.1f} s)", highlight=False)
