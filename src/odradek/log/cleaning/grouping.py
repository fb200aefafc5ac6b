"""Which segments become one, so that segments do not get smaller with each compaction (Kafka: groupSegmentsBySize)."""

from collections.abc import Sequence

from odradek.log.cleaning.job import SourceSegment
from odradek.log.segment import RELATIVE_OFFSET_MAX


def group_segments(
    segments: Sequence[SourceSegment], segment_bytes: int, index_bytes: int
) -> list[tuple[SourceSegment, ...]]:
    """Consecutive segments whose records, offset indexes and time indexes fit into one each, and whose offsets do."""
    groups: list[list[SourceSegment]] = []
    size = offsets = times = 0
    for segment in segments:
        size += segment.size
        offsets += segment.offset_index_bytes
        times += segment.time_index_bytes
        fits = size <= segment_bytes and offsets <= index_bytes and times <= index_bytes
        if groups and fits and segment.end_offset - 1 - groups[-1][0].base_offset <= RELATIVE_OFFSET_MAX:
            groups[-1].append(segment)
        else:
            groups.append([segment])
            size, offsets, times = segment.size, segment.offset_index_bytes, segment.time_index_bytes
    return [tuple(group) for group in groups]
