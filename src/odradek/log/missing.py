"""Comparing a log with its inventory: segments that are gone, or not as long as they were when they were synced.

Only names and sizes are compared, which opening knows anyway. Where they differ, the batches before the difference are
walked to say up to which offset the log is intact.
"""

from typing import TYPE_CHECKING

from odradek.log import reading
from odradek.log.errors import DamagedLogError
from odradek.log.inventory import Kind, Listing
from odradek.log.paths import LOG_SUFFIX, path_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from odradek.log.segment import Segment


def check_segments(segments: "Sequence[Segment]", listing: Listing, *, was_clean: bool) -> None:
    """Raise DamagedLogError at the first difference that cannot have come about since. Raises OSError.

    After a clean stop there can be none. After a crash the beginning may have been removed by retention, the last
    listed segment may have grown, and others may follow it; a compacted log may have changed anywhere.
    """
    was_clean = was_clean and listing.is_whole  # Else something was not synced: a segment that had just begun.
    if listing.kind is Kind.COMPACTED and not was_clean:
        return
    found = {segment.base_offset: segment for segment in segments}
    last_listed = listing.segments[-1][0] if listing.segments else -1
    for base_offset, size in listing.segments:
        segment = found.get(base_offset)
        if segment is not None:
            _check_size(segment, size, may_have_grown=base_offset == last_listed and not was_clean)
        elif base_offset > segments[0].base_offset:
            before = [each for each in segments if each.base_offset < base_offset][-1]
            raise DamagedLogError(before.log_path, before.size, base_offset, f"segment {base_offset} is missing")
    if was_clean and segments[-1].base_offset > last_listed and (active := found.get(last_listed)) is not None:
        reason = f"segment {segments[-1].base_offset} was not there"
        raise DamagedLogError(active.log_path, active.size, listing.end_offset, reason)
    if listing.is_whole and (was_clean or listing.kind is Kind.DAMAGED):
        _check_beginning(segments, listing)


def all_missing(directory: str, base_offset: int) -> DamagedLogError:
    """There were records, and now there is no segment."""
    return DamagedLogError(path_of(directory, base_offset, LOG_SUFFIX), 0, base_offset, "every segment is missing")


def _check_size(segment: "Segment", size: int, *, may_have_grown: bool) -> None:
    if segment.size == size or (segment.size > size and may_have_grown):
        return
    difference = segment.size - size
    segment.size = min(segment.size, size)
    intact_offset = reading.end_offset_of(segment)
    reason = f"{abs(difference)} bytes are {'missing' if difference < 0 else 'there that were not'}"
    raise DamagedLogError(segment.log_path, segment.size, intact_offset, reason)


def _check_beginning(segments: "Sequence[Segment]", listing: Listing) -> None:
    """A lost beginning leaves all of the rest readable: the damage is reported at its end."""
    first = listing.segments[0][0]
    if segments[0].base_offset > first:
        reason = f"the segments from offset {first} to {segments[0].base_offset} are missing"
        end_offset = max(listing.end_offset, segments[-1].base_offset)
        raise DamagedLogError(segments[-1].log_path, segments[-1].size, end_offset, reason)
