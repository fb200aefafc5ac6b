"""Checks a partition's directory: each segment by itself, then what must hold between them."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from odradek.cli.log_files import mapped, read_if_there, segments_of
from odradek.cli.segment_check import check_segment
from odradek.log import epoch_cache, producer_snapshot
from odradek.log.errors import CorruptFileError


@dataclass(slots=True)
class PartitionReport:
    """What was found in one partition's directory; each problem begins with the file it is in."""

    partition: str
    segments: int = 0
    batches: int = 0
    records: int = 0
    problems: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """The report as `odradek log verify --json` shows it."""
        return asdict(self)


def verify_partition(directory: Path, *, decode: bool) -> PartitionReport:
    """Check one partition.

    Args:
        decode: Also decompress and decode every record.
    """
    report = PartitionReport(directory.name)
    next_offset = 0
    segments = segments_of(directory)
    for path in segments:
        base_offset = int(path.stem)
        if base_offset < next_offset:
            report.problems.append(f"{path}: begins below offset {next_offset}, where the segment before it ends")
        with mapped(path) as log:
            indexes = read_if_there(path.with_suffix(".index")), read_if_there(path.with_suffix(".timeindex"))
            found = check_segment(base_offset, log, *indexes, is_closed=path != segments[-1], decode=decode)
        report.segments += 1
        report.batches += found.batches
        report.records += found.records
        report.problems += [f"{path}: {problem}" for problem in found.problems]
        next_offset = found.next_offset
    report.problems += _side_file_problems(directory)
    return report


def _side_file_problems(directory: Path) -> list[str]:
    checks = [(path, producer_snapshot.decode) for path in sorted(directory.glob("*.snapshot"))]
    problems = []
    for path, decode in [*checks, (directory / "leader-epoch-checkpoint", epoch_cache.decode)]:
        content = read_if_there(path)
        try:
            if content is not None:
                decode(content)
        except CorruptFileError as error:
            problems.append(f"{path}: {error}")
    return problems
