"""What a resumed import must know: where it writes, what it reads, and how far it certainly came.

One JSON file for each import and topic, replaced as a whole; a lock beside it keeps a second process out.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from odradek.kappa.errors import KappaError

_VERSION = 1


@dataclass(frozen=True, slots=True)
class Position:
    """How far one partition came.

    Attributes:
        offset: Every record of this import with a seq above `seq` is at this offset or later.
        seq: The highest seq below `offset`; -1 for none.
    """

    offset: int
    seq: int


@dataclass(frozen=True, slots=True)
class ImportState:
    """One import into one topic."""

    import_id: str
    digest: str
    fingerprint: dict[str, Any]
    cluster_id: str
    topic: str
    topic_id: str
    epoch: int
    positions: tuple[Position, ...]
    is_finished: bool = False

    def check(self, digest: str, fingerprint: dict[str, Any], cluster_id: str, topic_id: str, partitions: int) -> None:
        """Raise KappaError unless what was begun can go on with what is found now."""
        anew = "; --restart begins the import anew, from the first row"
        if self.cluster_id != cluster_id:
            raise KappaError(f"import {self.import_id} began in cluster {self.cluster_id}, this is {cluster_id}{anew}")
        if self.topic_id != topic_id:
            raise KappaError(f"topic {self.topic} was deleted and made again since the import began{anew}")
        if self.digest != digest:
            raise KappaError(f"--id {self.import_id} began with other options; give those, or another --id{anew}")
        # As JSON: tuples and lists are the same there.
        if json.dumps(self.fingerprint, sort_keys=True) != json.dumps(fingerprint, sort_keys=True):
            raise KappaError(
                f"the source has changed since the import began ({_difference(self.fingerprint, fingerprint)}): "
                f"its rows cannot be told from those sent{anew}"
            )
        if len(self.positions) != partitions:
            raise KappaError(
                f"topic {self.topic} had {len(self.positions)} partitions when the import began and has {partitions}: "
                f"keys would change their partition{anew}"
            )

    def next_epoch(self, positions: tuple[Position, ...]) -> ImportState:
        """The state of a new run that goes on from there."""
        return replace(self, epoch=self.epoch + 1, positions=positions)


class StateFile:
    """Where one import's state is kept."""

    def __init__(self, directory: Path, import_id: str, topic: str) -> None:
        # An id is any text: its hash makes a file name.
        name = hashlib.sha256(f"{import_id}\0{topic}".encode()).hexdigest()[:24]
        self.path = directory / f"import-{name}.json"

    def load(self) -> ImportState | None:
        """The state stored last; None before the first."""
        try:
            stored = json.loads(self.path.read_text())
            if stored.pop("version") != _VERSION:
                raise ValueError
            stored["positions"] = tuple(Position(**position) for position in stored["positions"])
            return ImportState(**stored)
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError, AttributeError):
            raise KappaError(
                f"{self.path}: not the state of an import of this version; --restart replaces it"
            ) from None

    def store(self, state: ImportState) -> None:
        """Replace the state; durable when it returns."""
        fresh = self.path.with_suffix(".new")
        with fresh.open("w") as stream:
            json.dump({"version": _VERSION, **asdict(state)}, stream, indent=1)
            stream.flush()
            os.fsync(stream.fileno())
        fresh.replace(self.path)
        directory = os.open(self.path.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes from running the same import; raises KappaError when one does."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.with_suffix(".lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise KappaError("this import is running already, in another process") from None
            yield


def _difference(before: dict[str, Any], now: dict[str, Any]) -> str:
    changed = [name for name in before if before[name] != now.get(name)]
    if "files" in changed:
        return "a file's name, size or time of change"
    return ", ".join(changed) or "its kind"
