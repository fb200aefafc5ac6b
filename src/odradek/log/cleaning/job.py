"""What a cleaning is asked to do and what it answers: plain values, as JSON lines between broker and helper."""

from typing import Literal

import msgspec


class SourceSegment(msgspec.Struct, frozen=True):
    """A closed segment to read. `end_offset` is where the next one begins."""

    base_offset: int
    end_offset: int
    size: int
    offset_index_bytes: int
    time_index_bytes: int


class LastBatch(msgspec.Struct, frozen=True):
    """What the log must keep of an active producer: the batch with its last sequence, or (-1) its epoch's marker."""

    producer_id: int
    producer_epoch: int
    last_offset: int


class Job(msgspec.Struct, frozen=True):
    """Compact `segments`: all of the log below `upper_offset`, whose records from `first_dirty_offset` on are new."""

    id: str
    directory: str
    segments: tuple[SourceSegment, ...]
    first_dirty_offset: int
    upper_offset: int
    now_ms: int
    delete_retention_ms: int
    segment_bytes: int
    index_bytes: int
    index_interval_bytes: int
    producers: tuple[LastBatch, ...] = ()
    transaction_indexes: tuple[int, ...] = ()
    """Base offsets of the log's segments that have a transaction index, those above the range too."""
    map_bytes: int = 128 << 20
    map_load_factor: float = 0.9
    buffer_bytes: int = 256 << 10
    """Of one read; a larger batch gets a larger one."""
    bytes_per_second: float = float(2**63)
    """Read and written together."""


class Replaced(msgspec.Struct, frozen=True, tag="replaced"):
    """`sources` (base offsets) have become one segment, complete and synced under the names of `swap.cleaned_path`."""

    sources: tuple[int, ...]
    size: int
    max_timestamp_ms: int
    max_timestamp_offset: int


class Finished(msgspec.Struct, frozen=True, tag="finished"):
    """The whole job is done: below `end_offset` the log is clean."""

    end_offset: int
    records_read: int
    records_kept: int
    records_without_key: int
    bytes_read: int
    bytes_written: int
    map_utilization: float


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """`full`: no room for the output. `disk`: an I/O error. `records`: what the segments hold cannot be compacted.

    `died`: the helper ended without a word. `aborted`: it was told to end.
    """

    kind: Literal["full", "disk", "records", "died", "aborted"]
    message: str


Outcome = Replaced | Finished | Failed
