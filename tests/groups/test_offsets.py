"""When committed offsets expire (KIP-211)."""

from odradek.groups.group import ClassicGroup
from odradek.groups.offsets import Offsets
from odradek.groups.records import CommittedOffset, OffsetKey
from tests.groups.script import INITIAL_DELAY_MS, SESSION_MS, WALL_MS, Script, subscription

RETENTION_MS = 1_000_000
KEY = OffsetKey("g", "t", 0)


def offsets(commit_time_ms: int = WALL_MS, expire_time_ms: int = -1) -> Offsets:
    found = Offsets()
    found.put(KEY, CommittedOffset(5, -1, "", commit_time_ms, expire_time_ms))
    return found


def expired(found: Offsets, group: ClassicGroup, now_ms: int) -> tuple[list[OffsetKey], bool]:
    return found.expired(group, now_ms, RETENTION_MS)


def test_offsets_of_an_empty_group_expire_the_retention_after_it_became_empty() -> None:
    script = Script()
    script.stable(1)
    script.pass_time(SESSION_MS)
    empty_since_ms = script.group.state_time_ms
    found = offsets(commit_time_ms=WALL_MS)
    assert expired(found, script.group, empty_since_ms + RETENTION_MS - 1) == ([], False)
    assert expired(found, script.group, empty_since_ms + RETENTION_MS) == ([KEY], True)


def test_where_a_record_of_old_does_not_say_since_when_the_commit_counts() -> None:
    script = Script()
    script.leave(*script.stable(1))
    stored = script.log[-1]._replace(state_time_ms=-1)
    group = ClassicGroup.loaded("g", script.settings, stored)
    assert expired(offsets(), group, WALL_MS + RETENTION_MS - 1) == ([], False)
    assert expired(offsets(), group, WALL_MS + RETENTION_MS) == ([KEY], True)


def test_offsets_of_a_simple_group_expire_the_retention_after_their_commit() -> None:
    group = ClassicGroup("g", Script().settings)
    assert expired(offsets(), group, WALL_MS + RETENTION_MS - 1) == ([], False)
    assert expired(offsets(), group, WALL_MS + RETENTION_MS) == ([KEY], True)


def test_offsets_of_topics_a_stable_group_reads_do_not_expire() -> None:
    script = Script()
    script.stable(1)
    assert expired(offsets(), script.group, WALL_MS + 10 * RETENTION_MS) == ([], False)


def test_offsets_of_topics_a_stable_group_no_longer_reads_expire() -> None:
    script = Script()
    script.stable(1)
    found = offsets()
    other = OffsetKey("g", "other", 3)
    found.put(other, CommittedOffset(1, -1, "", WALL_MS))
    assert expired(found, script.group, WALL_MS + RETENTION_MS) == ([other], False)


def test_nothing_expires_while_a_group_rebalances() -> None:
    script = Script()
    script.join(protocols=[("range", subscription("other"))])
    assert expired(offsets(), script.group, WALL_MS + 10 * RETENTION_MS) == ([], False)
    script.pass_time(INITIAL_DELAY_MS)
    assert expired(offsets(), script.group, WALL_MS + 10 * RETENTION_MS) == ([], False)


def test_nothing_expires_of_a_busy_group_whose_subscriptions_cannot_be_told() -> None:
    for protocol_type, metadata in [("connect", b"x"), ("consumer", b"not a subscription")]:
        script = Script()
        joined = script.join(protocol_type=protocol_type, protocols=[("range", metadata)])
        script.pass_time(INITIAL_DELAY_MS)
        script.sync(joined.joined.member_id)
        assert expired(offsets(), script.group, WALL_MS + 10 * RETENTION_MS) == ([], False)


def test_a_retention_time_of_the_clients_own_counts_instead() -> None:
    group = ClassicGroup("g", Script().settings)
    found = offsets(expire_time_ms=WALL_MS + 10)
    assert expired(found, group, WALL_MS + 9) == ([], False)
    assert expired(found, group, WALL_MS + 10) == ([KEY], True)


def test_a_group_without_offsets_has_nothing_that_stays() -> None:
    assert expired(Offsets(), ClassicGroup("g", Script().settings), WALL_MS) == ([], True)


def test_an_offset_that_is_removed_leaves_nothing_behind() -> None:
    found = offsets()
    found.remove(KEY)
    found.remove(KEY)
    assert (list(found.items()), list(found.group_ids()), found.count) == ([], [], 0)
