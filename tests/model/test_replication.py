"""No order of appends, fetches, ISR changes, deaths and elections loses what was committed.

The invariants are those of Kafka's published specifications: the leader is in the ISR, whoever is in the ISR has all
that is committed, logs agree up to the high watermark, what was shown is never taken back.
"""

import os

import pytest

from tests.model.replication import Bounds, problem_of, start, steps
from tests.model.search import search, walk

STATES_MAX = int(os.environ.get("ODRADEK_MODEL_STATES", "20000"))
WALKS = int(os.environ.get("ODRADEK_MODEL_WALKS", "400"))


@pytest.mark.parametrize(
    "bounds",
    [
        Bounds(records=2, deaths=1, power_losses=0, isr_changes=1),
        Bounds(records=1, deaths=2, power_losses=0, isr_changes=2),
        Bounds(records=1, deaths=0, power_losses=1, isr_changes=2),
        Bounds(records=1, deaths=1, power_losses=1, isr_changes=2),
    ],
    ids=str,
)
def test_what_is_committed_stays(bounds: Bounds) -> None:
    found = search(start(bounds), steps, problem_of, states_max=STATES_MAX)
    assert found.problem is None, f"{found.problem} after {', '.join(found.path)}"
    assert found.states > 1_000


def test_long_histories_lose_nothing_either() -> None:
    bounds = Bounds(records=5, deaths=4, power_losses=2, isr_changes=8)
    for seed in range(WALKS):
        found = walk(start(bounds), steps, problem_of, seed=seed, steps_max=80)
        assert found.problem is None, f"seed {seed}: {found.problem} after {', '.join(found.path)}"
