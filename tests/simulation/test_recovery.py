"""The metadata store is put back from an older backup: brokers refuse it, and a recovery takes what they have."""

from collections.abc import Awaitable, Callable

import pytest

from odradek.simulation import Process
from tests.simulation.recovery_lives import RESTORINGS, Restored, run_restoring


@pytest.mark.parametrize("restoring", RESTORINGS, ids=[each.__name__ for each in RESTORINGS])
@pytest.mark.parametrize("seed", range(3))
def test_an_older_store_is_known_and_nothing_acknowledged_is_lost_with_it(
    restoring: Callable[[Restored, Process], Awaitable[None]], seed: int
) -> None:
    run_restoring(seed, restoring)
