"""The state of one partition's log: segments, offsets, producers and epochs, and how segments begin.

`AppendableLog` adds appends, `Log` the other operations others call.
"""

import contextlib
from bisect import bisect_right
from functools import lru_cache
from typing import TYPE_CHECKING
from uuid import UUID

from odradek.host.files import write_all
from odradek.log import offset_index, producer_snapshot, replay, time_index, validation
from odradek.log.epoch_cache import EpochCache
from odradek.log.errors import DamagedLogError, DirectoryFailedError, disk_error
from odradek.log.paths import LOG_SUFFIX, SNAPSHOT_SUFFIX, path_of
from odradek.log.producer_state import ProducerEntry, ProducerState
from odradek.log.recompression import PRODUCER
from odradek.log.segment import RELATIVE_OFFSET_MAX, Segment
from odradek.log.storage import LogStorage
from odradek.wire.records import BatchHeader

if TYPE_CHECKING:
    from odradek.config import TopicConfig
    from odradek.log.cleaning.replacement import Swap


def new_segment(storage: LogStorage, directory: str, base_offset: int, config: "TopicConfig", now_ms: int) -> Segment:
    """Make an empty segment. Raises OSError."""
    segment = Segment(storage, directory, base_offset, 0, now_ms)
    segment.jitter_ms = roll_jitter_ms(storage, config)
    segment.create_file(config.segment_bytes if config.preallocate else 0)
    return segment


def roll_jitter_ms(storage: LogStorage, config: "TopicConfig") -> int:
    """How much earlier than segment.ms one segment ends, so that not all end together."""
    widest = min(config.segment_jitter_ms, config.segment_ms)
    return storage.random.randrange(widest) if widest > 0 else 0


class LogState:
    """Attributes are read freely by others, and written only by the modules of this package."""

    __slots__ = (
        "_after_max_ms",
        "_before_max_ms",
        "_config",
        "_index_entries_max",
        "_plain_size_max",
        "_producers",
        "_segment_ms",
        "_time_entries_max",
        "active",
        "cleaned_offset",
        "cut",
        "damage",
        "directory",
        "directory_dirty",
        "dirty",
        "durable_base_offset",
        "epochs",
        "extra_dirty",
        "flushed_offset",
        "generation",
        "log_end_offset",
        "log_start_offset",
        "partition",
        "reads",
        "recovery_point",
        "recovery_point_bytes",
        "segments",
        "size_bytes",
        "snapshot_is_current",
        "snapshot_offsets",
        "storage",
        "swap",
        "topic",
        "topic_id",
        "unflushed_bytes",
    )

    def __init__(
        self,
        storage: LogStorage,
        directory: str,
        topic: str,
        partition: int,
        topic_id: UUID,
        config: "TopicConfig",
        segments: list[Segment],
        log_end_offset: int,
    ) -> None:
        """Use `Log.open`; `segments` are in order and not empty."""
        self.storage = storage
        self.directory = directory
        self.topic = topic
        self.partition = partition
        self.topic_id = topic_id
        self.segments = segments
        self.active = segments[-1]
        self.log_start_offset = segments[0].base_offset
        self.log_end_offset = log_end_offset
        self.flushed_offset = log_end_offset
        """Everything below is on stable storage."""
        self.recovery_point = log_end_offset
        """So are its indexes, snapshots and epochs: what a recovery after power loss does not look at again."""
        self.size_bytes = sum(segment.size for segment in segments)
        self.durable_base_offset = segments[0].base_offset
        """The segments up to this one exist after a power loss, and nothing removed before them comes back."""
        self.unflushed_bytes = 0
        self.recovery_point_bytes = 0
        """Bytes appended since the recovery point last moved."""
        self.epochs = EpochCache()
        self.snapshot_offsets: tuple[int, ...] = ()
        """Offsets of the producer snapshots on disk, ascending."""
        self.snapshot_is_current = True
        """As long as producers are not loaded: no producer has written anything since the newest snapshot."""
        self.generation = 0
        """Counts changes of what was already written: truncation, deletion, replaced segments."""
        self.cleaned_offset = -1
        """Below it compaction has left one record of each key; -1 when it was never here."""
        self.swap: Swap | None = None
        """A compacted segment is taking the place of others: nothing else may touch the closed segments meanwhile."""
        self.damage: DamagedLogError | None = None
        """Set for a log that is read-only because of damage below its recovery point."""
        self.dirty = False
        self.reads: dict[int, int] | None = None
        self._producers: ProducerState | None = None
        self.directory_dirty = False
        self.cut = False
        """Files were cut, and that is not on stable storage yet."""
        self.extra_dirty: tuple[str, ...] = ()
        """Files besides those of unflushed segments that the next full flush syncs."""
        self.config = config

    @property
    def config(self) -> "TopicConfig":
        """The topic's configuration; a new one counts from the next append on."""
        return self._config

    @config.setter
    def config(self, config: "TopicConfig") -> None:
        self._config = config
        self._before_max_ms = config.message_timestamp_before_max_ms
        self._after_max_ms = config.message_timestamp_after_max_ms
        self._segment_ms = config.segment_ms
        if "compact" in config.cleanup_policy:  # The active segment is never compacted.
            self._segment_ms = min(config.segment_ms, config.max_compaction_lag_ms)
        self._index_entries_max, self._time_entries_max = _entries_max(config.segment_index_bytes)
        is_plain = (
            config.message_timestamp_type != validation.LOG_APPEND_TIME
            and config.compression_type == PRODUCER
            and "compact" not in config.cleanup_policy
        )
        self._plain_size_max = min(config.max_message_bytes, config.segment_bytes) if is_plain else -1

    def __repr__(self) -> str:
        return f"<Log {self.topic}-{self.partition} [{self.log_start_offset}, {self.log_end_offset})>"

    def count_written(self, size: int) -> None:
        self.size_bytes += size
        self.unflushed_bytes += size
        self.recovery_point_bytes += size
        if not self.dirty:
            self.mark_dirty()

    def mark_dirty(self) -> None:
        """There is something to flush."""
        self.dirty = True

    # -- segments -------------------------------------------------------------------------------------------------

    def segment_for(self, size: int, first_offset: int, last_offset: int, timestamp_ms: int, now_ms: int) -> Segment:
        """The active segment, rolled first when the batch does not belong into it any more. Raises as `append`.

        A segment's age counts by the timestamps of records where they have any, else by the clock.
        """
        segment = self.active
        if not segment.ready:
            self._prepare(segment)
        if segment.size:
            began_ms = segment.first_timestamp_ms
            age_ms = timestamp_ms - began_ms if began_ms >= 0 else now_ms - segment.created_ms
            if (
                segment.size + size > self._config.segment_bytes
                or age_ms > self._segment_ms - segment.jitter_ms
                or segment.offset_entries >= self._index_entries_max
                or segment.time_entries >= self._time_entries_max
            ):
                return self.roll(now_ms)
        if last_offset - segment.base_offset > RELATIVE_OFFSET_MAX:
            too_far = last_offset - self.log_end_offset > RELATIVE_OFFSET_MAX
            return self.roll(now_ms, first_offset if too_far else None)
        return segment

    def roll(self, now_ms: int, base_offset: int | None = None) -> Segment:
        """Begin a new segment at the log end (or further on), unless the active one is empty and begins there.

        Takes a snapshot of the producers. Raises DiskFullError, DirectoryFailedError; the log is then unchanged.
        """
        old, base = self.active, self.log_end_offset if base_offset is None else base_offset
        if old.base_offset == base:
            return old
        try:
            segment = new_segment(self.storage, self.directory, base, self._config, now_ms)
            self.write_snapshot(base)
        except OSError as error:
            self._undo_roll(base)
            raise disk_error(error, f"beginning a segment in {self.directory}") from error
        old.finish()
        self.sync_later(old.offset_index_path, old.time_index_path)
        self.directory_dirty = True
        self.segments.append(segment)
        self.active = segment
        if self.reads is not None:
            self.reads.pop(base, None)  # Remembered as the end of the segment before.
        return segment

    def _undo_roll(self, base_offset: int) -> None:
        """What the next opening would take for a segment goes: appends may go on in the old one."""
        self.directory_dirty = True
        suffixes = (LOG_SUFFIX,) if base_offset in self.snapshot_offsets else (LOG_SUFFIX, SNAPSHOT_SUFFIX)
        for path in [path_of(self.directory, base_offset, suffix) for suffix in suffixes]:
            self.storage.descriptors.forget(path)
            try:
                self.storage.files.unlink(path)
            except FileNotFoundError:
                continue
            except OSError as error:
                raise DirectoryFailedError(f"removing {path}: {error}") from error

    def segment_of(self, offset: int) -> Segment:
        """The segment an offset lies in: the last that does not begin after it."""
        segments = self.segments
        if offset >= self.active.base_offset:
            return self.active
        return segments[max(bisect_right(segments, offset, key=_base_offset_of) - 1, 0)]

    def sync_later(self, *paths: str) -> None:
        """The next full flush includes these files."""
        self.extra_dirty = tuple(dict.fromkeys((*self.extra_dirty, *paths)))

    def forget_file(self, path: str) -> None:
        """It is going to be another's, or nobody's: neither write into it nor sync it any more."""
        self.storage.descriptors.forget(path)
        if self.extra_dirty:
            self.extra_dirty = tuple(each for each in self.extra_dirty if each != path)

    @property
    def has_unflushed_closed_segments(self) -> bool:
        """The active segment is not the only one with bytes to sync."""
        return self.flushed_offset < self.active.base_offset

    def _prepare(self, segment: Segment) -> None:
        try:
            segment.prepare(self._config.index_interval_bytes)
        except OSError as error:
            raise disk_error(error, f"preparing {segment.log_path}") from error  # It may rebuild indexes.

    # -- producers ------------------------------------------------------------------------------------------------

    @property
    def producers(self) -> ProducerState:
        """Idempotent producers, read from the newest snapshot on first use. Raises OSError, DamagedLogError."""
        if self._producers is None:
            self._producers = replay.load_producers(self)
        return self._producers

    @property
    def needs_seal(self) -> bool:
        """Something on disk would be missing after a clean stop: see `Log.seal`."""
        active = self.active
        if active.size and active.ready and active.max_timestamp_ms > active.time_indexed_ms:
            return True
        return self.has_producers and self.snapshot_offsets[-1:] != (self.log_end_offset,)

    @property
    def has_producers(self) -> bool:
        """Some are known, as far as they were loaded."""
        return self._producers is not None and bool(self._producers.entries)

    def update_producer(self, header: BatchHeader) -> None:
        """A producer's batch is in the log."""
        if not header.is_control:
            self.producers.update(
                header.producer_id,
                header.producer_epoch,
                header.last_sequence,
                header.last_offset,
                header.last_offset_delta,
                header.max_timestamp,
            )

    def active_producers(self) -> list[ProducerEntry]:
        """For DescribeProducers."""
        return list(self.producers.entries.values())

    def remove_expired_producers(self, now_ms: int, expiration_ms: int) -> None:
        """Forget idle producers; those not loaded yet are left for later."""
        if self._producers is not None:
            self._producers.remove_expired(now_ms, expiration_ms)

    def write_snapshot(self, offset: int) -> None:
        """Store the producers as of `offset`, the log end. Raises OSError.

        Older snapshots stay until a recovery after power loss no longer needs them: see `recovery_point_stored`.
        """
        if self.snapshot_offsets[-1:] == (offset,):
            return
        path = path_of(self.directory, offset, SNAPSHOT_SUFFIX)
        content = producer_snapshot.encode(self.producers)
        handle = self.storage.descriptors.create(path)
        handle.dirty = True
        self.storage.files.truncate(handle.fd, 0)
        write_all(self.storage.files, handle.fd, content, 0)
        self.sync_later(path)
        self.snapshot_offsets = (*self.snapshot_offsets, offset)

    def recovery_point_stored(self, recovery_point: int) -> None:
        """A checkpoint with this recovery point is durable: snapshots that no recovery begins with go. Raises OSError.

        Kept are those at the beginning of a segment, and all from the newest below the recovery point on: that one was
        synced before the recovery point moved there, one at the recovery point itself may be of a later roll.
        """
        below = [each for each in self.snapshot_offsets if each < recovery_point]
        if len(below) < 2:
            return
        bases = {segment.base_offset: None for segment in self.segments}
        superseded = {each: None for each in below[:-1] if each not in bases}
        for each in superseded:
            self._remove_snapshot(each)
        self.snapshot_offsets = tuple(each for each in self.snapshot_offsets if each not in superseded)

    def _remove_snapshot(self, offset: int) -> None:
        path = path_of(self.directory, offset, SNAPSHOT_SUFFIX)
        self.forget_file(path)
        with contextlib.suppress(FileNotFoundError):
            self.storage.files.unlink(path)

    def reset_producers(self, state: ProducerState | None) -> None:
        """After truncation or recovery: this state, or (None) what the snapshots and batches say."""
        self._producers = state


def directory_of(log: LogState) -> str:
    """The log directory (of `log.dirs`) in which the log's own directory is."""
    return log.directory.rpartition("/")[0]


def _base_offset_of(segment: Segment) -> int:
    return segment.base_offset


@lru_cache(maxsize=64)
def _entries_max(index_bytes: int) -> tuple[int, int]:
    """How many entries offset and time index may have; thousands of logs share the numbers."""
    final_entry = 1
    return index_bytes // offset_index.ENTRY_SIZE, index_bytes // time_index.ENTRY_SIZE - final_entry
