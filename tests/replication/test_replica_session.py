"""The follower's side of fetch sessions, held against the leader's."""

import random
from typing import Any
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st
from kio.schema.errors import ErrorCode

from odradek.broker.fetch_sessions import FetchContext, FetchSessions
from odradek.replication.replica_session import NO_SESSION, Asked, ReplicaSession
from odradek.wire.fetch import FetchPartition, FetchRequest, PartitionResult
from odradek.wire.produce import TopicKey
from odradek.wire.replica_fetch import VERSION, Key, Position

TOPIC = UUID(int=0xF1)
A, B, C = (TOPIC.bytes, 0), (TOPIC.bytes, 1), (TOPIC.bytes, 2)


def at(offset: int, epoch: int = 1) -> Position:
    return Position(epoch, offset, epoch, 0, offset)


def begun(*keys: Key) -> ReplicaSession:
    """A session the leader has named 7."""
    session = ReplicaSession()
    for key in keys:
        session.want(key, at(0))
    session.next_request()
    assert session.answered(0, 7, keys)
    return session


def test_the_first_request_tells_everything_and_the_next_ones_only_what_has_changed() -> None:
    session = ReplicaSession()
    session.want(A, at(0))
    session.want(B, at(5))
    assert session.next_request() == Asked((0, 0), {A: at(0), B: at(5)}, [], False)
    assert session.answered(0, 7, [A, B])
    session.want(A, at(3))
    session.want(B, at(5))
    assert session.next_request() == Asked((7, 1), {A: at(3)}, [], False)
    assert session.answered(0, 7, [])
    assert session.next_request() == Asked((7, 2), {}, [], False)


def test_a_new_leader_epoch_is_told_even_when_the_offset_is_the_same() -> None:
    session = begun(A)
    session.want(A, at(0, epoch=2))
    assert session.next_request().positions == {A: at(0, epoch=2)}


def test_what_is_not_wanted_any_more_is_forgotten_once() -> None:
    session = begun(A, B)
    session.forget(A)
    assert session.next_request() == Asked((7, 1), {}, [A], False)
    assert session.answered(0, 7, [])
    assert session.next_request().forgotten == []
    session.want(A, at(0))
    session.answered(0, 7, [])
    assert session.next_request().positions == {A: at(0)}


def test_what_was_wanted_again_before_it_was_forgotten_is_still_known() -> None:
    session = begun(A)
    session.forget(A)
    session.want(A, at(0))
    assert session.next_request() == Asked((7, 1), {}, [], False)


def test_after_an_error_the_next_request_tells_everything_and_names_the_old_session() -> None:
    session = begun(A, B)
    session.want(A, at(4))
    session.next_request()
    assert not session.answered(ErrorCode.invalid_fetch_session_epoch, NO_SESSION, [])
    asked = session.next_request()
    assert asked.session == (7, 0)
    assert asked.positions == {A: at(4), B: at(0)}


def test_a_session_the_leader_does_not_know_is_not_named_again() -> None:
    session = begun(A)
    session.next_request()
    assert not session.answered(ErrorCode.fetch_session_id_not_found, NO_SESSION, [])
    assert session.next_request().session == (0, 0)


def test_a_leader_without_room_for_a_session_is_told_everything_each_time() -> None:
    session = ReplicaSession()
    session.want(A, at(0))
    session.next_request()
    assert session.answered(0, NO_SESSION, [A])
    assert session.told(A) == at(0)
    session.want(A, at(2))
    session.want(B, at(0))
    assert session.next_request() == Asked((0, 0), {A: at(2), B: at(0)}, [], False)


def test_an_answer_that_does_not_fit_is_not_used_and_ends_the_session() -> None:
    for session_id, keys in ((8, [A]), (7, [C])):
        session = begun(A, B)
        session.next_request()
        assert not session.answered(0, session_id, keys)
        assert session.next_request().session == (7, 0)
    session = ReplicaSession()
    session.want(A, at(0))
    session.want(B, at(0))
    session.next_request()
    assert not session.answered(0, 7, [A]), "a first answer has all partitions"


def test_a_request_holds_so_many_partitions_and_the_next_one_the_others() -> None:
    session = ReplicaSession()
    for key in (A, B, C):
        session.want(key, at(0))
    assert session.next_request(2) == Asked((0, 0), {A: at(0), B: at(0)}, [], True)
    assert session.answered(0, 7, [A, B])
    assert session.next_request(2) == Asked((7, 1), {C: at(0)}, [], False)


def test_without_a_session_every_partition_has_its_turn() -> None:
    session = ReplicaSession()
    for key in (A, B, C):
        session.want(key, at(0))
    asked = []
    for _ in range(3):
        keys = list(session.next_request(2).positions)
        assert session.answered(0, NO_SESSION, keys)
        asked.append(keys)
    assert asked == [[A, B], [C, A], [B, C]]


class Leader:
    """The broker's sessions, and what its last context wants to read."""

    def __init__(self) -> None:
        self.sessions = FetchSessions(10, random.Random(1))

    def serve(self, asked: Asked) -> tuple[FetchContext, dict[Key, Position]]:
        positions = [_wanted(key[1], each) for key, each in asked.positions.items()]
        topics: list[tuple[TopicKey, list[FetchPartition]]] = [(TOPIC, positions)]
        request = FetchRequest(
            2, 9, 500, 1, 1 << 20, 0, *asked.session, topics, [(TOPIC, [key[1] for key in asked.forgotten])], "", None
        )  # fmt: skip
        context = self.sessions.context(request, VERSION, 0)
        return context, {(TOPIC.bytes, each.partition): _position(each) for _, each, _ in context.wanted()}


def _wanted(index: int, position: Position) -> FetchPartition:
    return FetchPartition(index, *position[:4], 1 << 20)


def _position(wanted: FetchPartition) -> Position:
    return Position(*wanted[1:5], wanted.fetch_offset)


Step = tuple[str, int, int]
ACTIONS = st.sampled_from(["want", "forget", "ask", "ask", "lose", "forget session"])
STEPS = st.lists(st.tuples(ACTIONS, st.integers(0, 4), st.integers(0, 3)), max_size=40)


@settings(max_examples=300)
@given(STEPS, st.integers(1, 4))
def test_after_each_answered_request_the_leader_reads_exactly_what_the_follower_wants(
    steps: list[Step], positions_max: int
) -> None:
    session, leader = ReplicaSession(), Leader()
    wanted: dict[Key, Position] = {}
    for action, number, offset in steps:
        key = (TOPIC.bytes, number)
        if action == "want":
            wanted[key] = at(offset)
            session.want(key, at(offset))
        elif action == "forget":
            wanted.pop(key, None)
            session.forget(key)
        elif action == "forget session":
            leader.sessions = FetchSessions(10, random.Random(offset))
        elif action == "lose":
            if wanted:
                leader.serve(session.next_request(positions_max))
            session.drop()
        else:
            settle(session, leader, wanted, positions_max)


def settle(session: ReplicaSession, leader: Leader, wanted: dict[Key, Position], positions_max: int) -> None:
    """Ask until there is nothing more to tell."""
    for _ in range(20):
        if not wanted:
            return
        asked = session.next_request(positions_max)
        context, read = leader.serve(asked)
        known = read if context.session else asked.positions
        results: Any = {(TOPIC, index): (PartitionResult(index, 0, 0, 0, 0), 0) for _, index in known}
        error, session_id, answered = context.answer(results)
        usable = session.answered(error, session_id, [(TOPIC.bytes, index) for _, index in answered])
        if usable and not asked.has_more:
            assert known == wanted
            return
    raise AssertionError("the leader was never told everything")
