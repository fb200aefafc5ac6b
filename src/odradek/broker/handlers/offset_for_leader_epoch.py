"""OffsetForLeaderEpoch (API key 23), versions 2-4.

2: current leader epoch, throttle time (KIP-320). 3: replica id, which decides nothing while only leaders answer.
4: flexible.
"""

from typing import Any

from kio.schema.errors import ErrorCode

from odradek.broker.call import Call
from odradek.broker.handlers.data_host import DataHost
from odradek.broker.handlers.leader_epoch import leader
from odradek.host.pace import paced
from odradek.replication.partition import Partition


async def handle(broker: DataHost, call: Call) -> Any:
    types, topics = call.types, []
    async for topic in paced(call.request.topics):
        partitions = [_partition(broker, call, topic.topic, each) async for each in paced(topic.partitions)]
        topics.append(types.OffsetForLeaderTopicResult(topic=topic.topic, partitions=tuple(partitions)))
    return types.OffsetForLeaderEpochResponse(topics=tuple(topics))


def _partition(broker: DataHost, call: Call, topic: str, asked: Any) -> Any:
    error, epoch, end_offset = ErrorCode.none, -1, -1
    partition = leader(broker, topic, asked.partition, asked.current_leader_epoch)
    if isinstance(partition, Partition):
        log = partition.log
        epoch, end_offset = log.end_offset_for_epoch(asked.leader_epoch)
        if log.damage is not None and end_offset >= log.log_end_offset:
            end_offset = broker.logs.known_end_offset(log)  # Else a reader beyond the damage thinks it was cut there.
    else:
        error = partition
    return call.types.EpochEndOffset(
        error_code=error, partition=asked.partition, leader_epoch=epoch, end_offset=end_offset
    )
