"""Does a segment hold what it must? Pure: bytes of its files in, problems out. The rules are Kafka's formats' own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from odradek.host.files import Buffer
from odradek.log import offset_index, time_index
from odradek.log.errors import CorruptIndexError
from odradek.wire.errors import InvalidBatchError, UnsupportedMagicError
from odradek.wire.record_codec import decode_batch
from odradek.wire.records import CODEC_MAX, COMPRESSION_MASK, BatchHeader, batches, crc_is_valid

_ENTRY_PROBLEMS_MAX = 20


class _Batch(NamedTuple):
    position: int
    header: BatchHeader
    largest_timestamp: int
    """Of this batch and all before it in the segment."""


@dataclass(slots=True)
class SegmentReport:
    """What was found in one segment. `next_offset` is the lowest offset that the following segment may begin with."""

    next_offset: int
    batches: int = 0
    records: int = 0
    problems: list[str] = field(default_factory=list)


def check_segment(
    base_offset: int, log: Buffer, offsets: bytes | None, times: bytes | None, *, is_closed: bool, decode: bool
) -> SegmentReport:
    """Check one segment.

    Args:
        log: Content of the `.log` file.
        offsets: Content of the `.index` file; None when there is none.
        times: Content of the `.timeindex` file; None when there is none.
        is_closed: Whether a later segment follows, so that this one is complete.
        decode: Also decompress and decode every record.
    """
    report = SegmentReport(base_offset)
    found = _check_batches(base_offset, log, report, decode)
    # A segment that is still written gets its index files with their first entries.
    if found and is_closed and times is None:
        report.problems.append("the time index is missing")
    report.problems += _some(_index_problems(base_offset, offsets or b"", found))
    report.problems += _some(_time_index_problems(base_offset, times or b"", found))
    return report


def _check_batches(base_offset: int, log: Buffer, report: SegmentReport, decode: bool) -> list[_Batch]:
    found: list[_Batch] = []
    end, largest = 0, -1
    try:
        for position, header in batches(log):
            report.problems += [
                f"batch at position {position}: {problem}"
                for problem in _batch_problems(log, position, header, report.next_offset, decode)
            ]
            largest = max(largest, header.max_timestamp)
            found.append(_Batch(position, header, largest))
            report.batches += 1
            report.records += header.count
            report.next_offset = max(report.next_offset, header.last_offset + 1)
            end = position + header.size
    except (InvalidBatchError, UnsupportedMagicError) as error:
        report.problems.append(f"no batch begins at position {end}: {error}")
        return found
    if end != len(log):
        report.problems.append(f"the {len(log) - end} bytes from position {end} on are no whole batch")
    return found


def _batch_problems(log: Buffer, position: int, header: BatchHeader, lowest: int, decode: bool) -> Iterator[str]:
    if not crc_is_valid(log, position, header):
        yield "the CRC does not match"
        return
    if header.base_offset < lowest:
        yield f"base offset {header.base_offset} is below {lowest}"
    if not 0 <= header.count <= header.last_offset_delta + 1:
        yield f"{header.count} records cannot lie in {header.last_offset_delta + 1} offsets"
    if (codec := header.attributes & COMPRESSION_MASK) > CODEC_MAX:
        yield f"compression codec {codec} is unknown"
    elif decode:
        try:
            with memoryview(log) as view, view[position : position + header.size] as batch:
                decode_batch(batch)
        except InvalidBatchError as error:
            yield str(error)


def _index_problems(base_offset: int, content: bytes, found: list[_Batch]) -> Iterator[str]:
    try:
        entries = offset_index.entries_of(_used(content, offset_index.ENTRY_SIZE))
    except CorruptIndexError as error:
        yield str(error)
        return
    starts = {batch.position: batch.header.last_offset for batch in found}
    for entry in entries:
        offset = base_offset + entry.relative_offset
        if starts.get(entry.position) != offset:
            yield f"offset index: no batch that ends with offset {offset} begins at position {entry.position}"


def _time_index_problems(base_offset: int, content: bytes, found: list[_Batch]) -> Iterator[str]:
    try:
        entries = time_index.entries_of(_used(content, time_index.ENTRY_SIZE))
    except CorruptIndexError as error:
        yield str(error)
        return
    ends = {batch.header.last_offset: batch.largest_timestamp for batch in found}
    for entry in entries:
        offset = base_offset + entry.relative_offset
        if ends.get(offset) != entry.timestamp_ms:
            yield f"time index: {entry.timestamp_ms} is not the largest timestamp up to offset {offset}"


def _used(content: bytes, entry_size: int) -> bytes:
    """Without the zeros that an index being written may be followed by."""
    end = len(content) // entry_size * entry_size
    while end and not any(content[end - entry_size : end]):
        end -= entry_size
    return content[:end]


def _some(problems: Iterator[str]) -> list[str]:
    told = list(problems)
    more = [f"and {len(told) - _ENTRY_PROBLEMS_MAX} more index entries"] if len(told) > _ENTRY_PROBLEMS_MAX else []
    return told[:_ENTRY_PROBLEMS_MAX] + more
