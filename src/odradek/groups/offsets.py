"""Committed offsets of the groups of one partition of `__consumer_offsets`, and when they expire (KIP-211).

Only what is stored and committed is in here; a commit on its way to the log is not.
"""

from collections.abc import Iterator

from odradek.groups.group import ClassicGroup
from odradek.groups.records import NO_TIMESTAMP, CommittedOffset, OffsetKey
from odradek.groups.state import GroupState

TopicOffsets = dict[str, dict[int, CommittedOffset]]


class Offsets:
    """Group id to topic to partition to offset."""

    def __init__(self) -> None:
        self._by_group: dict[str, TopicOffsets] = {}
        self.count = 0

    def put(self, key: OffsetKey, commit: CommittedOffset) -> None:
        """The newest commit of a partition is the one that counts."""
        partitions = self._by_group.setdefault(key.group_id, {}).setdefault(key.topic, {})
        self.count += key.partition not in partitions
        partitions[key.partition] = commit

    def remove(self, key: OffsetKey) -> None:
        """A tombstone; nothing happens if there is no offset."""
        topics = self._by_group.get(key.group_id, {})
        partitions = topics.get(key.topic, {})
        if partitions.pop(key.partition, None) is None:
            return
        self.count -= 1
        if not partitions:
            del topics[key.topic]
        if not topics:
            del self._by_group[key.group_id]

    def get(self, key: OffsetKey) -> CommittedOffset | None:
        return self._by_group.get(key.group_id, {}).get(key.topic, {}).get(key.partition)

    def of_group(self, group_id: str) -> TopicOffsets:
        """By topic and partition; empty if the group has none."""
        return self._by_group.get(group_id, {})

    def keys_of_group(self, group_id: str) -> Iterator[OffsetKey]:
        for topic, partitions in self.of_group(group_id).items():
            for partition in partitions:
                yield OffsetKey(group_id, topic, partition)

    def keys_of_topic(self, topic: str) -> Iterator[OffsetKey]:
        """In every group."""
        for group_id, topics in self._by_group.items():
            for partition in topics.get(topic, ()):
                yield OffsetKey(group_id, topic, partition)

    def group_ids(self) -> Iterator[str]:
        """Groups that have offsets."""
        return iter(self._by_group)

    def items(self) -> Iterator[tuple[OffsetKey, CommittedOffset]]:
        """Everything."""
        for group_id, topics in self._by_group.items():
            for topic, partitions in topics.items():
                for partition, commit in partitions.items():
                    yield OffsetKey(group_id, topic, partition), commit

    def expired(self, group: ClassicGroup, now_ms: int, retention_ms: int) -> tuple[list[OffsetKey], bool]:
        """Keys whose offsets have expired, and whether nothing then keeps the group's offsets alive.

        An empty group's offsets expire the retention after it became empty; those of a simple group, and of topics a
        stable consumer group no longer subscribes to, the retention after their commit. Nothing expires while a group
        rebalances.
        """
        expired: list[OffsetKey] = []
        nothing_stays = True
        may_expire = _may_expire(group)
        for topic, partitions in self.of_group(group.group_id).items():
            topic_may_expire = may_expire and not group.is_subscribed_to(topic)
            for partition, commit in partitions.items():
                if topic_may_expire and _is_expired(group, commit, now_ms, retention_ms):
                    expired.append(OffsetKey(group.group_id, topic, partition))
                else:
                    nothing_stays = False
        return expired, nothing_stays


def _may_expire(group: ClassicGroup) -> bool:
    if group.protocol_type is None or group.state is GroupState.EMPTY:
        return True
    return group.uses_consumer_protocol and group.subscribed is not None and group.state is GroupState.STABLE


def _is_expired(group: ClassicGroup, commit: CommittedOffset, now_ms: int, retention_ms: int) -> bool:
    if commit.expire_time_ms != NO_TIMESTAMP:
        return now_ms >= commit.expire_time_ms
    since_ms = commit.commit_time_ms
    is_joined_and_empty = group.protocol_type is not None and group.state is GroupState.EMPTY
    if is_joined_and_empty and group.state_time_ms != NO_TIMESTAMP:
        since_ms = group.state_time_ms
    return now_ms - since_ms >= retention_ms
