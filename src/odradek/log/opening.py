"""Opening a partition's directory: one listing, no index read, nothing scanned after a clean stop."""

from enum import Enum
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID

from odradek.host.files import read_file
from odradek.log import cutting, epoch_cache, reading, recovery
from odradek.log.epoch_cache import EpochCache
from odradek.log.errors import CorruptFileError, DamagedLogError, disk_error
from odradek.log.log_state import new_segment, roll_jitter_ms
from odradek.log.paths import DELETED_SUFFIX, LEADER_EPOCH_FILE, LOG_SUFFIX, SNAPSHOT_SUFFIX, base_offsets, path_of
from odradek.log.segment import Segment
from odradek.log.storage import LogStorage

if TYPE_CHECKING:
    from odradek.config import TopicConfig
    from odradek.log.log import Log


class Stop(Enum):
    """How the process that last wrote a log ended."""

    CLEAN = "clean"
    PROCESS_CRASH = "process crash"
    """The kernel is still the same and saw no I/O error, so everything written can be read."""
    POWER_LOSS = "power loss"
    """Of what was not synced, any part may be missing."""


class Identity(NamedTuple):
    """Whose log a directory holds."""

    topic: str
    partition: int
    topic_id: UUID


def open_log(
    storage: LogStorage,
    directory: str,
    identity: Identity,
    config: "TopicConfig",
    now_ms: int,
    log_start_offset: int,
    recovery_point: int,
    stop: Stop,
) -> "Log":
    """As `Log.open`."""
    try:
        names = storage.files.listdir(directory)
        segments = _segments(storage, directory, names, config)
        is_new = not segments
        if is_new:
            segments = [new_segment(storage, directory, log_start_offset, config, now_ms)]
            recovery_point = log_start_offset
        log = _assemble(storage, directory, identity, config, segments, names, recovery_point)
        log.directory_dirty = is_new
        _require_content(log)
        _remove_leftovers(storage, directory, names)
        needs_scan, was_cut = stop is not Stop.CLEAN and not is_new, False
        if not needs_scan:
            _set_end(log, end_after_clean_stop(log, recovery_point))
            log.durable_base_offset = log.segments[0].base_offset if is_new else log.active.base_offset
            log.epochs.truncate_from_end(log.log_end_offset + 1)
        else:
            was_cut = recovery.recover(log, recovery_point, check_every_crc=stop is Stop.POWER_LOSS)
            log.epochs.truncate_from_end(log.log_end_offset)
        _apply_log_start(log, log_start_offset, now_ms)
        if needs_scan:
            recovery.store(log, was_cut=was_cut)
    except OSError as error:
        raise disk_error(error, f"opening {directory}") from error
    return log


def open_intact(
    storage: LogStorage, directory: str, identity: Identity, config: "TopicConfig", damage: DamagedLogError
) -> "Log":
    """As `Log.open_intact`."""
    try:
        names = storage.files.listdir(directory)
        segments = [each for each in _segments(storage, directory, names, config) if each.log_path <= damage.path]
        segments[-1].size = damage.position
        log = _assemble(storage, directory, identity, config, segments, names, damage.intact_offset)
    except OSError as error:
        raise disk_error(error, f"opening {directory}") from error
    log.damage = damage
    log.epochs.truncate_from_end(log.log_end_offset)
    return log


def find_damage(
    storage: LogStorage, directory: str, identity: Identity, config: "TopicConfig", recovery_point: int, stop: Stop
) -> DamagedLogError | None:
    """The damage that `open_log` would report; nothing is changed. Raises OSError."""
    names = storage.files.listdir(directory)
    segments = _segments(storage, directory, names, config)
    if not segments:
        return None
    log = _assemble(storage, directory, identity, config, segments, names, recovery_point)
    try:
        _require_content(log)
        if stop is Stop.CLEAN:
            end_after_clean_stop(log, recovery_point)
        else:
            recovery.check(log, recovery_point, check_every_crc=stop is Stop.POWER_LOSS)
    except DamagedLogError as damage:
        return damage
    return None


def end_after_clean_stop(log: "Log", recovery_point: int) -> int:
    """The recovery point, which a clean stop leaves at the log end, unless it cannot be that.

    Raises OSError, DamagedLogError.
    """
    active = log.active
    if active.size == 0:
        return max(active.base_offset, recovery_point)
    if recovery_point > active.base_offset:
        return recovery_point
    return reading.end_offset_of(active)


def _segments(storage: LogStorage, directory: str, names: list[str], config: "TopicConfig") -> list[Segment]:
    segments = []
    for base_offset in base_offsets(names, LOG_SUFFIX):
        found = storage.files.stat(path_of(directory, base_offset, LOG_SUFFIX))
        segment = Segment(storage, directory, base_offset, found.size, found.modified_ms)
        segment.jitter_ms = roll_jitter_ms(storage, config)
        segments.append(segment)
    return segments


def _assemble(
    storage: LogStorage,
    directory: str,
    identity: Identity,
    config: "TopicConfig",
    segments: list[Segment],
    names: list[str],
    end_offset: int,
) -> "Log":
    from odradek.log.log import Log

    log = Log(storage, directory, *identity, config, segments, end_offset)
    log.snapshot_offsets = tuple(base_offsets(names, SNAPSHOT_SUFFIX))
    if LEADER_EPOCH_FILE in names:
        log.epochs = _read_epochs(storage, f"{directory}/{LEADER_EPOCH_FILE}")
    return log


def _read_epochs(storage: LogStorage, path: str) -> EpochCache:
    """What the file says; nothing if it is damaged: epochs are then learnt from new batches, as after an upgrade."""
    try:
        return EpochCache(epoch_cache.decode(read_file(storage.files, path)))
    except CorruptFileError:
        return EpochCache()


def _remove_leftovers(storage: LogStorage, directory: str, names: list[str]) -> None:
    for name in names:
        if name.endswith((DELETED_SUFFIX, ".tmp")):
            storage.files.unlink(f"{directory}/{name}")


def _require_content(log: "Log") -> None:
    """A segment ends because it is full, so only compaction leaves an empty one before the last."""
    if "compact" in log.config.cleanup_policy:
        return
    for segment, following in pairwise(log.segments):
        if segment.size == 0 and following.base_offset <= log.recovery_point:
            raise DamagedLogError(segment.log_path, 0, segment.base_offset, "the segment is empty")


def _set_end(log: "Log", end_offset: int) -> None:
    log.log_end_offset = log.flushed_offset = log.recovery_point = end_offset


def _apply_log_start(log: "Log", log_start_offset: int, now_ms: int) -> None:
    """Segments wholly below the log start are left to retention; a log that ends below it begins anew there."""
    if log_start_offset > log.log_end_offset:
        cutting.truncate_fully_and_start_at(log, log_start_offset, now_ms)
        return
    cutting.advance_log_start(log, max(log_start_offset, log.segments[0].base_offset))
    cutting.forget_snapshots_above(log, log.log_end_offset)
