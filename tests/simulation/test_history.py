"""The history checker finds each kind of violation and is silent about what is allowed."""

import pytest

from tests.support.history import (
    Acknowledged,
    CaughtUp,
    CommitAcknowledged,
    CommitRefused,
    CommitSent,
    CommittedRead,
    Crashed,
    Event,
    Final,
    Kind,
    Polled,
    Refused,
    Sent,
    Sought,
    Stored,
    Trimmed,
    check,
)

P = ("topic", 0)


def sent(*values: str, producer: str = "p") -> list[Event]:
    return [Sent(producer, P, value) for value in values]


def stored(*values: str, start: int = 0) -> list[Event]:
    """Sent and acknowledged, one after the other."""
    events: list[Event] = []
    for offset, value in enumerate(values, start):
        events += [*sent(value), Acknowledged(P, value, offset)]
    return events


def polled(*records: tuple[int, str], consumer: str = "c") -> Event:
    return Polled(consumer, P, records)


def final(*values: str, start: int = 0) -> Event:
    return Final(P, start, tuple(enumerate(values, start)))


POWER = Crashed(loses_suffix=True)
PROCESS = Crashed(loses_suffix=False)


def committed(*offsets: int) -> list[Event]:
    return [event for offset in offsets for event in (CommitSent("g", P, offset), CommitAcknowledged("g", P, offset))]


BROKEN: dict[str, tuple[Kind, list[Event]]] = {
    "acknowledged and gone": (Kind.LOST_WRITE, [*stored("a", "b"), final("a")]),
    "gone after a mere process crash": (Kind.LOST_WRITE, [*stored("a", "b"), PROCESS, final("a")]),
    "acknowledged after the power loss and gone": (Kind.LOST_WRITE, [POWER, *stored("a"), final()]),
    "gone although the broker had stopped in good order": (Kind.LOST_WRITE, [*stored("a"), Stored(), POWER, final()]),
    "a commit gone although the broker had stopped in good order": (
        Kind.COMMIT_LOST,
        [*committed(1, 2), Stored(), POWER, CommittedRead("g", P, 1)],
    ),
    "a hole after a power loss": (
        Kind.HOLE,
        [*stored("a", "b", "c"), POWER, Final(P, 0, ((0, "a"), (2, "c")))],
    ),
    "stored twice": (Kind.DUPLICATE, [*stored("a"), final("a", "a")]),
    "acknowledged at one offset and read at another": (
        Kind.DUPLICATE,
        [*stored("a"), *sent("b"), polled((1, "a"))],
    ),
    "order of a producer": (Kind.REORDERED, [*sent("a", "b"), final("b", "a")]),
    "a consumer goes back": (
        Kind.NON_MONOTONIC_POLL,
        [*stored("a", "b"), polled((0, "a"), (1, "b")), polled((0, "a"))],
    ),
    "a consumer jumps over an acknowledged record": (
        Kind.SKIPPED,
        [*stored("a", "b", "c"), polled((0, "a"), (2, "c"))],
    ),
    "a consumer jumps over what another has read": (
        Kind.SKIPPED,
        [*sent("a", "b"), polled((0, "a"), (1, "b"), consumer="d"), Sought("c", P, 0), polled((1, "b"))],
    ),
    "told to be at the end too early": (Kind.UNSEEN, [*stored("a", "b"), polled((0, "a")), CaughtUp("c", P)]),
    "told to be at the end and has nothing": (Kind.UNSEEN, [*stored("a"), CaughtUp("c", P)]),
    "two records at one offset": (Kind.INCONSISTENT_OFFSET, [*sent("a", "b"), polled((0, "a")), final("b")]),
    "acknowledged at one offset": (Kind.INCONSISTENT_OFFSET, [*stored("a"), *stored("b", start=0)]),
    "two records at one offset after a process crash": (
        Kind.INCONSISTENT_OFFSET,
        [*sent("a", "b"), polled((0, "a")), PROCESS, final("b")],
    ),
    "a record that was read is gone though nobody was told of it": (
        Kind.TAKEN_BACK,
        [*sent("a"), polled((0, "a")), final()],
    ),
    "a record nobody sent": (Kind.NEVER_SENT, [*stored("a"), polled((0, "a"), (1, "rubbish"))]),
    "a refused record is read": (Kind.REFUSED_READ, [*sent("a"), Refused(P, "a"), polled((0, "a"))]),
    "a commit goes back": (Kind.COMMIT_LOST, [*committed(3, 7), CommittedRead("g", P, 3)]),
    "a commit vanishes": (Kind.COMMIT_LOST, [*committed(3), CommittedRead("g", P, -1)]),
    "a commit goes back after a process crash": (
        Kind.COMMIT_LOST,
        [*committed(3, 7), PROCESS, CommittedRead("g", P, 3)],
    ),
    "a refused commit took effect": (
        Kind.COMMIT_NEVER_SENT,
        [*committed(3), CommitSent("g", P, 9), CommitRefused("g", P, 9), CommittedRead("g", P, 9)],
    ),
}

ALLOWED: dict[str, list[Event]] = {
    "everything as it should be": [
        *stored("a", "b", "c"),
        polled((0, "a"), (1, "b")),
        polled((2, "c")),
        CaughtUp("c", P),
        *committed(2, 3),
        CommittedRead("g", P, 3),
        final("a", "b", "c"),
    ],
    "an unknown write is there": [*sent("a"), final("a")],
    "an unknown write is not there": [*sent("a"), final()],
    "a refused write is not there": [*sent("a"), Refused(P, "a"), final()],
    "a power loss takes a suffix and offsets are used again": [
        *stored("a", "b", "c"),
        polled((0, "a"), (1, "b"), (2, "c")),
        POWER,
        *stored("d", "e", start=1),
        Sought("c", P, 1),
        polled((1, "d"), (2, "e")),
        final("a", "d", "e"),
    ],
    "two power losses": [*stored("a", "b"), POWER, *stored("c", start=1), POWER, *stored("d", start=0), final("d")],
    "offsets without records, as compaction and markers leave them": [
        *sent("a", "b"),
        polled((0, "a"), (5, "b")),
        Final(P, 0, ((0, "a"), (5, "b"))),
    ],
    "a consumer seeks back": [*stored("a"), polled((0, "a")), Sought("c", P, 0), polled((0, "a")), final("a")],
    "deleted records are gone on purpose": [
        *stored("a", "b", "c"),
        Trimmed(P, 2),
        Sought("c", P, 0),
        polled((2, "c")),
        CaughtUp("c", P),
        final("c", start=2),
    ],
    "two producers mix": [*sent("a", "b"), *sent("x", "y", producer="q"), final("x", "a", "b", "y")],
    "an unknown commit took effect": [*committed(3), CommitSent("g", P, 9), CommittedRead("g", P, 9)],
    "an unknown commit did not": [*committed(3), CommitSent("g", P, 9), CommittedRead("g", P, 3)],
    "an unknown commit took effect late": [
        *committed(3),
        CommitSent("g", P, 9),
        *committed(12),
        CommittedRead("g", P, 9),
    ],
    "commits after a power loss": [*committed(3, 7), POWER, CommittedRead("g", P, 3), *committed(8)],
    "nothing committed": [CommittedRead("g", P, -1)],
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_violation_is_found_and_named(name: str) -> None:
    kind, events = BROKEN[name]
    assert kind in [violation.kind for violation in check(events)]


@pytest.mark.parametrize("name", ALLOWED)
def test_what_is_allowed_is_no_violation(name: str) -> None:
    assert check(ALLOWED[name]) == []


def test_every_kind_of_violation_has_a_history_that_shows_it() -> None:
    assert {kind for kind, _ in BROKEN.values()} == set(Kind)


def test_a_violation_says_where_and_what() -> None:
    (violation,) = check([*stored("a"), final()])
    assert str(violation) == "topic-0: an acknowledged record is gone: 'a' was acknowledged at offset 0"
