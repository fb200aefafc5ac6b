"""One cleaning over files: read the dirty part into a map of keys, then write every segment anew without what it
supersedes. A generator of steps, so that whoever runs it may throttle, stop or crash it in between.
"""

import os
from collections.abc import Generator, Iterator, Sequence
from itertools import zip_longest

from odradek.host.files import Buffer, FileSystem, read_file, write_all
from odradek.log.cleaning.filtering import GONE, UNTOUCHED, BatchFilter, without_records
from odradek.log.cleaning.grouping import Output, has_room
from odradek.log.cleaning.job import Finished, Job, Replaced, SourceSegment
from odradek.log.cleaning.offset_map import OffsetMap
from odradek.log.cleaning.records import blob_of, spans_of
from odradek.log.cleaning.source import Chunk, chunks_of
from odradek.log.cleaning.swap import cleaned_path
from odradek.log.cleaning.transactions import CleanedTransactions, marker_of
from odradek.log.index_rebuild import IndexBuilder
from odradek.log.paths import (
    LOG_SUFFIX,
    OFFSET_INDEX_SUFFIX,
    TIME_INDEX_SUFFIX,
    TRANSACTION_INDEX_SUFFIX,
    path_of,
)
from odradek.log.transaction_index import AbortedTransaction, decode, encode
from odradek.wire.records import read_header

Step = int | Replaced | Finished
"""Bytes read or written, an output that waits to be swapped in, or the end."""
WRITEBACK_BYTES = 8 << 20


def clean(files: FileSystem, job: Job) -> Generator[Step, None, None]:
    """Do the job. After a `Replaced` the sources of it may be gone when the next step is asked for.

    Raises InvalidBatchError, MalformedBatchError, CorruptIndexError, OSError.
    """
    aborted = _aborted_transactions(files, job)
    offsets = OffsetMap(job.map_bytes, job.map_load_factor, job.upper_offset - job.first_dirty_offset)
    yield from _fill(files, job, offsets, aborted)
    end_offset = offsets.latest_offset + 1
    batches = BatchFilter(offsets, transactions := CleanedTransactions(), job.producers, job.now_ms,
                          job.delete_retention_ms)  # fmt: skip
    transactions.add_aborted(aborted)
    sources = [each for each in job.segments if each.base_offset < end_offset]
    bytes_read = bytes_written = 0
    output: _Output | None = None
    for segment, following in zip_longest(sources, sources[1:]):
        output = output or _Output(files, job, segment)
        yield from output.take(segment, following, batches)
        bytes_read += segment.size
        if output.takes_next:
            continue
        bytes_written += output.size
        replaced = output.finish(transactions.retained)
        transactions.retained = []
        output = None
        if replaced is not None:
            yield replaced
    yield Finished(
        end_offset, batches.records_read, batches.records_kept, batches.records_without_key, bytes_read, bytes_written,
        offsets.utilization,
    )  # fmt: skip


def _aborted_transactions(files: FileSystem, job: Job) -> list[AbortedTransaction]:
    paths = [path_of(job.directory, base_offset, TRANSACTION_INDEX_SUFFIX) for base_offset in job.transaction_indexes]
    return [each for path in paths for each in decode(read_file(files, path))]


def _fill(files: FileSystem, job: Job, offsets: OffsetMap, aborted: Sequence[AbortedTransaction]) -> Iterator[int]:
    """Put the dirty records in until the map is full or the upper offset reached."""
    transactions = CleanedTransactions()
    transactions.add_aborted(each for each in aborted if each.last_offset >= job.first_dirty_offset)
    offsets.latest_offset = job.first_dirty_offset - 1
    for segment in [each for each in job.segments if each.end_offset > job.first_dirty_offset]:
        for chunk in chunks_of(files, path_of(job.directory, segment.base_offset, LOG_SUFFIX), segment, job):
            if _fill_from(chunk, job.first_dirty_offset, offsets, transactions):
                return
            yield len(chunk.view)
        offsets.latest_offset = segment.end_offset - 1  # Also over a gap at the end.


def _fill_from(chunk: Chunk, first_dirty_offset: int, offsets: OffsetMap, transactions: CleanedTransactions) -> bool:
    """Whether the map is full, and not all of the chunk is in it."""
    for position, header in chunk.batches:
        if header.last_offset < first_dirty_offset:
            continue
        batch = chunk.view[position : position + header.size]
        if header.is_control:
            transactions.on_marker(header, marker_of(batch, header))
        if header.is_control or not header.count or transactions.on_batch(header):
            offsets.latest_offset = header.last_offset
            continue
        for span in spans_of(blob_of(batch, header), header.count):
            offset = header.base_offset + span.offset_delta
            if span.key is not None and offset >= first_dirty_offset:
                if offsets.is_full:
                    return True
                offsets.put(span.key, offset)
        offsets.latest_offset = header.last_offset
    return False


class _Output:
    """One new segment in the making."""

    def __init__(self, files: FileSystem, job: Job, first: SourceSegment) -> None:
        self._files = files
        self._job = job
        self._base_offset = first.base_offset
        self._sources: list[int] = []
        self._indexes = IndexBuilder(self._base_offset, job.index_interval_bytes)
        self._is_changed = False
        self._started_at = 0
        self.size = 0
        self.takes_next = False
        """Whether the segment that follows the last one taken becomes part of this one too."""
        self._write(LOG_SUFFIX, b"", 0)

    def take(self, segment: SourceSegment, following: SourceSegment | None, batches: BatchFilter) -> Iterator[int]:
        """Filter a segment into the `.log`. Raises as `clean`."""
        self._is_changed = self._is_changed or bool(self._sources)
        self._sources.append(segment.base_offset)
        self.takes_next = self._has_room(self.size, following)
        path = path_of(self._job.directory, segment.base_offset, LOG_SUFFIX)
        for chunk in chunks_of(self._files, path, segment, self._job):
            pieces = self._filtered(chunk, batches, following, is_final=chunk.end == segment.size)
            yield len(chunk.view) + self._append(pieces)

    def _has_room(self, size: int, following: SourceSegment | None) -> bool:
        if following is None:
            return False
        so_far = Output(self._base_offset, size, *self._indexes.sizes)
        return has_room(so_far, following, self._job.segment_bytes, self._job.index_bytes)

    def finish(self, retained: Sequence[AbortedTransaction]) -> Replaced | None:
        """Write the indexes; None, and no output, where that would be the only source over again."""
        if not self._is_changed:
            self._files.unlink(cleaned_path(self._job.directory, self._base_offset, LOG_SUFFIX, self._job.id))
            return None
        indexes = self._indexes.finish(self.size)
        self._write(LOG_SUFFIX, b"", self.size, sync=True)
        self._write(OFFSET_INDEX_SUFFIX, indexes.offsets, 0, sync=True)
        self._write(TIME_INDEX_SUFFIX, indexes.times, 0, sync=True)
        had_one = any(each in self._job.transaction_indexes for each in self._sources)
        if retained or had_one:  # An old one would else keep its place, and name transactions that are gone.
            self._write(TRANSACTION_INDEX_SUFFIX, b"".join(map(encode, retained)), 0, sync=True)
        largest = self._indexes.largest
        return Replaced(
            tuple(self._sources), self.size, largest.timestamp_ms,
            self._base_offset + largest.relative_offset,
        )  # fmt: skip

    def _filtered(
        self, chunk: Chunk, batches: BatchFilter, following: SourceSegment | None, *, is_final: bool
    ) -> list[memoryview | bytearray]:
        """What is left of a chunk; runs of whole batches stay in one piece.

        Of the last batch of an output at least the header is kept, so that no segment ends before the next begins: a
        recovery takes that for a lost end.
        """
        pieces: list[memoryview | bytearray] = []
        run_begin = run_end = 0
        size = self.size
        for position, header in chunk.batches:
            end = position + header.size
            batch = chunk.view[position:end]
            fate = batches.fate(batch, header)
            if is_final and end == len(chunk.view):
                left = size + (header.size if fate is UNTOUCHED else len(fate) if isinstance(fate, bytearray) else 0)
                self.takes_next = self._has_room(left, following)
                if fate is GONE and not self.takes_next:
                    fate = without_records(header)
            if fate is UNTOUCHED:
                self._indexes.add(size, header.last_offset, header.max_timestamp)
                size += header.size
                if run_end != position:
                    pieces.append(chunk.view[run_begin:run_end])
                    run_begin = position
                run_end = end
                continue
            self._is_changed = True
            if fate is GONE:
                continue
            assert isinstance(fate, bytearray)
            pieces += (chunk.view[run_begin:run_end], fate)
            run_begin = run_end = end
            self._indexes.add(size, header.last_offset, read_header(fate).max_timestamp)
            size += len(fate)
        pieces.append(chunk.view[run_begin:run_end])
        return [piece for piece in pieces if len(piece)]

    def _append(self, pieces: Sequence[memoryview | bytearray]) -> int:
        content = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        if len(content):
            self._write(LOG_SUFFIX, content, self.size)
            self.size += len(content)
        return len(content)

    def _write(self, suffix: str, content: Buffer, position: int, *, sync: bool = False) -> None:
        """Nothing stays open: a cleaning may end between any two of its steps."""
        path = cleaned_path(self._job.directory, self._base_offset, suffix, self._job.id)
        fd = self._files.open(path, os.O_WRONLY | os.O_CREAT)
        try:
            write_all(self._files, fd, content, position)
            if sync:
                self._files.datasync(fd)
            elif self.size - self._started_at >= WRITEBACK_BYTES:  # Else the sync at the end has all to wait for.
                self._files.start_writeback(fd, self._started_at, self.size - self._started_at)
                self._started_at = self.size
        finally:
            self._files.close(fd)
