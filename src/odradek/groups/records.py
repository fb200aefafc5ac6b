"""Keys and values of `__consumer_offsets`, by Kafka's published record schemas.

Everything starts with an INT16 version, which in a key also says what it is a key of: 0 and 1 a committed offset, 2 a
classic group, higher ones the records of newer group types (KIP-848). Written: offset values as version 4 (version 1
when a client asked for a retention time of its own), group values as version 3, as Kafka 4 does. Read: all versions.
A tombstone is a null value.
"""

from collections.abc import Iterator
from typing import NamedTuple
from uuid import UUID

from odradek.groups.vocabulary import GroupMetadata, MemberMetadata
from odradek.wire.errors import MalformedRequestError
from odradek.wire.primitives import (
    INT16,
    INT32,
    INT64,
    checked_end,
    read_array,
    read_nullable_string,
    read_string,
    read_unsigned_varint,
    read_uuid,
    skip_tagged_fields,
    write_array_size,
    write_nullable_string,
    write_string,
)

NO_TIMESTAMP = -1
NO_LEADER_EPOCH = -1

OFFSET_KEY_VERSION = 1
GROUP_KEY_VERSION = 2
OFFSET_VALUE_VERSION = 4
OFFSET_VALUE_WITH_EXPIRY_VERSION = 1
GROUP_VALUE_VERSION = 3

_LEADER_EPOCH_SINCE = 3
_STATE_TIME_SINCE = 2
_REBALANCE_TIMEOUT_SINCE = 1
_INSTANCE_ID_SINCE = 3
_FLEXIBLE_SINCE = 4
_HIGHEST_VALUE_VERSION = 4
_TOPIC_ID_TAG = 0
_TOPIC_ID_SECTION = bytes((1, _TOPIC_ID_TAG, 16))


class CorruptRecordError(Exception):
    """A key or value does not follow its schema."""


class OffsetKey(NamedTuple):
    group_id: str
    topic: str
    partition: int


class GroupKey(NamedTuple):
    group_id: str


class OtherKey(NamedTuple):
    """The key of a record type this coordinator has no use for."""

    version: int


class CommittedOffset(NamedTuple):
    """A committed offset. `expire_time_ms` -1: by the broker's retention. `topic_id` None: not known."""

    offset: int
    leader_epoch: int
    metadata: str
    commit_time_ms: int
    expire_time_ms: int = NO_TIMESTAMP
    topic_id: UUID | None = None


def offset_key(group_id: str, topic: str, partition: int) -> bytes:
    """OffsetCommitKey."""
    head = INT16.pack(OFFSET_KEY_VERSION)
    return head + write_string(group_id, False) + write_string(topic, False) + INT32.pack(partition)


def group_key(group_id: str) -> bytes:
    """GroupMetadataKey."""
    return INT16.pack(GROUP_KEY_VERSION) + write_string(group_id, False)


def read_key(key: bytes) -> OffsetKey | GroupKey | OtherKey:
    """Raises CorruptRecordError."""
    try:
        end = len(key)
        checked_end(0, 2, end)
        (version,) = INT16.unpack_from(key, 0)
        if version > GROUP_KEY_VERSION:
            return OtherKey(version)
        group_id, position = read_string(key, 2, end, False)
        if version == GROUP_KEY_VERSION:
            return GroupKey(group_id)
        topic, position = read_string(key, position, end, False)
        partition, _ = _read_int32(key, position, end)
        return OffsetKey(group_id, topic, partition)
    except MalformedRequestError as error:
        raise CorruptRecordError(f"not a key of __consumer_offsets: {error}") from error


def offset_value(commit: CommittedOffset) -> bytes:
    """OffsetCommitValue."""
    if commit.expire_time_ms != NO_TIMESTAMP:
        times = INT64.pack(commit.commit_time_ms) + INT64.pack(commit.expire_time_ms)
        head = INT16.pack(OFFSET_VALUE_WITH_EXPIRY_VERSION) + INT64.pack(commit.offset)
        return head + write_string(commit.metadata, False) + times
    head = INT16.pack(OFFSET_VALUE_VERSION) + INT64.pack(commit.offset) + INT32.pack(commit.leader_epoch)
    tags = _TOPIC_ID_SECTION + commit.topic_id.bytes if commit.topic_id is not None else b"\0"
    return head + write_string(commit.metadata, True) + INT64.pack(commit.commit_time_ms) + tags


def read_offset_value(value: bytes) -> CommittedOffset:
    """Raises CorruptRecordError."""
    try:
        return _offset_value(value, len(value))
    except MalformedRequestError as error:
        raise CorruptRecordError(f"not a committed offset: {error}") from error


def _offset_value(value: bytes, end: int) -> CommittedOffset:
    version, position = _read_version(value, end)
    flexible = version >= _FLEXIBLE_SINCE
    offset, position = _read_int64(value, position, end)
    leader_epoch, expire_time_ms, topic_id = NO_LEADER_EPOCH, NO_TIMESTAMP, None
    if version >= _LEADER_EPOCH_SINCE:
        leader_epoch, position = _read_int32(value, position, end)
    metadata, position = read_string(value, position, end, flexible)
    commit_time_ms, position = _read_int64(value, position, end)
    if version == OFFSET_VALUE_WITH_EXPIRY_VERSION:
        expire_time_ms, position = _read_int64(value, position, end)
    if flexible:
        topic_id = _topic_id(value, position, end)
    return CommittedOffset(offset, leader_epoch, metadata, commit_time_ms, expire_time_ms, topic_id)


def _topic_id(value: bytes, position: int, end: int) -> UUID | None:
    for tag, start, _ in _tagged_fields(value, position, end):
        if tag == _TOPIC_ID_TAG:
            topic_id, _ = read_uuid(value, start, end)
            return topic_id if topic_id.int else None
    return None


def _tagged_fields(value: bytes, position: int, end: int) -> Iterator[tuple[int, int, int]]:
    """(tag, start, end) of each field."""
    count, position = read_unsigned_varint(value, position, end)
    for _ in range(count):
        tag, position = read_unsigned_varint(value, position, end)
        size, position = read_unsigned_varint(value, position, end)
        after = checked_end(position, size, end)
        yield tag, position, after
        position = after


def group_value(group: GroupMetadata) -> bytes:
    """GroupMetadataValue."""
    parts = [
        INT16.pack(GROUP_VALUE_VERSION),
        write_string(group.protocol_type, False),
        INT32.pack(group.generation_id),
        write_nullable_string(group.protocol_name, False),
        write_nullable_string(group.leader, False),
        INT64.pack(group.state_time_ms),
        write_array_size(len(group.members), False),
    ]
    for member in group.members:
        parts += _member_parts(member)
    return b"".join(parts)


def _member_parts(member: MemberMetadata) -> list[bytes]:
    return [
        write_string(member.member_id, False),
        write_nullable_string(member.instance_id, False),
        write_string(member.client_id, False),
        write_string(member.client_host, False),
        INT32.pack(member.rebalance_timeout_ms),
        INT32.pack(member.session_timeout_ms),
        INT32.pack(len(member.subscription)),
        member.subscription,
        INT32.pack(len(member.assignment)),
        member.assignment,
    ]


def read_group_value(value: bytes) -> GroupMetadata:
    """Raises CorruptRecordError."""
    try:
        return _group_value(value, len(value))
    except MalformedRequestError as error:
        raise CorruptRecordError(f"not a group: {error}") from error


def _group_value(value: bytes, end: int) -> GroupMetadata:
    version, position = _read_version(value, end)
    flexible = version >= _FLEXIBLE_SINCE
    protocol_type, position = read_string(value, position, end, flexible)
    generation_id, position = _read_int32(value, position, end)
    protocol_name, position = read_nullable_string(value, position, end, flexible)
    leader, position = read_nullable_string(value, position, end, flexible)
    state_time_ms = NO_TIMESTAMP
    if version >= _STATE_TIME_SINCE:
        state_time_ms, position = _read_int64(value, position, end)
    count, position = read_array(value, position, end, flexible, 1)
    members = []
    for _ in range(count):
        member, position = _read_member(value, position, end, version)
        members.append(member)
    if flexible:
        skip_tagged_fields(value, position, end)
    return GroupMetadata(protocol_type, generation_id, protocol_name, leader, state_time_ms, tuple(members))


def _read_member(value: bytes, position: int, end: int, version: int) -> tuple[MemberMetadata, int]:
    flexible = version >= _FLEXIBLE_SINCE
    instance_id, rebalance_timeout_ms = None, -1
    member_id, position = read_string(value, position, end, flexible)
    if version >= _INSTANCE_ID_SINCE:
        instance_id, position = read_nullable_string(value, position, end, flexible)
    client_id, position = read_string(value, position, end, flexible)
    client_host, position = read_string(value, position, end, flexible)
    if version >= _REBALANCE_TIMEOUT_SINCE:
        rebalance_timeout_ms, position = _read_int32(value, position, end)
    session_timeout_ms, position = _read_int32(value, position, end)
    if rebalance_timeout_ms < 0:
        rebalance_timeout_ms = session_timeout_ms
    subscription, position = _read_bytes(value, position, end, flexible)
    assignment, position = _read_bytes(value, position, end, flexible)
    if flexible:
        position = skip_tagged_fields(value, position, end)
    timeouts = (rebalance_timeout_ms, session_timeout_ms)
    return MemberMetadata(member_id, instance_id, client_id, client_host, *timeouts, subscription, assignment), position


def _read_version(value: bytes, end: int) -> tuple[int, int]:
    after = checked_end(0, 2, end)
    (version,) = INT16.unpack_from(value, 0)
    if not 0 <= version <= _HIGHEST_VALUE_VERSION:
        raise MalformedRequestError(f"version {version} is not known")
    return version, after


def _read_int32(value: bytes, position: int, end: int) -> tuple[int, int]:
    after = checked_end(position, 4, end)
    return INT32.unpack_from(value, position)[0], after


def _read_int64(value: bytes, position: int, end: int) -> tuple[int, int]:
    after = checked_end(position, 8, end)
    return INT64.unpack_from(value, position)[0], after


def _read_bytes(value: bytes, position: int, end: int, flexible: bool) -> tuple[bytes, int]:
    if flexible:
        size, position = read_unsigned_varint(value, position, end)
        size -= 1
    else:
        size, position = _read_int32(value, position, end)
    if size < 0:
        return b"", position
    after = checked_end(position, size, end)
    return value[position:after], after
