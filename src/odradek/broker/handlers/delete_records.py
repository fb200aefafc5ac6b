"""DeleteRecords (API key 21), versions 0-2 (KIP-107).

0: offsets, answered with each partition's new low watermark. 1: throttle time. 2: flexible. A partition is answered
once the replicas in sync have removed the records too, which they do with their next fetch; the timeout bounds that.
"""

import asyncio
from dataclasses import dataclass
from itertools import chain
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


@dataclass(frozen=True, slots=True)
class Deletion:
    """Of one partition, on this broker; `offset` is its new first one."""

    index: int
    error: ErrorCode
    partition: Partition | None = None
    offset: int = INVALID_LOW_WATERMARK


async def handle(broker: DataHost, call: Call) -> Any:
    types = call.types
    topics: dict[str, list[Deletion]] = {}
    async for topic in paced(call.request.topics):
        deletions = topics.setdefault(topic.name, [])
        deletions += [_delete(broker, topic.name, each) async for each in paced(topic.partitions)]
    await _replicas_follow(list(chain.from_iterable(topics.values())), call.request.timeout.total_seconds())
    return types.DeleteRecordsResponse(
        topics=tuple(
            types.DeleteRecordsTopicResult(name=name, partitions=tuple(_result(call, each) for each in deletions))
            for name, deletions in topics.items()
        )
    )


async def _replicas_follow(deletions: list[Deletion], timeout_s: float) -> None:
    """Returns when they have, or the time is up."""
    waiting = [
        waiter
        for each in deletions
        if each.partition is not None and (waiter := each.partition.removed_below(each.offset)) is not None
    ]
    if waiting:
        await asyncio.wait(waiting, timeout=max(timeout_s, 0))
        for waiter in waiting:
            if not waiter.cancel():
                waiter.exception()  # It is the partition's that is told, and only asked for here.


def _result(call: Call, deletion: Deletion) -> Any:
    partition, error = deletion.partition, deletion.error
    low_watermark = INVALID_LOW_WATERMARK if partition is None else partition.low_watermark
    if partition is not None and low_watermark < deletion.offset:
        is_leader = partition.error is ErrorCode.none
        error, low_watermark = (ErrorCode.request_timed_out if is_leader else partition.error), INVALID_LOW_WATERMARK
    return call.types.DeleteRecordsPartitionResult(
        partition_index=deletion.index, low_watermark=low_watermark, error_code=error
    )


def _delete(broker: DataHost, topic: str, asked: Any) -> Deletion:
    index, offset = asked.partition_index, asked.offset
    partition = broker.replicas.partition(topic, index)
    if not isinstance(partition, Partition):
        return Deletion(index, partition)
    if topic in INTERNAL_TOPICS:
        return Deletion(index, ErrorCode.invalid_topic_exception)
    log = partition.log
    if log.damage is not None:
        return Deletion(index, ErrorCode.kafka_storage_error)
    if "delete" not in log.config.cleanup_policy:
        return Deletion(index, ErrorCode.policy_violation)
    start_offset = partition.high_watermark if offset == HIGH_WATERMARK else offset
    if not 0 <= start_offset <= partition.high_watermark:
        return Deletion(index, ErrorCode.offset_out_of_range)
    try:
        moved = log.advance_log_start(start_offset)
    except LogError:
        return Deletion(index, ErrorCode.kafka_storage_error)
    if moved:
        broker.logs.log_start_moved(log)
    return Deletion(index, ErrorCode.none, partition, start_offset)
