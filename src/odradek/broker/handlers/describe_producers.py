"""DescribeProducers (API key 61), version 0 (KIP-664): the idempotent producers a partition's leader remembers."""

from typing import Any

from kio.schema.errors import ErrorCode

from odradek.broker.call import Call
from odradek.broker.handlers.data_host import DataHost
from odradek.cluster.names import topic_name_problem
from odradek.host.pace import paced
from odradek.log.errors import LogError
from odradek.log.producer_state import ProducerEntry
from odradek.replication.partition import Partition


async def handle(broker: DataHost, call: Call) -> Any:
    types, topics = call.types, []
    async for topic in paced(call.request.topics):
        partitions = [_partition(broker, call, topic.name, index) async for index in paced(topic.partition_indexes)]
        topics.append(types.TopicResponse(name=topic.name, partitions=tuple(partitions)))
    return types.DescribeProducersResponse(topics=tuple(topics))


def _partition(broker: DataHost, call: Call, topic: str, index: int) -> Any:
    producers: list[ProducerEntry] = []
    error, message = ErrorCode.none, topic_name_problem(topic)
    if message is not None:
        error = ErrorCode.invalid_topic_exception
    else:
        partition = broker.replicas.partition(topic, index)
        if isinstance(partition, Partition):
            try:
                producers = partition.log.active_producers()
            except (LogError, OSError) as failure:
                error, message = ErrorCode.kafka_storage_error, str(failure)
        else:
            error = partition
    return call.types.PartitionResponse(
        partition_index=index,
        error_code=error,
        error_message=message,
        active_producers=tuple(_producer(call, each) for each in producers),
    )


def _producer(call: Call, entry: ProducerEntry) -> Any:
    return call.types.ProducerState(
        producer_id=entry.producer_id,
        producer_epoch=entry.producer_epoch,
        last_sequence=entry.last_sequence,
        last_timestamp=entry.last_timestamp_ms,
        coordinator_epoch=entry.coordinator_epoch,
        current_txn_start_offset=entry.current_transaction_first_offset,
    )
