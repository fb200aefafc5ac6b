"""A broker that lives and does its work badly gives its leaderships to others, and gets them back when it is well.

A leader that was replaced without knowing sends its clients away.
"""

from collections.abc import Awaitable, Callable

import pytest

from tests.simulation.gray_lives import TROUBLES, Leaders, run_trouble


@pytest.mark.parametrize("trouble", TROUBLES, ids=[each.__name__ for each in TROUBLES])
@pytest.mark.parametrize("seed", range(3))
def test_a_broker_in_trouble_drags_nobody_along(trouble: Callable[[Leaders], Awaitable[None]], seed: int) -> None:
    run_trouble(seed, trouble)
