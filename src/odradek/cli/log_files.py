"""Finds and reads the files of partitions, read-only and without the broker: it may run, and may have crashed."""

from __future__ import annotations

import mmap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from odradek.cli.errors import CommandError

SEGMENT_SUFFIX = ".log"


def partitions_in(paths: Sequence[Path]) -> list[Path]:
    """Partition directories: the given ones, and those inside of given data directories. Raises CommandError."""
    found: list[Path] = []
    for path in paths:
        if not path.is_dir():
            raise CommandError(f"{path} is not a directory: name a partition's or a data directory")
        inside = [path] if _has_segments(path) else _partitions_inside(path)
        if not inside:
            raise CommandError(f"{path} holds no segment files")
        found += inside
    return list(dict.fromkeys(found))


def _partitions_inside(path: Path) -> list[Path]:
    """Of the broker whose data directory it is, or of all workers that have theirs in it."""
    workers = [properties.parent for properties in path.glob("broker-*/meta.properties")]
    return sorted(child for each in (path, *workers) for child in each.iterdir() if _has_segments(child))


def segments_of(partition: Path) -> list[Path]:
    """The partition's `.log` files by rising base offset."""
    return sorted(path for path in partition.glob(f"*{SEGMENT_SUFFIX}") if path.stem.isdigit())


def read_if_there(path: Path) -> bytes | None:
    """A small file's content; None when it does not exist."""
    return path.read_bytes() if path.exists() else None


@contextmanager
def mapped(path: Path) -> Iterator[memoryview]:
    """A file's content without reading it into memory, as long as it was when opened."""
    with path.open("rb") as file:
        size = file.seek(0, 2)
        if not size:
            yield memoryview(b"")
            return
        with mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ) as content, memoryview(content) as view:
            yield view


def _has_segments(path: Path) -> bool:
    return path.is_dir() and any(child.suffix == SEGMENT_SUFFIX for child in path.iterdir())
