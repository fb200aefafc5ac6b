"""Whether a store is the one that a broker has seen before."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odradek.cluster.history import TOKENS_MAX, HistoryEntry, epoch_floor, objection, outdated
from odradek.cluster.records import HistoryRecord
from odradek.log.remembered import NOTHING_REMEMBERED, Remembered

BROKER = 1


def chain(*entries: str, **brokers: int) -> list[HistoryEntry]:
    """Each entry is `token@since` or `kind@since`; `b1=97`: a recovery took broker 1's 97 revisions into account."""
    found = []
    for entry in entries:
        token, _, since = entry.partition("@")
        kind = token if token in ("recovering", "recovered") else "registered"
        covered = {int(name[1:]): seen for name, seen in brokers.items()} if kind == "recovered" else {}
        found.append(HistoryEntry(token, int(since), HistoryRecord(BROKER, kind, covered)))  # type: ignore[arg-type]
    return found


@pytest.mark.parametrize(
    ("remembered", "seen", "revision"),
    [
        (NOTHING_REMEMBERED, 0, 30),
        (Remembered("a", 10), 10, 30),
        (Remembered("a", 19), 25, 30),
        (Remembered("b", 20), 20, 30),
        (Remembered("b", 30), 30, 30),
    ],
)
def test_a_store_that_went_on_is_used(remembered: Remembered, seen: int, revision: int) -> None:
    assert objection(chain("a@10", "b@20"), remembered, seen, revision, BROKER) is None


@pytest.mark.parametrize(
    ("remembered", "seen", "told"),
    [
        (Remembered("b", 30), 31, "revision 30, the data has seen 31"),
        (Remembered("c", 25), 25, "another one than the data has seen"),
        (Remembered("a", 20), 20, "between revisions 10 and 20"),
        (Remembered("b", 31), 30, "between revisions 20 and 31"),
    ],
)
def test_a_store_that_went_back_is_not_used_however_far_it_was_written_since(
    remembered: Remembered, seen: int, told: str
) -> None:
    problem = objection(chain("a@10", "b@20"), remembered, seen, 30, BROKER)
    assert problem is not None
    assert told in problem


def test_nobody_begins_while_a_recovery_is_not_finished() -> None:
    problem = objection(chain("a@10", "recovering@20"), NOTHING_REMEMBERED, 0, 30, BROKER)
    assert problem is not None
    assert "not finished" in problem


RECOVERED = chain("a@10", "recovered@20", "c@25", b1=97)


@pytest.mark.parametrize(
    ("remembered", "seen"),
    [(Remembered("lost", 90), 97), (Remembered("a", 97), 97), (Remembered("c", 26), 97), (NOTHING_REMEMBERED, 0)],
)
def test_a_recovery_lets_in_whom_it_took_into_account_and_who_is_new(remembered: Remembered, seen: int) -> None:
    assert objection(RECOVERED, remembered, seen, 30, BROKER) is None


@pytest.mark.parametrize("broker_id", [BROKER, 2])
def test_who_has_more_than_a_recovery_took_into_account_is_kept_out(broker_id: int) -> None:
    seen = 98 if broker_id == BROKER else 5
    problem = objection(RECOVERED, Remembered("lost", seen), seen, 30, broker_id)
    assert problem is not None
    assert "recovered without what this broker has" in problem


def test_a_store_that_goes_back_after_a_recovery_is_noticed_as_before() -> None:
    assert objection(RECOVERED, Remembered("c", 40), 97, 30, BROKER) is not None
    assert objection(RECOVERED, Remembered("c", 26), 98, 30, BROKER) is not None


def test_old_tokens_are_let_go() -> None:
    history = {f"t{number}": number for number in range(TOKENS_MAX + 3)}
    assert outdated(history) == ["t0", "t1", "t2"]
    assert outdated(dict(list(history.items())[:TOKENS_MAX])) == []


def test_broker_epochs_begin_above_those_of_the_last_recovery() -> None:
    recovered = HistoryEntry("r", 7, HistoryRecord(-1, "recovered", {}, 500))
    assert epoch_floor([*chain("a@1"), recovered]) == 500
    assert epoch_floor(chain("a@1")) == 0


@given(st.data())
def test_whoever_saw_what_was_lost_knows_it(data: st.DataObject) -> None:
    """A store of some revisions, some of them tokens, goes back and is written again, with a token first."""
    tokens = sorted(data.draw(st.sets(st.integers(1, 40), min_size=1)))
    seen = data.draw(st.integers(tokens[0], 40))
    kept = data.draw(st.integers(0, 40))
    written = data.draw(st.integers(1, 60))
    newest = max(each for each in tokens if each <= seen)
    entries = [f"t{each}@{each}" for each in tokens if each <= kept] + [f"new@{kept + 1}"]
    problem = objection(chain(*entries), Remembered(f"t{newest}", seen), seen, kept + written, BROKER)
    assert (problem is None) == (seen <= kept)
