"""Segments become one as long as all of the next may fit."""

import pytest

from odradek.log.cleaning.grouping import Output, has_room
from odradek.log.cleaning.job import SourceSegment

FOLLOWING = SourceSegment(base_offset=100, end_offset=200, size=500, offset_index_bytes=80, time_index_bytes=120)
LIMITS = {"segment_bytes": 1000, "index_bytes": 200}


@pytest.mark.parametrize(
    ("output", "fits"),
    [
        (Output(0, 500, 120, 80), True),
        (Output(0, 501, 0, 0), False),
        (Output(0, 0, 121, 0), False),
        (Output(0, 0, 0, 81), False),
    ],
)
def test_records_and_both_indexes_must_fit(output: Output, fits: bool) -> None:
    assert has_room(output, FOLLOWING, **LIMITS) == fits


def test_offsets_relative_to_the_first_segment_must_fit_into_31_bits() -> None:
    far = SourceSegment(base_offset=100, end_offset=2**31, size=1, offset_index_bytes=0, time_index_bytes=0)
    assert has_room(Output(0, 0, 0, 0), far, **LIMITS)
    assert not has_room(Output(0, 0, 0, 0), SourceSegment(100, 2**31 + 1, 1, 0, 0), **LIMITS)
    assert has_room(Output(1, 0, 0, 0), SourceSegment(100, 2**31 + 1, 1, 0, 0), **LIMITS)
