"""Where a snapshot ends, and what that says about the log of today."""

import pytest

from odradek.kappa.client import Identity, Range
from odradek.kappa.snapshots.errors import SnapshotError
from odradek.kappa.snapshots.positions import Positions, decode

LOG = Identity("cluster", "topic-id")


def test_positions_are_what_they_were_when_they_are_read_back() -> None:
    positions = Positions.of(LOG).moved({0: 5, 11: 7})
    assert decode(positions.encode()) == positions
    assert decode(None) is None


@pytest.mark.parametrize(
    "text", ["", "{}", '{"cluster_id":1}', "[]", '{"cluster_id":"a","topic_id":"b","next":{"x":1}}']
)
def test_what_is_no_positions_is_an_error_and_no_new_beginning(text: str) -> None:
    with pytest.raises(SnapshotError, match=r"kappa\.offsets cannot be read"):
        decode(text)


def test_what_the_log_has_more_is_left() -> None:
    positions = Positions.of(LOG).moved({0: 5, 1: 9})
    left = positions.left({0: Range(0, 8), 1: Range(3, 9), 2: Range(4, 6)}, "lake.t", "t")
    assert left == {0: Range(5, 8), 1: Range(9, 9), 2: Range(4, 6)}


def test_records_that_were_deleted_too_early_are_counted() -> None:
    with pytest.raises(SnapshotError, match=r"t-0 begins at 7 by now, .*: 2 records were deleted before they were"):
        Positions.of(LOG).moved({0: 5}).left({0: Range(7, 8)}, "lake.t", "t")


def test_a_log_that_ends_before_what_was_read_of_it_is_an_error() -> None:
    with pytest.raises(SnapshotError, match=r"t-0 ends at 3 and lake\.t at 5: it lost records"):
        Positions.of(LOG).moved({0: 5}).left({0: Range(0, 3)}, "lake.t", "t")


def test_another_log_is_refused() -> None:
    for other in (Identity("cluster", "another"), Identity("another", "topic-id")):
        with pytest.raises(SnapshotError, match=r"lake\.t holds another log than t is today"):
            Positions.of(LOG).check(other, "lake.t", "t")
