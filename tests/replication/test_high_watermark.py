"""How far a partition is committed."""

import pytest
from kio.schema.errors import ErrorCode

from odradek.replication.followers import FollowerState
from odradek.replication.high_watermark import (
    append_error,
    commit_error,
    effective_min_isr,
    next_high_watermark,
)


def follower(offset: int, *, counted: bool = True, broker_id: int = 2) -> FollowerState:
    return FollowerState(broker_id, offset, counted)


def test_alone_the_leader_commits_by_itself() -> None:
    assert next_high_watermark(5, 9, (), isr_size=1, min_isr=1) == 9


def test_the_slowest_counted_replica_decides() -> None:
    followers = [follower(7), follower(8, broker_id=3)]
    assert next_high_watermark(5, 9, followers, isr_size=3, min_isr=2) == 7


def test_a_replica_outside_of_the_isr_is_not_waited_for() -> None:
    followers = [follower(2, counted=False), follower(8, broker_id=3)]
    assert next_high_watermark(5, 9, followers, isr_size=2, min_isr=2) == 8


def test_a_follower_ahead_of_the_leaders_flushed_offset_commits_nothing_more() -> None:
    assert next_high_watermark(5, 6, [follower(9)], isr_size=2, min_isr=2) == 6


def test_it_never_moves_back() -> None:
    assert next_high_watermark(8, 9, [follower(3)], isr_size=2, min_isr=1) == 8


def test_it_stands_still_under_min_isr() -> None:
    assert next_high_watermark(5, 9, (), isr_size=1, min_isr=2) == 5


@pytest.mark.parametrize(("wanted", "replicas", "effective"), [(2, 3, 2), (2, 1, 1), (5, 3, 3)])
def test_min_isr_is_never_more_than_there_are_replicas(wanted: int, replicas: int, effective: int) -> None:
    assert effective_min_isr(wanted, replicas) == effective


@pytest.mark.parametrize(
    ("acks", "isr_size", "error"),
    [
        (-1, 2, ErrorCode.none),
        (-1, 1, ErrorCode.not_enough_replicas),
        (1, 1, ErrorCode.none),
        (0, 1, ErrorCode.none),
        (2, 2, ErrorCode.invalid_required_acks),
        (-2, 2, ErrorCode.invalid_required_acks),
    ],
)
def test_an_append_is_refused_before_anything_is_written(acks: int, isr_size: int, error: ErrorCode) -> None:
    assert append_error(acks, isr_size=isr_size, min_isr=2) is error


def test_a_commit_under_min_isr_is_not_one() -> None:
    assert commit_error(isr_size=1, min_isr=2) is ErrorCode.not_enough_replicas_after_append
    assert commit_error(isr_size=2, min_isr=2) is ErrorCode.none
