"""One partition on disk: the entrance to everything that can be done with it.

A log belongs to one event loop and is not thread-safe. It holds no open files of its own (`Descriptors` does) and reads
nothing from disk before it is needed. Offsets move only after a write has returned whole.
"""

from typing import TYPE_CHECKING
from uuid import UUID

from odradek.log import cutting, flush, locating, lookup, opening, retention
from odradek.log.appending import AppendableLog
from odradek.log.epoch_cache import EpochEntry
from odradek.log.errors import ColdError, CorruptIndexError, DamagedLogError, DirectoryFailedError
from odradek.log.flush import FlushJob as FlushJob
from odradek.log.inventory import Listing
from odradek.log.opening import Stop as Stop
from odradek.log.paths import SNAPSHOT_SUFFIX, path_of
from odradek.log.reading import ReadRange
from odradek.log.storage import LogStorage

if TYPE_CHECKING:
    from odradek.config import TopicConfig

READERS_MAX = 32
"""Ends of recent reads remembered, so that as many readers need no search."""


class Log(AppendableLog):
    """One partition."""

    __slots__ = ()

    # -- reading --------------------------------------------------------------------------------------------------

    def locate(
        self, offset: int, max_bytes: int, *, upper_offset: int | None = None, minimum_one_batch: bool = True
    ) -> ReadRange | None:
        """Where the batches from `offset` on are, up to `upper_offset` (exclusive, None for the log end).

        The range ends within one segment, may cut off its last batch, is empty at the upper offset, and is pinned
        until `release`. A first batch larger than `max_bytes` is given whole if `minimum_one_batch`, else not at all.
        None when the search would have to wait for the disk: then `await locate_cold`.
        Raises OffsetOutOfRangeError, DamagedLogError, DirectoryFailedError.
        """
        try:
            return locating.locate(self, offset, max_bytes, upper_offset, minimum_one_batch)
        except (ColdError, CorruptIndexError):
            return None
        except OSError as error:
            raise DirectoryFailedError(f"reading {self.directory}: {error}") from error

    async def locate_cold(
        self, offset: int, max_bytes: int, *, upper_offset: int | None = None, minimum_one_batch: bool = True
    ) -> ReadRange:
        """As `locate`, searching in the executor."""
        return await locating.locate_cold(self, offset, max_bytes, upper_offset, minimum_one_batch)

    def note_read(self, read: ReadRange, view: memoryview) -> int:
        """What a range held: bytes of whole batches in it, and the next reader begins after those without a search.

        All of `view` when its batches are too many to look at. Raises DamagedLogError when all of the range was read
        and does not even hold one, or holds offsets that belong elsewhere.
        """
        return locating.note_read(self, read, view)

    def remember(self, offset: int, position: int) -> None:
        """The batch that begins with `offset` is, or will be, at this position of its segment."""
        if self.segment_of(offset).size < position:
            return
        reads = self.reads
        if reads is None:
            reads = self.reads = {}
        reads[offset] = position
        if len(reads) > READERS_MAX:
            del reads[next(iter(reads))]

    async def offset_for_timestamp(self, timestamp_ms: int) -> "lookup.FoundTimestamp | None":
        """The first record with at least this timestamp; None when there is none. Raises DirectoryFailedError."""
        return await lookup.first_at_or_after(self, timestamp_ms)

    async def max_timestamp_offset(self) -> "lookup.FoundTimestamp | None":
        """The first record that has the largest timestamp. Raises DirectoryFailedError."""
        return await lookup.with_largest_timestamp(self)

    def end_offset_for_epoch(self, epoch: int) -> EpochEntry:
        """(epoch, end offset) as OffsetForLeaderEpoch answers; (-1, -1) when unknown."""
        return self.epochs.end_offset_for(epoch, self.log_end_offset)

    # -- flushing, cutting, ageing (see the modules) -------------------------------------------------------------------

    def mark_dirty(self) -> None:
        """There is something to flush: tell whoever sees to it."""
        self.dirty = True
        self.storage.on_dirty(self)

    def begin_flush(self, *, everything: bool | None = None) -> FlushJob | None:
        """What to sync now, None when all is; `flush.run` does it. `everything` None: indexes too when it is time.

        Raises DirectoryFailedError.
        """
        return flush.begin(self, everything)

    def finish_flush(self, job: FlushJob, *, replaced: bool = True) -> None:
        """The job succeeded; `replaced` is what `flush.run` said."""
        flush.finish(self, job, replaced=replaced)

    def fail_flush(self, job: FlushJob) -> None:
        """The job failed: nothing moves, and the log must not be flushed again."""
        flush.release(job)

    def lower_recovery_point(self, offset: int) -> None:
        """To at most `offset`, so far that recovery finds the producers of what is below it."""
        cutting.lower_recovery_point(self, offset)

    def truncate_to(self, offset: int, later: list[str] | None = None) -> int:
        """Remove every batch with an offset at or above `offset`; the new log end. Raises DirectoryFailedError.

        The log then ends with its last batch, below `offset` if that lay inside a batch or a gap. The caller has called
        `lower_recovery_point` with the same offset and made a checkpoint durable before. With `later` nothing waits for
        the disk: it gets the paths of files the caller removes, and nothing may be appended before the next full flush.
        """
        return cutting.truncate_to(self, offset, later)

    def truncate_fully_and_start_at(self, offset: int, now_ms: int, later: list[str] | None = None) -> None:
        """Remove everything; the log begins and ends at `offset`. `later` as above. Raises DirectoryFailedError."""
        cutting.truncate_fully_and_start_at(self, offset, now_ms, later)

    def advance_log_start(self, offset: int) -> bool:
        """Records below `offset` are gone for readers (DeleteRecords); False when they were already.

        Raises OffsetOutOfRangeError beyond the log end. The caller keeps the checkpoint of log start offsets.
        """
        return cutting.advance_log_start(self, offset)

    def delete_old_segments(self, now_ms: int, *, upper_offset: int | None = None, durably: bool = False) -> list[str]:
        """Take away what retention.ms, retention.bytes and the log start allow; files renamed to `.deleted`.

        Nothing at or above `upper_offset` (the high watermark; None for the log end). With `durably` only what a power
        loss can do no harm to: at most one segment, and the rest after the next full flush. The caller removes the
        files it gets after file.delete.delay.ms. Raises DirectoryFailedError, DiskFullError.
        """
        return retention.delete_old_segments(self, now_ms, upper_offset, durably=durably)

    def seal(self) -> None:
        """Before a clean stop: complete indexes, snapshot and epochs, so that after a full flush nothing is missing.

        Raises DirectoryFailedError.
        """
        flush.seal(self)

    def close(self) -> None:
        """Give up all descriptors. What was not flushed is left to the kernel."""
        for segment in self.segments:
            for path in (segment.log_path, segment.offset_index_path, segment.time_index_path):
                self.storage.descriptors.forget(path)
            segment.handle = None
        snapshots = [path_of(self.directory, offset, SNAPSHOT_SUFFIX) for offset in self.snapshot_offsets]
        for path in (*self.extra_dirty, *snapshots):
            self.storage.descriptors.forget(path)

    # -- opening --------------------------------------------------------------------------------------------------

    @staticmethod
    def open(
        storage: LogStorage,
        directory: str,
        *,
        topic: str,
        partition: int,
        topic_id: UUID,
        config: "TopicConfig",
        now_ms: int,
        log_start_offset: int = 0,
        recovery_point: int = 0,
        stop: "Stop" = Stop.CLEAN,
        listing: Listing | None = None,
    ) -> "Log":
        """Open the directory's log, or begin one at `log_start_offset` where there are no segments.

        `stop` says how the last process ended; after a crash everything above `recovery_point` is checked and repaired.
        `listing` is what the inventory says of the log: with it, nothing is read after a clean stop.
        Raises DamagedLogError, DiskFullError, DirectoryFailedError.
        """
        identity = opening.Identity(topic, partition, topic_id)
        past = opening.Past(stop, log_start_offset, recovery_point, listing)
        return opening.open_log(storage, directory, identity, config, now_ms, past)

    @staticmethod
    def open_intact(
        storage: LogStorage,
        directory: str,
        *,
        topic: str,
        partition: int,
        topic_id: UUID,
        config: "TopicConfig",
        damage: DamagedLogError,
    ) -> "Log":
        """Open what lies before the damage that `open` reported, for reading: `append` raises `damage` again.

        Raises DirectoryFailedError.
        """
        return opening.open_intact(storage, directory, opening.Identity(topic, partition, topic_id), config, damage)

    def repair(self) -> None:
        """Give up everything from the damage on, because an operator said so. Raises DirectoryFailedError."""
        cutting.repair(self)
