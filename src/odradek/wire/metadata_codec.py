"""Parts of Metadata and DescribeTopicPartitions responses, written by hand.

A topic of a thousand partitions would take kio's writer tens of milliseconds; these functions take about one, and what
they make can be kept for as long as the topic does not change. Each gives the bytes of one array item.
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from struct import Struct
from uuid import UUID

from odradek.wire.primitives import INT16, INT32, write_array_size, write_nullable_string, write_string

METADATA_FLEXIBLE_FROM = 9
NO_OPERATIONS = -(2**31)
"""Value of an authorized operations field nobody asked for."""

_PARTITION = Struct(">hii")
_PARTITION_WITH_EPOCH = Struct(">hiii")
_TRUE, _FALSE, _NO_TAGS = b"\x01", b"\x00", b"\x00"

Ids = tuple[int, ...]


@lru_cache(maxsize=4096)
def broker_ids(ids: Ids, flexible: bool) -> bytes:
    """An array of broker ids; partitions share few different ones."""
    return write_array_size(len(ids), flexible) + b"".join(map(INT32.pack, ids))


def metadata_partition(
    version: int, error: int, index: int, leader: int, leader_epoch: int, replicas: Ids, isr: Ids, offline: Ids
) -> bytes:
    """A MetadataResponsePartition. 5: offline replicas. 7: leader epoch. 9: flexible."""
    flexible = version >= METADATA_FLEXIBLE_FROM
    if version >= 7:
        start = _PARTITION_WITH_EPOCH.pack(error, index, leader, leader_epoch)
    else:
        start = _PARTITION.pack(error, index, leader)
    parts = [start, broker_ids(replicas, flexible), broker_ids(isr, flexible)]
    if version >= 5:
        parts.append(broker_ids(offline, flexible))
    if flexible:
        parts.append(_NO_TAGS)
    return b"".join(parts)


def metadata_topic(
    version: int,
    error: int,
    name: str | None,
    topic_id: UUID,
    is_internal: bool,
    partitions: Sequence[bytes],
    operations: int,
) -> bytes:
    """A MetadataResponseTopic. 1: is internal. 8: authorized operations. 10: topic id. 12: the name may be null."""
    flexible = version >= METADATA_FLEXIBLE_FROM
    parts = [INT16.pack(error)]
    parts.append(write_nullable_string(name, flexible) if version >= 12 else write_string(name or "", flexible))
    if version >= 10:
        parts.append(topic_id.bytes)
    if version >= 1:
        parts.append(_TRUE if is_internal else _FALSE)
    parts.append(write_array_size(len(partitions), flexible))
    parts.extend(partitions)
    if version >= 8:
        parts.append(INT32.pack(operations))
    if flexible:
        parts.append(_NO_TAGS)
    return b"".join(parts)


def metadata_broker(version: int, node_id: int, host: str, port: int, rack: str | None) -> bytes:
    """A MetadataResponseBroker. 1: rack."""
    flexible = version >= METADATA_FLEXIBLE_FROM
    parts = [INT32.pack(node_id), write_string(host, flexible), INT32.pack(port)]
    if version >= 1:
        parts.append(write_nullable_string(rack, flexible))
    if flexible:
        parts.append(_NO_TAGS)
    return b"".join(parts)


def metadata_response(
    version: int,
    brokers: Sequence[bytes],
    cluster_id: str | None,
    controller_id: int,
    topics: Sequence[bytes],
    operations: int = NO_OPERATIONS,
) -> bytes:
    """The body. 1: controller. 2: cluster id. 3: throttle time. 8 to 10: the cluster's operations. 13: error code."""
    flexible = version >= METADATA_FLEXIBLE_FROM
    parts = [INT32.pack(0)] if version >= 3 else []
    parts += [write_array_size(len(brokers), flexible), *brokers]
    if version >= 2:
        parts.append(write_nullable_string(cluster_id, flexible))
    if version >= 1:
        parts.append(INT32.pack(controller_id))
    parts += [write_array_size(len(topics), flexible), *topics]
    if 8 <= version <= 10:
        parts.append(INT32.pack(operations))
    if version >= 13:
        parts.append(INT16.pack(0))
    if flexible:
        parts.append(_NO_TAGS)
    return b"".join(parts)


def described_partition(
    index: int,
    leader: int,
    leader_epoch: int,
    replicas: Ids,
    isr: Ids,
    eligible: Ids,
    last_known_eligible: Ids,
    offline: Ids,
) -> bytes:
    """A DescribeTopicPartitionsResponsePartition (KIP-966)."""
    lists: Iterable[bytes] = [broker_ids(ids, True) for ids in (replicas, isr, eligible, last_known_eligible, offline)]
    return b"".join([_PARTITION_WITH_EPOCH.pack(0, index, leader, leader_epoch), *lists, _NO_TAGS])


def described_topic(
    error: int, name: str, topic_id: UUID, is_internal: bool, partitions: Sequence[bytes], operations: int
) -> bytes:
    """A DescribeTopicPartitionsResponseTopic."""
    head = [INT16.pack(error), write_string(name, True), topic_id.bytes, _TRUE if is_internal else _FALSE]
    tail = [INT32.pack(operations), _NO_TAGS]
    return b"".join([*head, write_array_size(len(partitions), True), *partitions, *tail])


def described_topics_response(topics: Sequence[bytes], next_cursor: tuple[str, int] | None) -> bytes:
    """The body; the cursor is the topic and partition that would have come next."""
    parts = [INT32.pack(0), write_array_size(len(topics), True), *topics]
    if next_cursor is None:
        parts.append(b"\xff")
    else:
        parts += [b"\x01", write_string(next_cursor[0], True), INT32.pack(next_cursor[1]), _NO_TAGS]
    return b"".join([*parts, _NO_TAGS])
