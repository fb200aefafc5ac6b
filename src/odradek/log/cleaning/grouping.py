"""Which segments become one, so that segments do not get smaller with each compaction.

Kafka's groupSegmentsBySize goes by what the segments are before. Here it is what has become of them so far that must
leave room for all of the next one: segments of which little is left end up together at once.
"""

from typing import NamedTuple

from odradek.log.cleaning.job import SourceSegment
from odradek.log.segment import RELATIVE_OFFSET_MAX


class Output(NamedTuple):
    """A new segment so far; sizes in bytes of its three files."""

    base_offset: int
    size: int
    offset_index_bytes: int
    time_index_bytes: int


def has_room(output: Output, following: SourceSegment, segment_bytes: int, index_bytes: int) -> bool:
    """Whether all of the next segment may become part of it."""
    return (
        output.size + following.size <= segment_bytes
        and output.offset_index_bytes + following.offset_index_bytes <= index_bytes
        and output.time_index_bytes + following.time_index_bytes <= index_bytes
        and following.end_offset - 1 - output.base_offset <= RELATIVE_OFFSET_MAX
    )
