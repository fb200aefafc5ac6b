"""Fetch sessions say what changes and nothing else; slow readers get what they asked for."""

import pytest

from tests.simulation.scenarios import readers, replay_line


@pytest.mark.parametrize("seed", range(20))
def test_readers_find_each_record_as_it_was_stored(seed: int) -> None:
    assert readers(seed), replay_line("readers", seed)
