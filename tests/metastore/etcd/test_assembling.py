"""Events come in responses and fragments of any cut; what is told is whole revisions, each once."""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odradek.metastore.etcd.assembling import DELETE, Assembler
from odradek.metastore.etcd.messages import CLASSES
from odradek.metastore.store import Event, Progress, RevisionBatch


def put(key: str, revision: int, value: str = "") -> Any:
    kv = CLASSES["KeyValue"](key=key.encode(), value=value.encode(), mod_revision=revision)
    return CLASSES["Event"](kv=kv)


def delete(key: str, revision: int) -> Any:
    return CLASSES["Event"](type=DELETE, kv=CLASSES["KeyValue"](key=key.encode(), mod_revision=revision))


def batch(revision: int, *keys: str) -> RevisionBatch:
    return RevisionBatch(revision, tuple(Event(key.encode(), b"", revision) for key in keys))


def test_one_response_holds_many_revisions() -> None:
    assembler = Assembler(b"p/", 5)
    told = assembler.take([put("p/b", 6), put("p/a", 6), put("p/a", 7)], more_follows=False)
    assert told == [batch(6, "p/a", "p/b"), batch(7, "p/a")]
    assert assembler.seen == 7


def test_a_deletion_has_no_value() -> None:
    (told,) = Assembler(b"", 0).take([delete("a", 2)], more_follows=False)
    assert told == RevisionBatch(2, (Event(b"a", None, 2),))


def test_a_revision_that_a_fragment_parts_is_held_back_until_it_is_whole() -> None:
    assembler = Assembler(b"p/", 5)
    assert assembler.take([put("p/a", 6), put("p/a", 7)], more_follows=True) == [batch(6, "p/a")]
    assert assembler.take([put("p/b", 7)], more_follows=True) == []
    assert assembler.take([put("p/c", 7)], more_follows=False) == [batch(7, "p/a", "p/b", "p/c")]


def test_revisions_elsewhere_are_told_once_at_the_end_of_a_response() -> None:
    assembler = Assembler(b"p/", 5)
    assert assembler.take([put("x", 6), put("p/a", 7), put("x", 8), put("x", 9)], more_follows=False) == [
        batch(7, "p/a"),
        Progress(9),
    ]
    assert assembler.take([], more_follows=False) == []


def test_what_was_told_before_is_dropped() -> None:
    assembler = Assembler(b"", 6)
    assert assembler.take([put("a", 5), put("a", 6), put("a", 7)], more_follows=False) == [batch(7, "a")]


def in_pieces(events: Sequence[Any], cuts: Iterable[int]) -> list[Sequence[Any]]:
    edges = [0, *sorted(cut % (len(events) + 1) for cut in cuts), len(events)]
    return [events[start:end] for start, end in pairwise(edges)]


@given(
    sizes=st.lists(st.integers(1, 4), min_size=1, max_size=8),
    cuts=st.lists(st.integers(0, 40), max_size=6),
    prefix=st.sampled_from(["", "p/", "q/"]),
)
def test_fragments_of_any_size_tell_the_same_as_one_response(sizes: list[int], cuts: list[int], prefix: str) -> None:
    events = [
        put(f"{'pq'[(revision + number) % 2]}/{number}", revision + 2)
        for revision, size in enumerate(sizes)
        for number in range(size)
    ]
    whole = Assembler(prefix.encode(), 1).take(events, more_follows=False)
    assembler, pieces, told = Assembler(prefix.encode(), 1), in_pieces(events, cuts), []
    for index, piece in enumerate(pieces):
        told += assembler.take(piece, more_follows=index < len(pieces) - 1)
    assert [change for change in told if isinstance(change, RevisionBatch)] == [
        change for change in whole if isinstance(change, RevisionBatch)
    ]
    assert assembler.seen == told[-1].revision == whole[-1].revision == len(sizes) + 1
    assert [change.revision for change in told] == sorted({change.revision for change in told})


@pytest.mark.parametrize("name", sorted(CLASSES))
def test_every_message_of_ours_can_be_written_and_read(name: str) -> None:
    assert CLASSES[name].FromString(CLASSES[name]().SerializeToString()) == CLASSES[name]()
