"""When a snapshot is due."""

from odradek.kappa.definition.quantities import Every
from odradek.kappa.snapshots.pace import Pace


def test_it_is_due_after_the_time_when_anything_waits() -> None:
    pace = Pace(Every(60_000, 1000), now_ms=0)
    assert not pace.is_due(59_999, waiting=1)
    assert pace.is_due(60_000, waiting=1)
    assert not pace.is_due(60_000, waiting=0)


def test_it_is_due_earlier_when_about_so_much_waits() -> None:
    pace = Pace(Every(60_000, 1000), now_ms=0)
    assert not pace.is_due(1, waiting=1_000_000)  # Nobody knows yet how large a record is.
    pace.took(1, records=10, size=100)
    assert not pace.is_due(2, waiting=99)
    assert pace.is_due(2, waiting=100)


def test_the_time_begins_anew_with_each_commit() -> None:
    pace = Pace(Every(60_000, 1000), now_ms=0)
    pace.took(50_000, records=1, size=1)
    assert not pace.is_due(60_000, waiting=1)
    assert pace.is_due(110_000, waiting=1)
