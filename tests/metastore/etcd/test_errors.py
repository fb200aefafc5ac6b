"""Each way in which a call fails says what it says: applied, not applied, or unknown; and never more."""

import pytest

from odradek.metastore.etcd.errors import (
    NOT_SENT,
    StoreRefuses,
    is_token_refused,
    meaning,
    meaning_of_read,
)
from odradek.metastore.etcd.versions import check_version
from odradek.metastore.store import (
    LeaseLost,
    LimitExceeded,
    NotApplied,
    OutcomeUnknown,
    StoreError,
    StoreFailed,
    StoreFull,
    StoreRegressed,
)


@pytest.mark.parametrize(
    ("code", "details", "expected"),
    [
        ("UNAVAILABLE", "etcdserver: no leader", NotApplied),
        ("UNAVAILABLE", "etcdserver: leader changed", OutcomeUnknown),
        ("UNAVAILABLE", "etcdserver: server stopped", OutcomeUnknown),
        ("UNAVAILABLE", "etcdserver: request timed out", OutcomeUnknown),
        ("UNAVAILABLE", "etcdserver: request timed out, possibly due to previous leader failure", OutcomeUnknown),
        ("UNAVAILABLE", "etcdserver: request timed out, possibly due to connection lost", OutcomeUnknown),
        ("UNAVAILABLE", "etcdserver: rpc not supported for learner", NotApplied),
        ("UNAVAILABLE", "Socket closed", OutcomeUnknown),
        ("UNAVAILABLE", "failed to connect to all addresses; last error: refused", NotApplied),
        (NOT_SENT, "the connection is closed", NotApplied),
        ("CANCELLED", "the connection was closed", OutcomeUnknown),
        ("DEADLINE_EXCEEDED", "Deadline Exceeded", OutcomeUnknown),
        ("INTERNAL", "stream terminated by RST_STREAM", OutcomeUnknown),
        ("UNKNOWN", "raft proposal dropped", NotApplied),
        ("UNKNOWN", "anything else", OutcomeUnknown),
        ("RESOURCE_EXHAUSTED", "etcdserver: too many requests", NotApplied),
        ("RESOURCE_EXHAUSTED", "etcdserver: mvcc: database space exceeded", StoreFull),
        ("RESOURCE_EXHAUSTED", "grpc: received message larger than max (9 vs. 5)", LimitExceeded),
        ("INVALID_ARGUMENT", "etcdserver: request is too large", LimitExceeded),
        ("INVALID_ARGUMENT", "etcdserver: too many operations in txn request", LimitExceeded),
        ("INVALID_ARGUMENT", "etcdserver: key is not provided", StoreRefuses),
        ("INVALID_ARGUMENT", "etcdserver: revision of auth store is old", NotApplied),
        ("UNAUTHENTICATED", "etcdserver: invalid auth token", NotApplied),
        ("PERMISSION_DENIED", "etcdserver: permission denied", StoreRefuses),
        ("NOT_FOUND", "etcdserver: requested lease not found", LeaseLost),
        ("OUT_OF_RANGE", "etcdserver: mvcc: required revision is a future revision", StoreRegressed),
        ("DATA_LOSS", "etcdserver: corrupt cluster", StoreFailed),
    ],
)
def test_what_a_failed_transaction_means(code: str, details: str, expected: type[StoreError]) -> None:
    error = meaning(code, details, "etcd at host:1: " + details)
    assert type(error) is expected
    assert str(error) == "etcd at host:1: " + details


def test_a_failed_read_is_never_unknown() -> None:
    assert type(meaning_of_read("DEADLINE_EXCEEDED", "", "late")) is NotApplied
    assert type(meaning_of_read("NOT_FOUND", "etcdserver: requested lease not found", "gone")) is LeaseLost


def test_a_refused_token_is_known_also_from_a_watch() -> None:
    assert is_token_refused("etcdserver: invalid auth token")
    assert is_token_refused("rpc error: code = Unauthenticated desc = etcdserver: invalid auth token")
    assert not is_token_refused("etcdserver: permission denied")


@pytest.mark.parametrize("version", ["3.4.23", "3.4.37", "3.5.3", "3.5.28", "3.6.0", "4.0.0", "", "not said"])
def test_versions_that_will_do(version: str) -> None:
    check_version(version, "host:2379")


@pytest.mark.parametrize("version", ["3.4.22", "3.3.27", "2.3.8"])
def test_versions_that_are_too_old(version: str) -> None:
    with pytest.raises(StoreRefuses, match="too old: use"):
        check_version(version, "host:2379")


@pytest.mark.parametrize("version", ["3.5.0", "3.5.1", "3.5.2"])
def test_versions_that_corrupt(version: str) -> None:
    with pytest.raises(StoreRefuses, match="can corrupt its data"):
        check_version(version, "host:2379")
