"""Removing the end of a log (truncation), its beginning (log start offset), or all of it.

Segments go from the end backwards, so that a crash in between leaves a log without holes.
"""

import contextlib
from typing import TYPE_CHECKING

from odradek.log import reading
from odradek.log.errors import DirectoryFailedError, DiskFullError, OffsetOutOfRangeError, disk_error
from odradek.log.log_state import new_segment
from odradek.log.paths import (
    DELETED_SUFFIX,
    LEADER_EPOCH_FILE,
    LOG_SUFFIX,
    SEGMENT_SUFFIXES,
    SNAPSHOT_SUFFIX,
    base_offsets,
    path_of,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from odradek.log.log_state import LogState
    from odradek.log.segment import Segment


def truncate_to(log: "LogState", offset: int, later: list[str] | None = None) -> int:
    """As `Log.truncate_to`. Durable with the next flush; after a crash before it, flush before anything is appended."""
    if offset >= log.log_end_offset:
        log.epochs.truncate_from_end(log.log_end_offset)
        return log.log_end_offset
    complete_swap(log)
    try:
        dropped = [each for each in log.segments[1:] if each.base_offset >= offset]
        drop_segments(log, dropped, later)
        if dropped and later is None:  # They must not come back behind what is appended from now on.
            log.storage.files.sync_directory(log.directory)
        segment = log.active
        position, _ = reading.find_cold(log.storage.files, reading.search_task(segment), offset)
        segment.truncate(position, offset)
        end_offset = reading.end_offset_of(segment)
    except OSError as error:
        raise DirectoryFailedError(f"truncating {log.directory}: {error}") from error
    _move_end(log, end_offset)
    return log.log_end_offset


def lower_recovery_point(log: "LogState", offset: int) -> None:
    """As `Log.lower_recovery_point`."""
    if offset >= log.recovery_point:
        return
    first = min(log.segments[0].base_offset, offset)  # Below its beginning: it is to begin anew there.
    snapshots = [each for each in log.snapshot_offsets if each <= offset]
    if log.snapshot_offsets or log.has_producers or not log.snapshot_is_current:
        offset = snapshots[-1] if snapshots else 0
    log.recovery_point = max(offset, first)


def truncate_fully_and_start_at(log: "LogState", offset: int, now_ms: int, later: list[str] | None = None) -> None:
    """As `Log.truncate_fully_and_start_at`."""
    complete_swap(log)
    durable_offset = min(log.flushed_offset, offset)
    try:
        with contextlib.suppress(FileNotFoundError):
            log.storage.files.unlink(f"{log.directory}/{LEADER_EPOCH_FILE}")
        drop_segments(log, list(log.segments), later)
        log.active = new_segment(log.storage, log.directory, offset, log.config, now_ms)
        log.segments.append(log.active)
        if later is None:
            log.storage.files.sync_directory(log.directory)  # the recovery point moves to where the new segment begins
            durable_offset = offset
    except OSError as error:
        raise DirectoryFailedError(f"truncating {log.directory}: {error}") from error
    log.log_start_offset = log.log_end_offset = offset
    log.epochs.clear()
    forget_snapshots_above(log, -1)
    _move_end(log, offset)
    log.flushed_offset = durable_offset
    log.recovery_point = offset if later is None else min(log.recovery_point, durable_offset)


def complete_swap(log: "LogState") -> None:
    """Before the segments change: one that takes others' place has it. Raises DirectoryFailedError."""
    if log.swap is None:
        return
    try:
        log.swap.complete_now()
    except OSError as error:
        raise DirectoryFailedError(f"swapping segments of {log.directory}: {error}") from error


def repair(log: "LogState") -> None:
    """As `Log.repair`."""
    damage = log.damage
    if damage is None:
        return
    files, segment = log.storage.files, log.active
    try:
        later = [each for each in base_offsets(files.listdir(log.directory), LOG_SUFFIX) if each > segment.base_offset]
        for base_offset in reversed(later):
            for suffix in SEGMENT_SUFFIXES:
                with contextlib.suppress(FileNotFoundError):
                    files.unlink(path_of(log.directory, base_offset, suffix))
        segment.truncate(damage.position, damage.intact_offset)
        _move_end(log, damage.intact_offset)
    except OSError as error:
        raise DirectoryFailedError(f"repairing {log.directory}: {error}") from error
    log.damage = None


def advance_log_start(log: "LogState", offset: int) -> bool:
    """As `Log.advance_log_start`."""
    if offset > log.log_end_offset:
        raise OffsetOutOfRangeError(offset, log.log_start_offset, log.log_end_offset)
    if offset <= log.log_start_offset:
        return False
    log.log_start_offset = offset
    log.epochs.truncate_from_start(offset)
    return True


def set_aside(log: "LogState", segments: "Sequence[Segment]") -> list[str]:
    """Take away segments at the beginning, with the snapshots there. As `_rename`."""
    renamed = _rename(log, segments, (*reversed(SEGMENT_SUFFIXES), SNAPSHOT_SUFFIX))
    dropped = {segment.base_offset: None for segment in segments}
    log.snapshot_offsets = tuple(offset for offset in log.snapshot_offsets if offset not in dropped)
    return renamed


def _rename(log: "LogState", segments: "Sequence[Segment]", suffixes: "Sequence[str]") -> list[str]:
    """Rename the segments' files so that no later opening takes them for data; the new paths. Raises OSError."""
    files, renamed = log.storage.files, []
    for segment in segments:
        for suffix in suffixes:
            path = path_of(log.directory, segment.base_offset, suffix)
            log.forget_file(path)
            with contextlib.suppress(FileNotFoundError):
                try:
                    files.rename(path, path + DELETED_SUFFIX)
                except OSError as error:
                    if not isinstance(disk_error(error, path), DiskFullError):
                        raise
                    files.unlink(path)  # There is no room for the longer name.
                    continue
                renamed.append(path + DELETED_SUFFIX)
        segment.handle = None
    log.directory_dirty = True
    log.generation += 1
    log.reads = None
    return renamed


def drop_segments(log: "LogState", segments: "Sequence[Segment]", later: list[str] | None = None) -> None:
    """Remove them, last first; at least one other must be left or added. Raises OSError.

    Snapshots stay: that at the new end may be the one the recovery point rests on. Paths in `later` are renamed only.
    """
    for segment in reversed(segments):
        renamed = _rename(log, [segment], SEGMENT_SUFFIXES[::-1])
        if later is not None:
            later += renamed
        else:
            for path in renamed:
                log.storage.files.unlink(path)
        log.segments.remove(segment)
        log.size_bytes -= segment.size
    if log.segments:
        log.active = log.segments[-1]


def _move_end(log: "LogState", end_offset: int) -> None:
    """What follows from a new, lower end."""
    log.log_end_offset = end_offset
    log.log_start_offset = min(log.log_start_offset, end_offset)
    log.cleaned_offset = min(log.cleaned_offset, end_offset)
    log.flushed_offset = min(log.flushed_offset, end_offset)
    lower_recovery_point(log, end_offset)
    log.durable_base_offset = min(log.durable_base_offset, log.active.base_offset)
    log.size_bytes = sum(segment.size for segment in log.segments)
    log.epochs.truncate_from_end(end_offset)
    log.generation += 1
    log.reads = None
    log.cut = True
    forget_snapshots_above(log, end_offset)
    log.snapshot_is_current = False
    log.reset_producers(None)
    log.mark_dirty()


def forget_snapshots_above(log: "LogState", end_offset: int) -> None:
    """Remove producer snapshots of offsets that are no longer there. Raises DirectoryFailedError."""
    for offset in [each for each in log.snapshot_offsets if each > end_offset]:
        path = path_of(log.directory, offset, SNAPSHOT_SUFFIX)
        log.forget_file(path)
        try:
            log.storage.files.unlink(path)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise DirectoryFailedError(f"removing {path}: {error}") from error
    log.snapshot_offsets = tuple(each for each in log.snapshot_offsets if each <= end_offset)
