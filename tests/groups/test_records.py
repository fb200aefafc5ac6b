"""Bytes of `__consumer_offsets`. The hexadecimal was written by Apache Kafka 4.3.1's own serialisers."""

from contextlib import suppress
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odradek.groups.records import (
    CommittedOffset,
    CorruptRecordError,
    GroupKey,
    OffsetKey,
    OtherKey,
    group_key,
    group_value,
    offset_key,
    offset_value,
    read_group_value,
    read_key,
    read_offset_value,
)
from odradek.groups.vocabulary import GroupMetadata, MemberMetadata

TOPIC_ID = UUID("01234567-89ab-cdef-0011-223344556677")
OFFSET = CommittedOffset(123456789012, -1, "méta", 1700000000000)
OFFSET_VALUES = {
    0: ("00000000001cbe991a1400056dc3a974610000018bcfe56800", OFFSET),
    1: (
        "00010000001cbe991a1400056dc3a974610000018bcfe568000000018bcfe58f0f",
        OFFSET._replace(expire_time_ms=1700000009999),
    ),
    2: ("00020000001cbe991a1400056dc3a974610000018bcfe56800", OFFSET),
    3: ("00030000001cbe991a140000000500056dc3a974610000018bcfe56800", OFFSET._replace(leader_epoch=5)),
    4: (
        "00040000001cbe991a1400000005066dc3a974610000018bcfe568000100100123456789abcdef0011223344556677",
        OFFSET._replace(leader_epoch=5, topic_id=TOPIC_ID),
    ),
}
MEMBER = MemberMetadata("m-1", "i", "c", "/127.0.0.1", 60000, 10000, b"\1\2", b"\3")
GROUP = GroupMetadata("consumer", 3, "range", "m-1", 1700000000000, (MEMBER,))
OLD_MEMBER = MEMBER._replace(instance_id=None)
GROUP_VALUES = {
    0: (
        "00000008636f6e73756d657200000003000572616e676500036d2d310000000100036d2d31000163000a2f3132372e302e302e31"
        "000027100000000201020000000103",
        GROUP._replace(state_time_ms=-1, members=(OLD_MEMBER._replace(rebalance_timeout_ms=10000),)),
    ),
    1: (
        "00010008636f6e73756d657200000003000572616e676500036d2d310000000100036d2d31000163000a2f3132372e302e302e31"
        "0000ea60000027100000000201020000000103",
        GROUP._replace(state_time_ms=-1, members=(OLD_MEMBER,)),
    ),
    2: (
        "00020008636f6e73756d657200000003000572616e676500036d2d310000018bcfe568000000000100036d2d31000163000a2f31"
        "32372e302e302e310000ea60000027100000000201020000000103",
        GROUP._replace(members=(OLD_MEMBER,)),
    ),
    3: (
        "00030008636f6e73756d657200000003000572616e676500036d2d310000018bcfe568000000000100036d2d3100016900016300"
        "0a2f3132372e302e302e310000ea60000027100000000201020000000103",
        GROUP,
    ),
    4: (
        "000409636f6e73756d6572000000030672616e6765046d2d310000018bcfe5680002046d2d31026902630b2f3132372e302e302e"
        "310000ea600000271003010202030000",
        GROUP,
    ),
}


def test_keys_are_those_of_kafka() -> None:
    offset = bytes.fromhex("000100076772c3bc7070650005746f70696300000007")
    assert offset_key("grüppe", "topic", 7) == offset
    assert read_key(offset) == OffsetKey("grüppe", "topic", 7)
    assert group_key("g") == bytes.fromhex("0002000167")
    assert read_key(bytes.fromhex("0002000167")) == GroupKey("g")


def test_the_key_of_version_0_is_an_offset_too() -> None:
    assert read_key(b"\0\0" + offset_key("g", "t", 1)[2:]) == OffsetKey("g", "t", 1)


def test_keys_of_newer_group_types_are_told_apart() -> None:
    assert read_key(bytes.fromhex("0003000167")) == OtherKey(3)


@pytest.mark.parametrize("version", OFFSET_VALUES)
def test_every_version_of_a_committed_offset_is_read(version: int) -> None:
    encoded, offset = OFFSET_VALUES[version]
    assert read_offset_value(bytes.fromhex(encoded)) == offset


@pytest.mark.parametrize("version", [1, 4])
def test_committed_offsets_are_written_as_kafka_writes_them(version: int) -> None:
    encoded, offset = OFFSET_VALUES[version]
    assert offset_value(offset).hex() == encoded


def test_an_offset_of_a_topic_without_known_id_has_no_tagged_field() -> None:
    encoded = "00040000000000000001ffffffff01000000000000000200"
    assert offset_value(CommittedOffset(1, -1, "", 2)).hex() == encoded
    assert read_offset_value(bytes.fromhex(encoded)) == CommittedOffset(1, -1, "", 2)


@pytest.mark.parametrize("version", GROUP_VALUES)
def test_every_version_of_a_group_is_read(version: int) -> None:
    encoded, group = GROUP_VALUES[version]
    assert read_group_value(bytes.fromhex(encoded)) == group


def test_groups_are_written_as_kafka_writes_them() -> None:
    assert group_value(GROUP).hex() == GROUP_VALUES[3][0]
    assert group_value(GroupMetadata("", 0, None, None, 7, ())).hex() == (
        "0003000000000000ffffffff000000000000000700000000"
    )


def test_tagged_fields_of_the_future_are_skipped() -> None:
    value = bytes.fromhex(OFFSET_VALUES[4][0][: -2 * 19]) + bytes((2, 0, 16)) + TOPIC_ID.bytes + bytes((9, 2, 1, 1))
    assert read_offset_value(value).topic_id == TOPIC_ID


@given(
    st.builds(
        CommittedOffset,
        st.integers(-1, 2**63 - 1),
        st.integers(-1, 2**31 - 1),
        st.text(max_size=50),
        st.integers(0, 2**62),
        st.just(-1),
        st.uuids() | st.none(),
    )
)
def test_offsets_survive_the_way_through_the_log(offset: CommittedOffset) -> None:
    assert read_offset_value(offset_value(offset)) == offset


@given(st.binary(max_size=200))
def test_garbage_is_refused_and_nothing_else_happens(garbage: bytes) -> None:
    for read in (read_key, read_offset_value, read_group_value):
        with suppress(CorruptRecordError):
            assert read(garbage) is not None


@pytest.mark.parametrize("encoded", [encoded for encoded, _ in (*OFFSET_VALUES.values(), *GROUP_VALUES.values())])
def test_a_value_cut_short_is_corrupt(encoded: str) -> None:
    value = bytes.fromhex(encoded)
    read = read_group_value if b"consumer" in value else read_offset_value
    for size in range(len(value)):
        with pytest.raises(CorruptRecordError):
            read(value[:size])
