"""Opening a partition's directory: one listing, no index read, nothing scanned after a clean stop."""

import logging
from enum import Enum
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID

from odradek.host.files import read_file
from odradek.log import cutting, epoch_cache, missing, reading, recovery
from odradek.log.cleaning import swap
from odradek.log.epoch_cache import EpochCache
from odradek.log.errors import CorruptFileError, DamagedLogError, disk_error
from odradek.log.inventory import UNKNOWN_END, Listing
from odradek.log.log_state import new_segment, roll_jitter_ms
from odradek.log.paths import DELETED_SUFFIX, LEADER_EPOCH_FILE, LOG_SUFFIX, SNAPSHOT_SUFFIX, base_offsets, path_of
from odradek.log.segment import Segment
from odradek.log.storage import LogStorage

logger = logging.getLogger(__name__)

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


class Past(NamedTuple):
    """What the small files say of a log; `listing` None when the inventory says nothing."""

    stop: Stop
    log_start_offset: int
    recovery_point: int
    listing: Listing | None = None


def open_log(
    storage: LogStorage, directory: str, identity: Identity, config: "TopicConfig", now_ms: int, past: Past
) -> "Log":
    """As `Log.open`."""
    try:
        names = swap.recover(storage.files, directory, storage.files.listdir(directory))
        segments = _segments(storage, directory, names, config)
        _check_presence(segments, directory, past)
        if not segments:
            return _begin(storage, directory, identity, config, names, now_ms, past)
        log = _assemble(storage, directory, identity, config, segments, names, past.recovery_point)
        end_offset = _check(log, past)
        _remove_leftovers(storage, directory, names)
        if past.stop is Stop.CLEAN:
            _set_end(log, end_offset)
            log.durable_base_offset = log.active.base_offset
            log.epochs.truncate_from_end(end_offset + 1)
            _apply_log_start(log, past.log_start_offset, now_ms)
        else:
            was_cut = recovery.recover(log, past.recovery_point, check_every_crc=past.stop is Stop.POWER_LOSS)
            log.epochs.truncate_from_end(log.log_end_offset)
            _apply_log_start(log, past.log_start_offset, now_ms)
            recovery.store(log, was_cut=was_cut)
    except OSError as error:
        raise disk_error(error, f"opening {directory}") from error
    return log


def _begin(
    storage: LogStorage,
    directory: str,
    identity: Identity,
    config: "TopicConfig",
    names: list[str],
    now_ms: int,
    past: Past,
) -> "Log":
    """A log that has nothing yet."""
    start_offset = past.log_start_offset
    segments = [new_segment(storage, directory, start_offset, config, now_ms)]
    log = _assemble(storage, directory, identity, config, segments, names, start_offset)
    _remove_leftovers(storage, directory, names)
    log.directory_dirty = True
    if start_offset:  # What lay below may come back with the power, and would end before the recovery point.
        storage.files.sync_directory(directory)
    _set_end(log, start_offset)
    log.epochs.truncate_from_end(start_offset + 1)
    cutting.forget_snapshots_above(log, start_offset)
    return log


def open_intact(
    storage: LogStorage, directory: str, identity: Identity, config: "TopicConfig", damage: DamagedLogError
) -> "Log":
    """As `Log.open_intact`."""
    try:
        names = storage.files.listdir(directory)
        segments = [each for each in _segments(storage, directory, names, config) if each.log_path <= damage.path]
        if not segments:
            segments = [new_segment(storage, directory, damage.intact_offset, config, 0)]
        segments[-1].size = damage.position
        log = _assemble(storage, directory, identity, config, segments, names, damage.intact_offset)
    except OSError as error:
        raise disk_error(error, f"opening {directory}") from error
    log.damage = damage
    log.epochs.truncate_from_end(log.log_end_offset)
    return log


def find_damage(
    storage: LogStorage, directory: str, identity: Identity, config: "TopicConfig", past: Past
) -> DamagedLogError | None:
    """The damage that `open_log` would report; nothing is changed. Raises OSError."""
    names = storage.files.listdir(directory)
    segments = _segments(storage, directory, names, config)
    try:
        _check_presence(segments, directory, past)
        if segments:
            log = _assemble(storage, directory, identity, config, segments, names, past.recovery_point)
            _check(log, past)
            if past.stop is not Stop.CLEAN:
                recovery.check(log, past.recovery_point, check_every_crc=past.stop is Stop.POWER_LOSS)
    except DamagedLogError as damage:
        return damage
    return None


def _check_presence(segments: list[Segment], directory: str, past: Past) -> None:
    """A log that ever held anything has a segment. Raises DamagedLogError."""
    listed = past.listing.end_offset if past.listing is not None else past.recovery_point
    if not segments and max(past.recovery_point, listed) > past.log_start_offset:
        raise missing.all_missing(directory, past.log_start_offset)


def _check(log: "Log", past: Past) -> int:
    """Compare with what the small files say; where the log ended if it was stopped cleanly. Raises DamagedLogError."""
    listing, was_clean = past.listing, past.stop is Stop.CLEAN
    if listing is None:
        _require_content(log)
    else:
        missing.check_segments(log.segments, listing, was_clean=was_clean)
        if listing.is_whole and was_clean:
            return listing.end_offset
    return end_after_clean_stop(log, past.recovery_point) if was_clean else UNKNOWN_END


def end_after_clean_stop(log: "Log", recovery_point: int) -> int:
    """Where the batches end, which is not below the recovery point. Raises OSError, DamagedLogError."""
    active = log.active
    end_offset = reading.end_offset_of(active)
    if end_offset < recovery_point:
        reason = f"the log ends below its recovery point {recovery_point}"
        raise DamagedLogError(active.log_path, active.size, end_offset, reason)
    return end_offset


def _segments(storage: LogStorage, directory: str, names: list[str], config: "TopicConfig") -> list[Segment]:
    segments = []
    for base_offset in base_offsets(names, LOG_SUFFIX):
        found = storage.files.stat(path_of(directory, base_offset, LOG_SUFFIX))
        segment = Segment(storage, directory, base_offset, found.size, found.modified_ms)
        segment.jitter_ms = roll_jitter_ms(storage, config)
        segments.append(segment)
    return segments[:]  # Without the room that growing left: thousands of logs keep theirs.


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
    """A segment ends because it is full, and compaction leaves a batch in each."""
    for segment, following in pairwise(log.segments):
        if segment.size == 0 and following.base_offset <= log.recovery_point:
            raise DamagedLogError(segment.log_path, 0, segment.base_offset, "the segment is empty")


def _set_end(log: "Log", end_offset: int) -> None:
    log.log_end_offset = log.flushed_offset = log.recovery_point = end_offset


def _apply_log_start(log: "Log", log_start_offset: int, now_ms: int) -> None:
    """Segments wholly below the log start are left to retention; a log that ends below it begins anew there."""
    if log_start_offset > log.log_end_offset:
        logger.warning(
            "%s ends at %d, below its log start offset %d: it begins anew there",
            log.directory, log.log_end_offset, log_start_offset,
        )  # fmt: skip
        cutting.truncate_fully_and_start_at(log, log_start_offset, now_ms)
        return
    cutting.advance_log_start(log, max(log_start_offset, log.segments[0].base_offset))
    cutting.forget_snapshots_above(log, log.log_end_offset)
