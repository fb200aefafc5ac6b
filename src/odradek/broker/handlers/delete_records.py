"""DeleteRecords (API key 21), versions 0-2 (KIP-107).

0: offsets, answered with each partition's new low watermark. 1: throttle time. 2: flexible. The timeout bounds the wait
for other replicas, of which there are none to wait for: the low watermark is the leader's own log start offset.
"""

from typing import Any

from kio.schema.errors import ErrorCode

from odradek.broker.call import Call
from odradek.broker.handlers.data_host import DataHost
from odradek.broker.handlers.produce import INTERNAL_TOPICS
from odradek.host.pace import paced
from odradek.log.errors import LogError
from odradek.replication.partition import Partition

HIGH_WATERMARK = -1
INVALID_LOW_WATERMARK = -1


async def handle(broker: DataHost, call: Call) -> Any:
    types = call.types
    topics = []
    async for topic in paced(call.request.topics):
        partitions = []
        async for each in paced(topic.partitions):
            error, low_watermark = _delete(broker, topic.name, each.partition_index, each.offset)
            partitions.append(
                types.DeleteRecordsPartitionResult(
                    partition_index=each.partition_index, low_watermark=low_watermark, error_code=error
                )
            )
        topics.append(types.DeleteRecordsTopicResult(name=topic.name, partitions=tuple(partitions)))
    return types.DeleteRecordsResponse(topics=tuple(topics))


def _delete(broker: DataHost, topic: str, index: int, offset: int) -> tuple[ErrorCode, int]:
    """Error and low watermark."""
    partition = broker.replicas.partition(topic, index)
    if not isinstance(partition, Partition):
        return partition, INVALID_LOW_WATERMARK
    if topic in INTERNAL_TOPICS:
        return ErrorCode.invalid_topic_exception, INVALID_LOW_WATERMARK
    log = partition.log
    if log.damage is not None:
        return ErrorCode.kafka_storage_error, INVALID_LOW_WATERMARK
    if "delete" not in log.config.cleanup_policy:
        return ErrorCode.policy_violation, INVALID_LOW_WATERMARK
    start_offset = partition.high_watermark if offset == HIGH_WATERMARK else offset
    if not 0 <= start_offset <= partition.high_watermark:
        return ErrorCode.offset_out_of_range, INVALID_LOW_WATERMARK
    try:
        moved = log.advance_log_start(start_offset)
    except LogError:
        return ErrorCode.kafka_storage_error, INVALID_LOW_WATERMARK
    if moved:
        broker.logs.log_start_moved(log)
    return ErrorCode.none, log.log_start_offset
