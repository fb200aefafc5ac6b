"""What an import is asked to do, and the identity that follows from it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path


class ValueFormat(StrEnum):
    """What a record's value is."""

    JSON = "json"
    CSV = "csv"
    RAW = "raw"


class KeyFormat(StrEnum):
    """What a record's key is."""

    STRING = "string"
    JSON = "json"


class NullEventTime(StrEnum):
    """What becomes of rows without event time."""

    REFUSE = "refuse"
    FIRST = "first"
    SKIP = "skip"


class EventTimeUnit(StrEnum):
    """What a whole number in the event time column counts since 1970."""

    SECONDS = "s"
    MILLISECONDS = "ms"
    MICROSECONDS = "us"


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """Everything that decides which records come out, in which order and partition."""

    sources: tuple[str, ...]
    topic: str
    sql: str | None = None
    key: tuple[str, ...] = ()
    key_format: KeyFormat = KeyFormat.STRING
    event_time: str | None = None
    event_time_unit: EventTimeUnit | None = None
    null_event_time: NullEventTime = NullEventTime.REFUSE
    form: ValueFormat = ValueFormat.JSON
    value: str | None = None
    null_texts: tuple[str, ...] = ("",)
    name: str | None = None

    @property
    def import_id(self) -> str:
        """The `odr-view` header: the name given, or a hash of all that decides the records."""
        return self.name or f"import-{self.digest[:16]}"

    @property
    def digest(self) -> str:
        """SHA-256, hexadecimal, of all options; paths absolute, so that the working directory does not matter."""
        known = asdict(self) | {"sources": [_absolute(source) for source in self.sources]}
        del known["name"]
        return hashlib.sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Limits:
    """What an import may use, and how long it waits.

    Attributes:
        memory_mb: For sorting; what does not fit is sorted on disk.
        scratch: Where the temporary directory is made; None is the system's.
        wait_s: How long brokers may be away before the import gives up.
        settle_s: How long an interrupted import's log must stay as it is before it is resumed.
        speed: Event time that passes in a second of real time, in seconds; None is full speed.
    """

    memory_mb: int = 400
    threads: int = 2
    scratch: str | None = None
    wait_s: float = 120.0
    settle_s: float = 1.0
    speed: float | None = None


def _absolute(source: str) -> str:
    return source if ":" in source else str(Path(source).absolute())
