import random
from typing import Any

import pytest
from kio.schema.errors import ErrorCode

from odradek.broker.fetch_sessions import (
    EVICTABLE_AFTER_MS,
    CachedPartition,
    FetchContext,
    FetchSession,
    FetchSessions,
    next_epoch,
)
from odradek.wire.fetch import FetchPartition, FetchRequest, PartitionResult
from odradek.wire.produce import TopicKey

Result = tuple[PartitionResult, int]


def request(
    session: int = 0,
    epoch: int = 0,
    wanted: dict[int, int] | None = None,
    forgotten: tuple[int, ...] = (),
    replica_id: int = -1,
) -> FetchRequest:
    """Partitions of one topic with the offsets asked for; a consumer's unless a replica is named."""
    partitions = [FetchPartition(index, -1, offset, -1, -1, 1000) for index, offset in (wanted or {}).items()]
    topics: list[tuple[TopicKey, list[FetchPartition]]] = [("topic", partitions)] if partitions else []
    removed: list[tuple[TopicKey, list[int]]] = [("topic", list(forgotten))] if forgotten else []
    return FetchRequest(replica_id, -1, 0, 0, 0, 0, session, epoch, topics, removed, "", None)


def result(index: int, high_watermark: int = 10, records: int = 0, error: ErrorCode = ErrorCode.none) -> Result:
    if error:
        return PartitionResult(index, error), 0
    return PartitionResult(index, 0, high_watermark, high_watermark, 0), records


def asked(context: FetchContext) -> dict[int, int]:
    return {each.partition: each.fetch_offset for _, each, _ in context.wanted()}


def answered(context: FetchContext, *results: Result) -> tuple[ErrorCode, int, list[int]]:
    error, session_id, keys = context.answer({("topic", each[0].partition): each for each in results})
    return error, session_id, [index for _, index in keys]


def sessions(slots: int = 10) -> FetchSessions:
    return FetchSessions(slots, random.Random(1))


def begun(cache: FetchSessions, wanted: dict[int, int], now_ms: int = 0, replica_id: int = -1) -> int:
    """The id of a new session, 0 when it got none."""
    context = cache.context(request(wanted=wanted, replica_id=replica_id), 12, now_ms)
    return answered(context, *(result(index) for index in wanted))[1]


def test_a_session_answers_changes_alone() -> None:
    cache = sessions()
    session = begun(cache, {0: 5, 1: 6})
    context = cache.context(request(session, 1), 12, 0)
    assert asked(context) == {0: 5, 1: 6}
    assert answered(context, result(0), result(1)) == (ErrorCode.none, session, [])
    context = cache.context(request(session, 2, {1: 9}), 12, 0)
    assert asked(context) == {0: 5, 1: 9}
    assert answered(context, result(0, 11), result(1)) == (ErrorCode.none, session, [0])


def test_partitions_are_added_and_forgotten() -> None:
    cache = sessions()
    session = begun(cache, {0: 5, 1: 6})
    assert asked(cache.context(request(session, 1, {2: 7}, forgotten=(0, 9)), 12, 0)) == {1: 6, 2: 7}


def test_a_partition_with_records_goes_to_the_end_of_the_line() -> None:
    cache = sessions()
    session = begun(cache, {0: 0, 1: 0, 2: 0})
    answered(cache.context(request(session, 1), 12, 0), result(0, records=100), result(1), result(2))
    assert list(asked(cache.context(request(session, 2), 12, 0))) == [1, 2, 0]


def test_an_error_is_sent_each_time_and_the_partition_again_when_it_is_over() -> None:
    cache = sessions()
    session = begun(cache, {0: 0})
    for epoch in (1, 2):
        context = cache.context(request(session, epoch), 12, 0)
        assert answered(context, result(0, error=ErrorCode.not_leader_or_follower))[2] == [0]
    assert answered(cache.context(request(session, 3), 12, 0), result(0))[2] == [0]
    assert answered(cache.context(request(session, 4), 12, 0), result(0))[2] == []


def test_an_unknown_session_is_an_error() -> None:
    assert answered(sessions().context(request(77, 1), 12, 0)) == (ErrorCode.fetch_session_id_not_found, 0, [])


def test_an_epoch_out_of_turn_is_an_error_and_changes_nothing() -> None:
    cache = sessions()
    session = begun(cache, {0: 0})
    for epoch in (2, 5):
        context = cache.context(request(session, epoch), 12, 0)
        assert answered(context) == (ErrorCode.invalid_fetch_session_epoch, 0, [])
    assert asked(cache.context(request(session, 1), 12, 0)) == {0: 0}


def test_a_session_keeps_to_names_or_to_ids() -> None:
    cache = sessions()
    session = begun(cache, {0: 0})
    context = cache.context(request(session, 1), 13, 0)
    assert answered(context) == (ErrorCode.fetch_session_topic_id_error, 0, [])


def test_a_request_that_was_overtaken_while_it_waited_is_an_error() -> None:
    cache = sessions()
    session = begun(cache, {0: 0})
    waiting = cache.context(request(session, 1), 12, 0)
    cache.context(request(session, 2), 12, 0)
    assert answered(waiting, result(0, 99)) == (ErrorCode.invalid_fetch_session_epoch, session, [])


def test_a_full_request_ends_the_session_it_names() -> None:
    cache = sessions()
    session = begun(cache, {0: 0})
    successor = answered(cache.context(request(session, 0, {0: 0}), 12, 0), result(0))[1]
    assert successor not in (0, session)
    assert answered(cache.context(request(session, 1), 12, 0))[0] is ErrorCode.fetch_session_id_not_found


def test_the_final_epoch_ends_a_session_and_makes_none() -> None:
    cache = sessions()
    session = begun(cache, {0: 0})
    assert answered(cache.context(request(session, -1, {0: 0}), 12, 0), result(0)) == (ErrorCode.none, 0, [0])
    assert len(cache) == 0


def test_a_session_without_partitions_is_over() -> None:
    cache = sessions()
    session = begun(cache, {0: 0})
    assert answered(cache.context(request(session, 1, forgotten=(0,)), 12, 0)) == (ErrorCode.none, 0, [])
    assert len(cache) == 0


@pytest.mark.parametrize("slots", [0, 1, 3])
def test_there_are_no_more_sessions_than_slots(slots: int) -> None:
    cache = sessions(slots)
    assert [begun(cache, {0: 0}) != 0 for _ in range(5)] == [i < slots for i in range(5)]
    assert len(cache) == slots


def test_the_longest_unused_session_makes_room_when_it_is_stale() -> None:
    cache = sessions(2)
    first, second = begun(cache, {0: 0}, 0), begun(cache, {0: 0}, 10)
    cache.context(request(first, 1), 12, 20)
    assert begun(cache, {0: 0}, 10 + EVICTABLE_AFTER_MS) == 0
    assert begun(cache, {0: 0}, 11 + EVICTABLE_AFTER_MS) != 0
    assert answered(cache.context(request(second, 1), 12, 0))[0] is ErrorCode.fetch_session_id_not_found
    assert asked(cache.context(request(first, 2), 12, 0)) == {0: 0}


def test_a_larger_session_takes_the_place_of_the_smallest_that_is_not_new() -> None:
    cache = sessions(2)
    small, large = begun(cache, {0: 0}), begun(cache, {0: 0, 1: 0, 2: 0})
    later = EVICTABLE_AFTER_MS + 1
    for session in (small, large):
        cache.context(request(session, 1), 12, later)
    assert begun(cache, {0: 0}, later) == 0
    assert begun(cache, {0: 0, 1: 0}, later) != 0
    assert answered(cache.context(request(small, 2), 12, later))[0] is ErrorCode.fetch_session_id_not_found
    assert asked(cache.context(request(large, 2), 12, later)) == {0: 0, 1: 0, 2: 0}


def test_epochs_wrap_past_the_initial_one() -> None:
    assert [next_epoch(epoch) for epoch in (0, 1, 2**31 - 1, -1)] == [1, 2, 1, -1]


class Log:
    """Stands where a partition does: knows who waits."""

    def __init__(self) -> None:
        self.waiters: list[Any] = []

    def add_fetch_waiter(self, waiter: Any) -> None:
        self.waiters.append(waiter)

    def remove_fetch_waiter(self, waiter: Any) -> None:
        self.waiters.remove(waiter)

    def change(self) -> None:
        for waiter in tuple(self.waiters):
            waiter.wake(self)


def quieted(cache: FetchSessions, *indexes: int) -> tuple[int, FetchSession, dict[int, Log]]:
    """A session in which partitions 0 to 3 are known, and these have nothing to say."""
    session_id = begun(cache, {0: 10, 1: 10, 2: 10, 3: 10})
    session = cache.context(request(session_id, 1), 12, 0).session
    assert session is not None
    logs = {index: Log() for index in indexes}
    for index, log in logs.items():
        session.settle(("topic", index), log)
    return session_id, session, logs


def test_a_quiet_partition_is_not_looked_at_until_it_has_changed() -> None:
    cache = sessions()
    session_id, _, logs = quieted(cache, 0, 2)
    assert list(asked(cache.context(request(session_id, 2), 12, 0))) == [1, 3]
    logs[2].change()
    assert list(asked(cache.context(request(session_id, 3), 12, 0))) == [1, 3, 2]
    assert logs[2].waiters == []


def test_a_quiet_partition_of_which_something_else_is_asked_is_looked_at() -> None:
    cache = sessions()
    session_id, session, logs = quieted(cache, 0, 2)
    assert asked(cache.context(request(session_id, 2, {0: 99}), 12, 0)) == {1: 10, 3: 10, 0: 99}
    assert logs[0].waiters == []
    assert logs[2].waiters == [session]


def test_a_quiet_partition_is_forgotten_like_any_other() -> None:
    cache = sessions()
    session_id, session, logs = quieted(cache, 0, 2)
    cache.context(request(session_id, 2, forgotten=(0, 1)), 12, 0)
    assert list(session.partitions) == [("topic", 2), ("topic", 3)]
    assert logs[0].waiters == []


def test_a_waiting_fetch_learns_which_quiet_partition_has_changed() -> None:
    cache = sessions()
    _, session, logs = quieted(cache, 0, 2)
    woken = []

    class Fetch:
        is_follower = False

        def wake(self, partition: object) -> None:
            woken.append(partition)

    session.waiting = Fetch()
    logs[2].change()
    assert woken == [logs[2]]


@pytest.mark.parametrize("epoch", [0, -1])
def test_a_session_that_ended_waits_for_nothing(epoch: int) -> None:
    cache = sessions()
    session_id, session, logs = quieted(cache, 0, 2)
    cache.context(request(session_id, epoch), 12, 0)
    late = Log()
    session.settle(("topic", 1), late)
    assert [log.waiters for log in (*logs.values(), late)] == [[], [], []]


def is_kept(cache: FetchSessions, session_id: int, now_ms: int = 0) -> bool:
    error, _, _ = answered(cache.context(request(session_id, 1), 12, now_ms))
    return error is ErrorCode.none


def test_a_replicas_session_takes_the_place_of_a_consumers_however_large_and_new_it_is() -> None:
    cache = sessions(slots=2)
    small, large = begun(cache, {0: 0}), begun(cache, {0: 0, 1: 0})
    assert begun(cache, {0: 0}, replica_id=2)
    assert (is_kept(cache, small), is_kept(cache, large)) == (False, True)


def test_a_replicas_session_gives_way_to_no_consumers_unless_it_is_stale() -> None:
    cache = sessions(slots=1)
    replicas = begun(cache, {0: 0}, replica_id=2)
    cache.context(request(replicas, 1), 12, EVICTABLE_AFTER_MS)
    assert not begun(cache, {0: 0, 1: 0}, 2 * EVICTABLE_AFTER_MS)
    assert begun(cache, {0: 0, 1: 0}, 2 * EVICTABLE_AFTER_MS + 1)


def test_a_replicas_session_takes_the_place_of_another_replicas_only_by_size_and_age() -> None:
    cache = sessions(slots=1)
    begun(cache, {0: 0}, replica_id=2)
    assert not begun(cache, {0: 0, 1: 0}, EVICTABLE_AFTER_MS, replica_id=3)
    assert not begun(cache, {0: 0}, EVICTABLE_AFTER_MS, replica_id=3)
    assert begun(cache, {0: 0, 1: 0}, EVICTABLE_AFTER_MS + 1, replica_id=3)


def test_a_session_that_was_evicted_waits_for_nothing() -> None:
    cache = sessions(slots=1)
    _, _, logs = quieted(cache, 0, 1, 2)
    assert begun(cache, {0: 1}, EVICTABLE_AFTER_MS + 1)
    assert all(log.waiters == [] for log in logs.values())


@pytest.mark.parametrize(
    ("offset", "answer", "is_known"),
    [
        (10, result(0), True),
        (9, result(0), False),
        (10, result(0, 11), False),
        (11, result(0, 11), False),
        (10, result(0, error=ErrorCode.not_leader_or_follower), False),
        (10, (PartitionResult(0, 0, 10, 10, 3), 0), False),
        (10, (PartitionResult(0, 0, 10, 9, 0), 0), False),
        (10, (PartitionResult(0, 0, 10, 10, 0, diverging=(1, 5)), 0), False),
    ],
)
def test_a_partition_is_quiet_when_its_client_knows_everything(offset: int, answer: Result, is_known: bool) -> None:
    cached = CachedPartition(FetchPartition(0, -1, offset, -1, -1, 1000))
    cached.note(*result(0))
    assert cached.has_told(answer[0], 10) is is_known


def test_a_replica_is_quiet_at_the_end_of_the_log_which_may_lie_beyond_the_high_watermark() -> None:
    cached = CachedPartition(FetchPartition(0, 3, 12, 3, 0, 1000))
    cached.note(*result(0))
    assert cached.has_told(result(0)[0], 12)
    assert not cached.has_told(result(0)[0], 13)
