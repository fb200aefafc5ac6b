"""What a leader's answer means, and that cutting by epochs always ends with what both logs have in common."""

from dataclasses import dataclass, field
from itertools import takewhile
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kio.schema.errors import ErrorCode

from odradek.log.epoch_cache import EpochCache
from odradek.replication.following import (
    BeginAt,
    Cut,
    Decision,
    Fail,
    OwnLog,
    Take,
    Wait,
    backoff_ms,
    decide,
    truncation_offset,
)
from odradek.wire.replica_fetch import FetchedPartition
from tests.support.logs import placed

TOPIC = UUID(int=0xF1).bytes


def answer(error: ErrorCode = ErrorCode.none, records: bytes | bytearray = b"", **fields: Any) -> FetchedPartition:
    values = {"high_watermark": 10, "log_start_offset": 0} | fields
    return FetchedPartition(TOPIC, 0, error, records=memoryview(records), **values)


def own(start: int = 0, end: int = 10, high_watermark: int = 5, epochs: Any = ((1, 0),), **fields: Any) -> OwnLog:
    return OwnLog(start, end, high_watermark, EpochCache(epochs), fields.get("was_in_sync", False))


def test_records_that_follow_the_log_and_no_news_at_all_are_taken() -> None:
    assert decide(answer(), own()) == Take()
    assert decide(answer(records=placed(10, b"a", b"b")), own()) == Take()
    assert decide(answer(records=placed(15, b"a")), own()) == Take(), "compaction leaves gaps"


def test_records_from_elsewhere_are_not_taken() -> None:
    decision = decide(answer(records=placed(9, b"a", b"b")), own())
    assert isinstance(decision, Wait)
    assert decision.error is ErrorCode.corrupt_message


def test_what_is_no_batch_is_not_taken() -> None:
    decision = decide(answer(records=placed(10, b"a")[:40]), own())
    assert isinstance(decision, Wait)
    assert decision.error is ErrorCode.corrupt_message


def test_an_empty_log_that_begins_within_a_batch_begins_anew_with_that_batch() -> None:
    records = placed(8, b"a", b"b", b"c", b"d")
    assert decide(answer(records=records), own(10, 10, 10, ())) == BeginAt(8, then_take=True)
    assert isinstance(decide(answer(records=records[:]), own(9, 10, 10)), Wait), "it has a record"
    assert isinstance(decide(answer(records=placed(8, b"a", b"b")), own(10, 10, 10, ())), Wait), "nothing to gain"


@pytest.mark.parametrize(
    "error",
    [
        ErrorCode.fenced_leader_epoch,
        ErrorCode.unknown_leader_epoch,
        ErrorCode.not_leader_or_follower,
        ErrorCode.unknown_topic_id,
        ErrorCode.kafka_storage_error,
        ErrorCode.corrupt_message,
    ],
)
def test_an_error_is_waited_out(error: ErrorCode) -> None:
    decision = decide(answer(error), own())
    assert isinstance(decision, Wait)
    assert decision.error is error


def test_an_error_nobody_knows_is_waited_out() -> None:
    decision = decide(answer()._replace(error_code=3000), own())
    assert isinstance(decision, Wait)
    assert decision.error is ErrorCode.unknown_server_error


def test_a_log_that_ends_below_its_leaders_start_begins_anew_there() -> None:
    out = answer(ErrorCode.offset_out_of_range, log_start_offset=50, high_watermark=60)
    assert decide(out, own(was_in_sync=True)) == BeginAt(50)


def test_an_empty_log_beyond_its_leaders_end_begins_anew_at_its_start() -> None:
    out = answer(ErrorCode.offset_out_of_range, log_start_offset=3, high_watermark=4)
    assert decide(out, own(10, 10, 10, ())) == BeginAt(3, committed_lost=7)
    assert isinstance(decide(out, own(10, 10, 10, (), was_in_sync=True)), Fail)


def test_out_of_range_without_a_reason_is_waited_out() -> None:
    out = answer(ErrorCode.offset_out_of_range, log_start_offset=3)
    assert isinstance(decide(out, own()), Wait)
    assert isinstance(decide(out._replace(log_start_offset=-1), own(10, 10, 10, ())), Wait)


def test_where_an_epoch_ends_sooner_decides() -> None:
    epochs = EpochCache([(1, 0), (2, 4), (5, 8)])
    assert truncation_offset((5, 9), epochs, 10) == 9, "the leader's ends sooner"
    assert truncation_offset((2, 9), epochs, 10) == 8, "the replica's ends sooner"
    assert truncation_offset((4, 7), epochs, 10) == 7, "the replica does not know the leader's epoch"
    assert truncation_offset((4, 9), epochs, 10) == 8
    assert truncation_offset((0, 3), epochs, 10) == 0, "the replica has nothing so old"
    assert truncation_offset((3, 3), EpochCache(), 10) == 3, "the replica knows no epochs"


def test_what_is_not_the_leaders_is_cut() -> None:
    assert decide(answer(diverging=(1, 7)), own()) == Cut(7)


def test_a_replica_in_sync_keeps_what_is_committed_and_stops_following() -> None:
    decision = decide(answer(diverging=(1, 4)), own(was_in_sync=True))
    assert decision == Fail("the leader's log differs from offset 4 on, but 5 was committed")


def test_one_that_is_not_in_sync_follows_and_knows_what_was_lost() -> None:
    assert decide(answer(diverging=(1, 4)), own()) == Cut(4, committed_lost=1)


def test_a_log_that_ended_before_this_one_begins_takes_all_of_it() -> None:
    mine = own(start=6, end=10, high_watermark=6, epochs=((3, 6),))
    assert decide(answer(diverging=(1, 2), log_start_offset=1), mine) == BeginAt(1, committed_lost=5)
    assert isinstance(decide(answer(diverging=(1, 2), log_start_offset=1), mine._replace(was_in_sync=True)), Fail)


@pytest.mark.parametrize("diverging", [(1, 10), (1, 1000), (-1, 3), (1, -7)])
def test_a_difference_that_is_none_is_waited_out(diverging: tuple[int, int]) -> None:
    assert isinstance(decide(answer(diverging=diverging), own()), Wait)


def test_each_failure_in_a_row_doubles_the_wait_up_to_a_bound() -> None:
    assert [backoff_ms(attempts, 1000) for attempts in (1, 2, 3, 6, 7, 500)] == [20, 40, 80, 640, 1000, 1000]


# -- a model: logs are lists of epochs, one per offset ---------------------------------------------------------------


@dataclass
class Replica:
    """A log without batches; records below `start` are deleted, but the list keeps them."""

    epochs: list[int] = field(default_factory=list)
    start: int = 0
    high_watermark: int = 0

    def cache(self, begun: int | None = None) -> EpochCache:
        cache = EpochCache()
        for offset, epoch in enumerate(self.epochs):
            cache.assign(epoch, offset)
        if begun is not None:
            cache.assign(begun, len(self.epochs))
        cache.truncate_from_start(self.start)
        if begun is None:
            cache.truncate_from_end(len(self.epochs))
        return cache

    def answer_to(self, asked: "Replica", leader_epoch: int) -> FetchedPartition:
        """As a leader in that epoch answers."""
        offset, cache = len(asked.epochs), self.cache(leader_epoch)
        last_epoch = asked.cache().latest_epoch
        where: dict[str, Any] = {"log_start_offset": self.start, "high_watermark": self.high_watermark}
        if last_epoch >= 0:
            epoch, end = cache.end_offset_for(last_epoch, len(self.epochs))
            if epoch < 0 or offset < self.start:
                return answer(ErrorCode.offset_out_of_range, **where)
            if epoch < last_epoch or end < offset:
                return answer(diverging=(epoch, end), **where)
        if not self.start <= offset <= len(self.epochs):
            return answer(ErrorCode.offset_out_of_range, **where)
        return answer(**where)

    def follow(self, leader: "Replica", leader_epoch: int, *, was_in_sync: bool) -> list[Decision]:
        """Until the leader has nothing to object to."""
        decisions: list[Decision] = []
        while True:
            mine = OwnLog(self.start, len(self.epochs), self.high_watermark, self.cache(), was_in_sync)
            decision = decide(leader.answer_to(self, leader_epoch), mine)
            decisions.append(decision)
            assert len(decisions) < 100, decisions[-3:]
            if isinstance(decision, Cut):
                del self.epochs[decision.offset :]
            elif isinstance(decision, BeginAt):
                self.epochs, self.start = [*leader.epochs[: decision.offset]], decision.offset
            else:
                return decisions
            self.high_watermark = min(self.high_watermark, len(self.epochs))


def common_prefix(a: list[int], b: list[int]) -> int:
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(a, b, strict=False)))


REPLICAS = 4
Action = tuple[str, int, int]
ACTIONS = st.sampled_from(["elect", "append", "append", "copy", "copy"])
HISTORIES = st.lists(st.tuples(ACTIONS, st.integers(0, REPLICAS - 1), st.integers(1, 4)), max_size=30)


def play(history: list[Action]) -> tuple[list[Replica], int]:
    """Any history of elections, clean or not: logs match up to where they differ, and never again behind it."""
    replicas = [Replica() for _ in range(REPLICAS)]
    leader, epoch = replicas[0], 0
    for action, number, count in history:
        if action == "elect":
            leader, epoch = replicas[number], epoch + 1
        elif action == "append":
            leader.epochs += [epoch] * count
        elif replicas[number] is not leader:
            follower = replicas[number]
            at = common_prefix(follower.epochs, leader.epochs)
            follower.epochs[at:] = leader.epochs[at : at + count]
    return replicas, epoch


@settings(max_examples=500)
@given(HISTORIES, st.integers(0, 20), st.integers(0, 20))
def test_whatever_happened_a_follower_keeps_exactly_what_it_has_in_common_with_its_leader(
    history: list[Action], leader_start: int, own_start: int
) -> None:
    (leader, follower, *_), epoch = play(history)
    leader.start = min(leader_start, len(leader.epochs))
    follower.start = min(own_start, len(follower.epochs))
    expected = common_prefix(leader.epochs, follower.epochs)
    decisions = follower.follow(leader, epoch + 1, was_in_sync=False)
    assert decisions[-1] == Take()
    assert leader.start <= len(follower.epochs) <= len(leader.epochs)
    if not any(isinstance(each, BeginAt) for each in decisions):
        assert len(follower.epochs) == max(expected, leader.start, follower.start)
    readable = max(leader.start, follower.start)
    assert follower.epochs[readable:] == leader.epochs[readable : len(follower.epochs)]


@settings(max_examples=500)
@given(HISTORIES)
def test_after_clean_elections_nothing_committed_is_cut_and_nobody_fails(history: list[Action]) -> None:
    """All replicas but one are in sync: what each of them has is committed."""
    replicas, in_sync = [Replica() for _ in range(REPLICAS)], range(REPLICAS - 1)
    leader, epoch = replicas[0], 0
    for action, number, count in history:
        if action == "elect" and number in in_sync:
            leader, epoch = replicas[number], epoch + 1
        elif action == "append":
            leader.epochs += [epoch] * count
        elif action == "copy" and replicas[number] is not leader:
            follower = replicas[number]
            committed = follower.epochs[: follower.high_watermark]
            decisions = follower.follow(leader, epoch, was_in_sync=number in in_sync)
            assert decisions[-1] == Take()
            assert follower.epochs[: len(committed)] == committed
            follower.epochs += leader.epochs[len(follower.epochs) :][:count]
            leader.high_watermark = max(
                leader.high_watermark, committed_by([replicas[each] for each in in_sync], leader)
            )
            follower.high_watermark = max(follower.high_watermark, min(leader.high_watermark, len(follower.epochs)))


def committed_by(replicas: list[Replica], leader: Replica) -> int:
    return min(common_prefix(each.epochs, leader.epochs) for each in replicas)
