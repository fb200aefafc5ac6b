"""Produce (API key 0), versions 3-13; 0-2 are advertised but not served (see `wire.apis`).

3: transactional id, record batches of format 2. 5: log start offset. 7: zstd is allowed. 8: record errors (KIP-467).
9: flexible. 10: current leader (KIP-951). 13: topic ids (KIP-516).

The usual request is parsed, appended and answered in one go. An answer waits, without a task, while the high watermark
has to pass what was appended (acks=all, or flush.messages and flush.ms), or while writes go through a thread.
"""

import asyncio
import logging
from typing import TYPE_CHECKING

from kio.schema.errors import ErrorCode

from odradek.broker.delayed import DelayedResponse, Response
from odradek.broker.handlers.data_host import DataHost
from odradek.config import TopicConfig
from odradek.log.append import AppendRefusal, AppendResult
from odradek.log.errors import LogError
from odradek.log.preparation import is_due, is_due_for_timestamps
from odradek.replication.high_watermark import ACKS_ALL, NEVER
from odradek.replication.partition import Partition
from odradek.wire.frame import RequestHeader
from odradek.wire.produce import PartitionData, PartitionResponse, ProduceRequest, TopicKey, read_request, write_one
from odradek.wire.records import ATTRIBUTES_OFFSET, COMPRESSION_MASK, HEADER_SIZE, TRANSACTIONAL_FLAG

if TYPE_CHECKING:
    from odradek.broker.connection import Connection

logger = logging.getLogger(__name__)

INTERNAL_TOPICS = ("__consumer_offsets", "__transaction_state")
ADMIN_CLIENT_ID = "__admin_client"
"""The client id with which Kafka's own tools may write to internal topics."""

FIRST_WITH_ZSTD = 7
ZSTD = 4

_NONE = ErrorCode.none
_FLAGS = ATTRIBUTES_OFFSET + 1
Appended = AppendResult | asyncio.Future[AppendResult] | PartitionResponse
"""What became of one partition's records; a PartitionResponse when the log was not asked."""


def serve(
    broker: DataHost, connection: "Connection", header: RequestHeader, view: memoryview, end: int
) -> Response | DelayedResponse:
    """Answer the request whose body is view[header.body:end]. Raises MalformedRequestError."""
    version = header.version
    request = read_request(view, header.body, end, version)
    if request.transactional_id is not None or is_transactional(request):
        return _refuse(broker, connection, header, request, ErrorCode.transactional_id_authorization_failed)
    topics, acks = request.topics, request.acks
    if len(topics) != 1 or len(topics[0][1]) != 1:
        return _serve_many(broker, connection, header, request, view, end)
    key, (data,) = topics[0]
    partition = find_partition(broker, key, data.partition)
    if type(partition) is Partition and needs_executor(partition, data):
        return _serve_many(broker, connection, header, request, view, end)
    appended = append(partition, data, header, acks)
    if type(appended) is not AppendResult:
        pass
    elif appended.error is _NONE:
        if acks == 0:
            return None
        assert type(partition) is Partition
        if not has_to_wait(partition, appended.last_offset, acks):
            return write_one(
                version, header.correlation_id, key, data.partition, 0,
                appended.base_offset, appended.log_append_time_ms, appended.log_start_offset,
            )  # fmt: skip
    elif appended.is_preliminary:
        return _serve_many(broker, connection, header, request, view, end)
    from odradek.broker.handlers.delayed_produce import DelayedProduce

    delayed = DelayedProduce(broker, connection, header, request)
    delayed.add(key, data.partition, partition, appended)
    return delayed.finished_adding()


def find_partition(broker: DataHost, key: TopicKey, index: int) -> Partition | ErrorCode:
    """The partition led here, by topic name or id, or what to answer."""
    if type(key) is str:
        return broker.replicas.partition(key, index)
    return broker.replicas.partition_by_id(key, index)  # type: ignore[arg-type]


def append(
    partition: Partition | ErrorCode,
    data: PartitionData,
    header: RequestHeader,
    acks: int,
    prepared: TopicConfig | AppendRefusal | None = None,
) -> Appended:
    """Append to the partition's log, if the request may.

    `prepared` is for what the records have been checked already (`Log.append`), or what was found.
    """
    index, records = data
    if type(partition) is not Partition:
        return PartitionResponse(index, int(partition))  # type: ignore[arg-type]
    if records is None:
        message = "the records of a partition are null: there must be exactly one record batch"
        return PartitionResponse(index, ErrorCode.invalid_record, error_message=message)
    if header.version < FIRST_WITH_ZSTD and len(records) > _FLAGS and records[_FLAGS] & COMPRESSION_MASK == ZSTD:
        message = f"Produce requests of version {header.version} must not use zstd"
        return PartitionResponse(index, ErrorCode.unsupported_compression_type, error_message=message)
    if partition.topic in INTERNAL_TOPICS and header.client_id != ADMIN_CLIENT_ID:
        message = f"clients must not append to the internal topic {partition.topic}"
        return PartitionResponse(index, ErrorCode.invalid_topic_exception, error_message=message)
    if type(prepared) is AppendRefusal:
        return prepared.result(partition.log_start_offset)
    try:
        return partition.append(records, required_acks=acks, checked_for=prepared)  # type: ignore[arg-type]
    except LogError as error:
        logger.debug("produce to %s-%d: %s", partition.topic, index, error)
        return PartitionResponse(index, ErrorCode.kafka_storage_error, error_message=str(error))


def has_to_wait(partition: Partition, last_offset: int, acks: int) -> bool:
    """Whether what was appended may not be acknowledged yet."""
    if acks == ACKS_ALL:
        return not partition.is_committed(last_offset)
    if last_offset < partition.high_watermark:
        return False
    config = partition.log.config
    return config.flush_messages != NEVER or config.flush_ms != NEVER


def needs_executor(partition: Partition, data: PartitionData) -> bool:
    """Whether the records have to be compressed anew or looked at first, which would hold up the event loop."""
    config = partition.log.config
    if (config.compression_type == "producer" and "compact" not in config.cleanup_policy) or data.records is None:
        return False
    return is_due(data.records, config)


def is_to_prepare(broker: DataHost, partition: Partition, data: PartitionData) -> bool:
    """As `needs_executor`, and for records whose timestamps have to be looked at, which the usual request finds out."""
    if data.records is None:
        return False
    now_ms = broker.host.clock.time_ms()
    return needs_executor(partition, data) or is_due_for_timestamps(data.records, partition.log.config, now_ms)


def is_transactional(request: ProduceRequest) -> bool:
    """Whether any batch belongs to a transaction."""
    for _, partitions in request.topics:
        for _, records in partitions:
            if records is not None and len(records) >= HEADER_SIZE and records[_FLAGS] & TRANSACTIONAL_FLAG:
                return True
    return False


def _refuse(
    broker: DataHost, connection: "Connection", header: RequestHeader, request: ProduceRequest, error: ErrorCode
) -> Response | DelayedResponse:
    """The same error for every partition; nothing is appended."""
    from odradek.broker.handlers.delayed_produce import DelayedProduce

    delayed = DelayedProduce(broker, connection, header, request)
    for key, partitions in request.topics:
        for index, _ in partitions:
            delayed.add(key, index, error, PartitionResponse(index, error))
    return delayed.finished_adding()


def _serve_many(
    broker: DataHost,
    connection: "Connection",
    header: RequestHeader,
    request: ProduceRequest,
    view: memoryview,
    end: int,
) -> Response | DelayedResponse:
    from odradek.broker.handlers.delayed_produce import DelayedProduce

    delayed = DelayedProduce(broker, connection, header, request)
    for key, partitions in request.topics:
        for data in partitions:
            partition = find_partition(broker, key, data.partition)
            if type(partition) is Partition and is_to_prepare(broker, partition, data):
                return delayed.prepare_first(bytes(view[header.body : end]))
    delayed.append_all()
    return delayed.finished_adding()
