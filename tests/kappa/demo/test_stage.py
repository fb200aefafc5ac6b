"""The demo compares what it says it compares."""

from datetime import datetime
from pathlib import Path

import pytest

from odradek.demo.flights import find_archive
from odradek.kappa.demo import Stage
from odradek.kappa.demo.comparing import differences
from odradek.kappa.demo.stage import Picture
from odradek.testing import BrokerProcess

AT = datetime(2013, 1, 7)
ROWS = [(AT, "UA", 2, 1.0), (AT, "AA", 3, None), (AT, None, 1, 0.5)]


def test_rows_in_any_order_are_equal_and_averages_nearly() -> None:
    assert differences(ROWS, ROWS[::-1]) == 0
    assert differences(ROWS, [(AT, "UA", 2, 1.0 + 1e-12), *ROWS[1:]]) == 0
    assert differences([], []) == 0


@pytest.mark.parametrize(
    "other",
    [
        ROWS[:2],
        [*ROWS, ROWS[0]],
        [(AT, "UA", 2, 1.001), *ROWS[1:]],
        [(AT, "UA", 3, 1.0), *ROWS[1:]],
        [(AT, "UA", 2, None), *ROWS[1:]],
        [],
    ],
)
def test_any_other_row_is_a_difference(other: list[tuple[object, ...]]) -> None:
    assert differences(ROWS, other) > 0


@pytest.mark.real_broker
def test_a_day_live_and_replayed_is_what_a_batch_says(tmp_path: Path) -> None:
    pictures = list[Picture]()
    with BrokerProcess(settings={"log.retention.ms": -1}) as broker:
        stage = Stage(broker.bootstrap, find_archive(), tmp_path, 1, 40_000)
        views = stage.open()
        try:
            verdicts = stage.play(pictures.append)
        finally:
            views.close()
    assert [(each.live_differs, each.replay_differs) for each in verdicts] == [(0, 0), (0, 0)]
    assert all(each.rows > 100 for each in verdicts)
    assert {picture.act for picture in pictures} == {"live", "replay"}
    assert pictures[-1].sent == pictures[-1].rows > 900
    assert pictures[-1].bars[0].flights > 100
