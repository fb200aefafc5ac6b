"""From a log to the plain values that `cleanable` decides by and a job consists of."""

from typing import TYPE_CHECKING

from odradek.config.values import LONG_MAX
from odradek.log import offset_index, time_index
from odradek.log.batch_walk import BatchWalk
from odradek.log.cleaning.cleanable import Cleanable, LogFacts, SegmentFacts, first_dirty_offset
from odradek.log.cleaning.job import Job, LastBatch, SourceSegment
from odradek.log.paths import TRANSACTION_INDEX_SUFFIX, path_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from odradek.host.files import FileSystem
    from odradek.log.cleaning.settings import CleanerSettings
    from odradek.log.log import Log
    from odradek.log.segment import Segment

BUFFER_BYTES_MIN = 4096


def facts_of(log: "Log", stable_offset: int) -> LogFacts:
    """Of a log whose records below `stable_offset` are committed. Reads only what the topic's lags ask for.

    Raises OSError, LogError, MalformedBatchError.
    """
    first_dirty = first_dirty_offset(log.log_start_offset, log.log_end_offset, log.cleaned_offset)
    return LogFacts(
        tuple(_segments(log, first_dirty)),
        log.log_start_offset,
        log.log_end_offset,
        min(stable_offset, log.recovery_point, log.durable_base_offset),
        log.cleaned_offset,
        log.config.min_compaction_lag_ms,
        log.config.max_compaction_lag_ms,
    )


def _segments(log: "Log", first_dirty: int) -> "Iterator[SegmentFacts]":
    wants_largest, wants_first = log.config.min_compaction_lag_ms > 0, log.config.max_compaction_lag_ms < LONG_MAX
    ends = [*(each.base_offset for each in log.segments[1:]), log.log_end_offset]
    for segment, end_offset in zip(log.segments, ends, strict=True):
        if end_offset <= first_dirty or segment is log.active:
            yield SegmentFacts(segment.base_offset, segment.size)
            continue
        largest_ms = segment.largest_timestamp_ms() if wants_largest else -1
        yield SegmentFacts(segment.base_offset, segment.size, largest_ms, _first_ms(segment) if wants_first else -1)


def _first_ms(segment: "Segment") -> int:
    if segment.first_timestamp_ms < 0 and segment.size:
        walk = BatchWalk(segment.storage.files, segment.open_log().fd, segment.size, wait=True)
        segment.first_timestamp_ms = next(walk.batches(0)).header.max_timestamp
    return segment.first_timestamp_ms


def job_of(log: "Log", cleanable: Cleanable, settings: "CleanerSettings", job_id: str, now_ms: int) -> Job:
    """What a helper needs to know to compact this part of the log. Raises OSError, LogError."""
    config, files = log.config, log.storage.files
    ends = [each.base_offset for each in log.segments[1:]]
    closed = zip(log.segments, ends, strict=False)
    indexes = (path_of(log.directory, each.base_offset, TRANSACTION_INDEX_SUFFIX) for each in log.segments)
    return Job(
        id=job_id,
        directory=log.directory,
        segments=tuple(_source(files, each, end) for each, end in closed if end <= cleanable.upper_offset),
        first_dirty_offset=cleanable.first_dirty_offset,
        upper_offset=cleanable.upper_offset,
        now_ms=now_ms,
        delete_retention_ms=config.delete_retention_ms,
        segment_bytes=config.segment_bytes,
        index_bytes=config.segment_index_bytes,
        index_interval_bytes=config.index_interval_bytes,
        producers=tuple(
            LastBatch(each.producer_id, each.producer_epoch, each.batches[-1].last_offset if each.batches else -1)
            for each in log.active_producers()
        ),
        transaction_indexes=tuple(
            each.base_offset for each, path in zip(log.segments, indexes, strict=True) if files.exists(path)
        ),
        map_bytes=settings.dedupe_buffer_size // settings.threads,
        map_load_factor=settings.io_buffer_load_factor,
        buffer_bytes=max(settings.io_buffer_size // settings.threads // 2, BUFFER_BYTES_MIN),
        bytes_per_second=settings.io_max_bytes_per_second / settings.threads,
    )


def _source(files: "FileSystem", segment: "Segment", end_offset: int) -> SourceSegment:
    return SourceSegment(
        segment.base_offset,
        end_offset,
        segment.size,
        _size(files, segment.offset_index_path, offset_index.ENTRY_SIZE),
        _size(files, segment.time_index_path, time_index.ENTRY_SIZE),
    )


def _size(files: "FileSystem", path: str, entry_size: int) -> int:
    try:
        return files.stat(path).size // entry_size * entry_size
    except FileNotFoundError:
        return 0
