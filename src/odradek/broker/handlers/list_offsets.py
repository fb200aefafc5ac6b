"""ListOffsets (API key 2), versions 1-11.

1: one offset per timestamp. 2: isolation level, throttle time. 4: leader epochs (KIP-320). 5: OFFSET_NOT_AVAILABLE.
6: flexible. 7: largest timestamp (-3, KIP-734). 8: earliest local offset (-4, KIP-405). 9: latest tiered offset (-5,
KIP-1005). 10: timeout, for reads of tiered storage. 11: earliest offset pending upload (-6, KIP-1023).
"""

from collections import Counter
from typing import Any

from kio.schema.errors import ErrorCode

from odradek.broker.call import Call
from odradek.broker.handlers.data_host import DataHost
from odradek.broker.handlers.leader_epoch import NO_EPOCH, leader
from odradek.host.pace import paced
from odradek.log.errors import LogError
from odradek.log.lookup import FoundTimestamp
from odradek.replication.partition import Partition
from odradek.wire.list_offsets import offsets_partition, offsets_response, offsets_topic

LATEST = -1
EARLIEST = -2
MAX_TIMESTAMP = -3
EARLIEST_LOCAL = -4
LATEST_TIERED = -5
EARLIEST_PENDING_UPLOAD = -6
FIRST_VERSION = {
    LATEST: 1,
    EARLIEST: 1,
    MAX_TIMESTAMP: 7,
    EARLIEST_LOCAL: 8,
    LATEST_TIERED: 9,
    EARLIEST_PENDING_UPLOAD: 11,
}

CONSUMER_ID = -1
READ_COMMITTED = 1
FIRST_WITH_OFFSET_NOT_AVAILABLE = 5

NOTHING = FoundTimestamp(-1, -1, NO_EPOCH)
"""No record answers the question, which is no error."""

Found = FoundTimestamp | ErrorCode


async def handle(broker: DataHost, call: Call) -> bytes:
    request, version = call.request, call.version
    asked = Counter((topic.name, each.partition_index) for topic in request.topics for each in topic.partitions)
    topics = []
    async for topic in paced(request.topics):
        partitions = []
        async for each in paced(topic.partitions):
            if asked[topic.name, each.partition_index] > 1:
                found: Found = ErrorCode.invalid_request
            elif each.timestamp < 0 and version < FIRST_VERSION.get(each.timestamp, version + 1):
                found = ErrorCode.unsupported_version
            else:
                known = _known(broker, call, topic.name, each)
                found = await _searched(call, known, each.timestamp) if isinstance(known, Partition) else known
            partitions.append(_partition(version, each.partition_index, found))
        topics.append(offsets_topic(version, topic.name, partitions))
    return offsets_response(version, topics)


def _partition(version: int, index: int, found: Found) -> bytes:
    if isinstance(found, FoundTimestamp):
        return offsets_partition(version, index, 0, *found)
    if found is ErrorCode.offset_not_available and version < FIRST_WITH_OFFSET_NOT_AVAILABLE:
        found = ErrorCode.leader_not_available
    return offsets_partition(version, index, found, *NOTHING)


def _known(broker: DataHost, call: Call, topic: str, asked: Any) -> Found | Partition:
    """What needs no look into the log; the partition whose log must be searched."""
    current_leader_epoch = getattr(asked, "current_leader_epoch", NO_EPOCH)
    partition = leader(broker, topic, asked.partition_index, current_leader_epoch)
    if not isinstance(partition, Partition):
        return partition
    end_offset = _fetchable_end(call, partition)
    if call.request.replica_id == CONSUMER_ID and _epoch_start(partition) > end_offset:
        return ErrorCode.offset_not_available
    match asked.timestamp:
        case -1:
            return FoundTimestamp(-1, end_offset, partition.leader_epoch)
        case -2 | -4:
            start_offset = partition.log_start_offset
            return FoundTimestamp(-1, start_offset, partition.log.epochs.epoch_for_offset(start_offset))
        case -5 | -6:
            return NOTHING  # Nothing is tiered, so nothing waits to be either.
    return partition


async def _searched(call: Call, partition: Partition, timestamp: int) -> Found:
    try:
        found = await _search(partition, timestamp)
    except LogError:
        return ErrorCode.kafka_storage_error
    return found if found is not None and found.offset < _fetchable_end(call, partition) else NOTHING


async def _search(partition: Partition, timestamp: int) -> FoundTimestamp | None:
    if timestamp == MAX_TIMESTAMP:
        return await partition.log.max_timestamp_offset()
    return await partition.log.offset_for_timestamp(timestamp)


def _fetchable_end(call: Call, partition: Partition) -> int:
    """Up to where this client may read."""
    if call.request.replica_id != CONSUMER_ID:
        return partition.log.log_end_offset
    if getattr(call.request, "isolation_level", 0) == READ_COMMITTED:
        return partition.last_stable_offset
    return partition.high_watermark


def _epoch_start(partition: Partition) -> int:
    """Where the present leader began: until the high watermark is there, it is not known what was committed."""
    entries = partition.log.epochs.entries
    return entries[-1][1] if entries and entries[-1][0] == partition.leader_epoch else 0
