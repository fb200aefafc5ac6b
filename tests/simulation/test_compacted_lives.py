"""Any sequence of appends, rolls, compactions, deletions, truncations, crashes and restarts keeps what Kafka promises
of a compacted log: see `compacted_lives`."""

import pytest

from tests.simulation.compacted_lives import CompactedLives, Model, Written, run_compacted_lives
from tests.simulation.scenarios import compacted_log, replay_line

SEEDS_PER_TEST = 20


@pytest.mark.parametrize("begin", range(0, 160, SEEDS_PER_TEST))
def test_a_compacted_log_keeps_its_promises(begin: int) -> None:
    for seed in range(begin, begin + SEEDS_PER_TEST):
        assert compacted_log(seed), replay_line("compacted-log", seed)


def test_a_seed_replays_exactly() -> None:
    assert compacted_log(9) == compacted_log(9)


def test_lives_that_nothing_ends_do_all_there_is_to_do() -> None:
    assert run_compacted_lives(1, [])
    assert CompactedLives(1).model.records == {}


def test_the_model_wants_a_reason_for_what_is_gone() -> None:
    model = Model(records={0: Written(0, "a", "1"), 1: Written(1, "b", "2")})
    with pytest.raises(AssertionError, match="gone without a reason"):
        model.check(0, [Written(1, "b", "2")])
    model.check(1, [Written(1, "b", "2")])
    with pytest.raises(AssertionError, match="not what was written"):
        model.check(0, [Written(0, "a", "9"), Written(1, "b", "2")])
