"""What one flush of a log makes durable. The executor runs it; the log begins and finishes it on the event loop."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from odradek.host.files import FileSystem, write_atomically
from odradek.log import epoch_cache
from odradek.log.descriptors import Handle
from odradek.log.errors import DirectoryFailedError, DiskFullError, disk_error
from odradek.log.paths import LEADER_EPOCH_FILE
from odradek.log.segment import Segment

if TYPE_CHECKING:
    from odradek.log.log_state import LogState

FULL_FLUSH_BYTES = 16 * 1024 * 1024
"""A flush includes indexes, and moves the recovery point, at the latest after this many bytes."""


@dataclass(frozen=True, slots=True)
class FlushJob:
    """Covers everything below `end_offset`. Descriptors are pinned until the job is finished or has failed."""

    end_offset: int
    base_offset: int
    """Of the active segment."""
    generation: int
    everything: bool
    """Indexes, snapshots and epochs too, so that the recovery point may move to `end_offset`."""
    fds: tuple[int, ...]
    directories: tuple[str, ...]
    """To be synced after the descriptors."""
    replacements: tuple[tuple[str, bytes], ...]
    """Small files to write atomically, before anything else."""
    handles: tuple[tuple[Handle, Segment | None, int], ...]
    """Pinned handles; for segments their size when the job began."""


def run(
    files: FileSystem,
    fds: tuple[int, ...],
    directories: tuple[str, ...],
    replacements: tuple[tuple[str, bytes], ...] = (),
) -> bool:
    """Do it; False when the disk is too full for the replacements. Blocks; runs in the executor.

    Raises OSError: then nothing is known about what was stored.
    """
    replaced = _replace(files, replacements)
    for fd in fds:
        files.datasync(fd)
    for directory in directories:
        files.sync_directory(directory)
    return replaced


def _replace(files: FileSystem, replacements: tuple[tuple[str, bytes], ...]) -> bool:
    for path, content in replacements:
        try:
            write_atomically(files, path, content)
        except OSError as error:
            if not isinstance(disk_error(error, path), DiskFullError):
                raise
            return False
    return True


def begin(log: "LogState", everything: bool | None) -> FlushJob | None:
    """As `Log.begin_flush`."""
    has_data = log.flushed_offset < log.log_end_offset or log.cut or log.directory_dirty
    if everything is None:
        late = log.recovery_point_bytes >= FULL_FLUSH_BYTES or log.recovery_point < log.active.base_offset
        everything = late or not has_data
    has_more = log.recovery_point < log.log_end_offset or bool(log.extra_dirty) or log.epochs.changed
    if not has_data and not (everything and has_more):
        return None
    everything = everything and _store_producers(log)
    handles: list[tuple[Handle, Segment | None, int]] = []
    try:
        handles += [(_pinned(each.open_log()), each, each.size) for each in _unflushed_segments(log)]
        if everything:
            handles += [(handle, None, 0) for handle in _derived_files(log)]
    except OSError as error:
        for handle, _, _ in handles:
            handle.unpin()
        raise DirectoryFailedError(f"flushing {log.directory}: {error}") from error
    replacements: tuple[tuple[str, bytes], ...] = ()
    if everything and log.epochs.changed:
        content = epoch_cache.encode(log.epochs.entries)
        replacements = ((f"{log.directory}/{LEADER_EPOCH_FILE}", content),)
        log.epochs.changed = False
    job = FlushJob(
        log.log_end_offset,
        log.active.base_offset,
        log.generation,
        everything,
        tuple(handle.fd for handle, _, _ in handles),
        (log.directory,) if log.directory_dirty or log.extra_dirty else (),
        replacements,
        tuple(handles),
    )
    log.directory_dirty = log.cut = False
    if everything:
        log.extra_dirty = ()
    return job


def finish(log: "LogState", job: FlushJob, *, replaced: bool) -> None:
    """As `Log.finish_flush`."""
    release(job)
    for handle, segment, size in job.handles:
        if segment is None or segment.size == size:
            handle.dirty = False
    if not replaced:
        log.epochs.changed = True
    if job.generation != log.generation:
        return  # What was cut meanwhile moved the offsets itself; the next flush covers the rest.
    log.flushed_offset = max(log.flushed_offset, job.end_offset)
    log.durable_base_offset = max(log.durable_base_offset, job.base_offset)
    if job.everything and replaced:
        log.recovery_point = max(log.recovery_point, job.end_offset)
        log.recovery_point_bytes = 0
        log.reads = None
    if log.flushed_offset == log.log_end_offset:
        log.unflushed_bytes = 0
    log.dirty = log.recovery_point < log.log_end_offset


def release(job: FlushJob) -> None:
    """Unpin what the job used."""
    for handle, _, _ in job.handles:
        handle.unpin()


def seal(log: "LogState") -> None:
    """As `Log.seal`."""
    if log.damage is not None:
        return
    try:
        if not log.active.ready and log.recovery_point < log.log_end_offset:
            log.active.prepare(log.config.index_interval_bytes)
        log.active.finish()
        log.sync_later(log.active.offset_index_path, log.active.time_index_path)
        if log.has_producers:
            log.write_snapshot(log.log_end_offset)
    except OSError as error:
        raise disk_error(error, f"closing {log.directory}") from error


def _store_producers(log: "LogState") -> bool:
    """Before the recovery point may move; False when there is no room. Raises DirectoryFailedError."""
    try:
        if log.has_producers or not log.snapshot_is_current:
            log.write_snapshot(log.log_end_offset)
    except OSError as error:
        failure = disk_error(error, f"storing producers of {log.directory}")
        if isinstance(failure, DirectoryFailedError):
            raise failure from error
        return False
    return True


def _unflushed_segments(log: "LogState") -> list[Segment]:
    """Those that hold bytes above the flushed offset, the active one always."""
    found = []
    for segment in reversed(log.segments):
        found.append(segment)
        if segment.base_offset <= log.flushed_offset:
            break
    return found


def _derived_files(log: "LogState") -> list[Handle]:
    """Indexes of the active segment with all their entries, and files written since the last full flush; pinned.

    Each at once: getting the next may close one that nobody holds, and its number then names another file.
    """
    log.active.write_pending()
    paths = dict.fromkeys((*log.extra_dirty, log.active.offset_index_path, log.active.time_index_path))
    handles = []
    for path in paths:
        try:
            handles.append(_pinned(log.storage.descriptors.get(path)))
        except FileNotFoundError:
            continue  # An index without entries, or a file removed since.
    return handles


def _pinned(handle: Handle) -> Handle:
    handle.pin()
    return handle
