"""After a crash: check what lies above the recovery point, cut before the first batch that is not whole and valid.

Writeback is unordered, so whole batches may lie beyond a hole; everything from the hole on goes. Indexes, epochs and
producer state of the checked part are made anew. Below the recovery point everything was synced: what is missing there
is damage, which is reported (`DamagedLogError`) and never cut. Blocks; runs before the log is in use.
"""

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from odradek.log import cutting, index_rebuild, reading, replay
from odradek.log.batch_walk import BatchWalk, Located, MalformedBatchError
from odradek.log.directory import BOOT_ID
from odradek.log.errors import CorruptIndexError, DamagedLogError
from odradek.log.log_state import directory_of
from odradek.log.offset_index import START, OffsetPosition
from odradek.log.segment import RELATIVE_OFFSET_MAX

if TYPE_CHECKING:
    from odradek.log.log import Log
    from odradek.log.segment import Segment


def recover(log: "Log", recovery_point: int, *, check_every_crc: bool) -> bool:
    """Make the log whole again. Without `check_every_crc` only the very last batch is compared with its CRC.

    True when something was cut: see `store`. Raises DamagedLogError, OSError.
    """
    recovery_point = max(recovery_point, log.segments[0].base_offset)
    first = log.segments.index(log.segment_of(recovery_point))
    if check_every_crc:  # Of what a failed sync left in the cache nothing may be trusted to be on the disk.
        for segment in log.segments[first:]:
            log.storage.files.drop_cached(segment.open_log().fd)
    log.log_end_offset = end_offset = log.segments[first].base_offset
    log.epochs.truncate_from_end(recovery_point)  # The file may be older than a truncation.
    has_producers = was_cut = False
    for index in range(first, len(log.segments)):
        segment = log.segments[index]
        if index > first and segment.base_offset != end_offset:
            cutting.drop_segments(log, log.segments[index:])
            was_cut = True
            break
        scan = _SegmentScan(log, segment, recovery_point, check_every_crc=check_every_crc)
        end_offset = scan.run()
        has_producers = has_producers or scan.has_producers
        if scan.was_cut:
            cutting.drop_segments(log, log.segments[index + 1 :])
            was_cut = True
            break
    _finish(log, recovery_point, end_offset)
    if has_producers:
        log.reset_producers(replay.recover_producers(log, recovery_point))
    return was_cut


def check(log: "Log", recovery_point: int, *, check_every_crc: bool) -> None:
    """Raise the DamagedLogError that `recover` would raise, changing nothing. Raises OSError."""
    recovery_point = max(recovery_point, log.segments[0].base_offset)
    segment = log.segment_of(recovery_point)
    if check_every_crc:
        log.storage.files.drop_cached(segment.open_log().fd)
    _SegmentScan(log, segment, recovery_point, check_every_crc=check_every_crc).find_start()


def store(log: "Log", *, was_cut: bool) -> None:
    """What is gone now must not come back with a power loss, behind what is appended by then. Raises OSError."""
    files = log.storage.files
    if was_cut:
        # A process that dies in this sync never learns that it failed: the next one must not trust the cache.
        with contextlib.suppress(FileNotFoundError):
            files.unlink(f"{directory_of(log)}/{BOOT_ID}")
        files.datasync(log.active.open_log().fd)
    files.sync_directory(log.directory)


def _finish(log: "Log", recovery_point: int, end_offset: int) -> None:
    log.log_end_offset = end_offset
    log.flushed_offset = log.recovery_point = recovery_point
    log.size_bytes = sum(segment.size for segment in log.segments)
    log.unflushed_bytes = log.recovery_point_bytes = log.active.size
    log.directory_dirty = True
    log.generation = 0
    log.mark_dirty()


class _SegmentScan:
    """One segment from the recovery point, or from its beginning, to its end."""

    def __init__(self, log: "Log", segment: "Segment", recovery_point: int, *, check_every_crc: bool) -> None:
        self._log = log
        self._segment = segment
        self._recovery_point = recovery_point
        self._check_every_crc = check_every_crc
        self._file_size = segment.size
        self._walk = BatchWalk(segment.storage.files, segment.open_log().fd, segment.size, wait=True)
        self.has_producers = False
        self.was_cut = False

    def run(self) -> int:
        """Check, index anew and cut; the offset after the last batch kept. Raises DamagedLogError, OSError."""
        start, end_offset = self.find_start()
        self._restart_indexes(start, end_offset)
        for located in self._valid_batches(start, end_offset):
            self._take(located)
            end_offset = located.header.last_offset + 1
        segment = self._segment
        if segment.size < self._file_size:
            self.was_cut = True
            handle = segment.open_log()
            handle.dirty = True
            segment.storage.files.truncate(handle.fd, segment.size)
        if segment is not self._log.active or self.was_cut:
            segment.finish()
        self._log.sync_later(segment.offset_index_path, segment.time_index_path)
        return end_offset

    def find_start(self) -> tuple[int, int]:
        """Position of the first batch to check, and the offset it must not begin below. Raises DamagedLogError."""
        segment, recovery_point = self._segment, self._recovery_point
        end_offset = position = -1
        if segment.base_offset >= recovery_point:
            return 0, segment.base_offset
        entry = self._entry_below()
        position, end_offset = entry.position, segment.base_offset
        reason = "the segment ends too early"
        try:
            for located in self._walk.batches(entry.position):
                if located.header.last_offset >= recovery_point:
                    return located.position, end_offset
                position, end_offset = located.end, located.header.last_offset + 1
        except MalformedBatchError as error:
            reason = error.reason
        if end_offset < recovery_point:
            raise DamagedLogError(segment.log_path, position, end_offset, reason)
        return position, end_offset

    def _entry_below(self) -> OffsetPosition:
        """An index entry below the recovery point that is true, else the start of the segment."""
        segment = self._segment
        try:
            entry = segment.floor(0, self._recovery_point - 1 - segment.base_offset, wait=True)
            if entry != START:
                reading.check_entry(entry, segment.base_offset, next(self._walk.batches(entry.position)))
        except (CorruptIndexError, MalformedBatchError, StopIteration):
            return START
        return entry

    def _restart_indexes(self, start: int, end_offset: int) -> None:
        segment = self._segment
        is_intact = segment.truncate_indexes(start, end_offset)
        segment.size = start
        if not is_intact:
            rebuilt = index_rebuild.rebuild(
                segment.storage.files,
                segment.log_path,
                segment.base_offset,
                start,
                self._log.config.index_interval_bytes,
            )
            segment.replace_indexes(rebuilt)
        if start:
            segment.prepare(self._log.config.index_interval_bytes)

    def _valid_batches(self, start: int, end_offset: int) -> Iterator[Located]:
        """All from `start` to the first that is not whole or does not belong there."""
        held: Located | None = None
        try:
            for located in self._walk.batches(start, end_offset):
                if located.header.last_offset - self._segment.base_offset > RELATIVE_OFFSET_MAX:
                    break
                if self._check_every_crc and not self._walk.crc_is_valid(located):
                    break
                if held is not None:
                    yield held
                held = located
        except MalformedBatchError:
            pass
        if held is not None and (self._check_every_crc or self._walk.crc_is_valid(held)):
            yield held

    def _take(self, located: Located) -> None:
        header, log = located.header, self._log
        interval_bytes = log.config.index_interval_bytes
        self._segment.appended(located.position, header.size, header.last_offset, header.max_timestamp, interval_bytes)
        if header.leader_epoch > log.epochs.latest_epoch:
            log.epochs.assign(header.leader_epoch, header.base_offset)
        self.has_producers = self.has_producers or header.producer_id >= 0
