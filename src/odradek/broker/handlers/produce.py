"""Produce (API key 0), versions 3-13; 0-2 are advertised but not served (see `wire.apis`).

3: transactional id, record batches of format 2. 5: log start offset. 7: zstd is allowed. 8: record errors (KIP-467).
9: flexible. 10: current leader (KIP-951). 13: topic ids (KIP-516).

The usual request is parsed, appended and answered in one go. An answer waits, without a task, while the high watermark
has to pass what was appended (acks=all, or flush.messages and flush.ms), or while writes go through a thread.
"""

import asyncio
import logging
from typing import TYPE_CHECKING, NamedTuple

from kio.schema.errors import ErrorCode

from odradek.broker.delayed import DelayedResponse, Response
from odradek.broker.handlers.data_host import DataHost
from odradek.config import TopicConfig
from odradek.log.append import AppendRefusal, AppendResult
from odradek.log.appending import UNUSUAL
from odradek.log.errors import LogError
from odradek.log.preparation import is_due, is_due_for_timestamps
from odradek.replication.high_watermark import ACKS_ALL
from odradek.replication.partition import Partition
from odradek.wire.frame import RequestHeader, read_request_header
from odradek.wire.plain_produce import PlainProduce, read_plain
from odradek.wire.produce import PartitionData, PartitionResponse, ProduceRequest, TopicKey, read_request
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


class _Frame(NamedTuple):
    """A request's content: view[start:end]."""

    view: memoryview
    start: int
    end: int


def serve(
    broker: DataHost, connection: "Connection", view: memoryview, start: int, end: int
) -> Response | DelayedResponse:
    """Answer the request in view[start:end]. Raises MalformedRequestError."""
    plain = read_plain(view, start, end)
    if plain is None:
        return _serve_any(broker, connection, _Frame(view, start, end))
    head, correlation_id, index, records = plain
    partition = find_partition(broker, head.topic, index)
    if type(partition) is not Partition or partition.topic in INTERNAL_TOPICS:
        return _serve_any(broker, connection, _Frame(view, start, end))
    acks, log = head.acks, partition.log
    try:
        base_offset = partition.append_plain(records, acks)
    except LogError as error:
        return _answer(broker, connection, _Frame(view, start, end), partition, _storage_error(partition, error))
    if base_offset == UNUSUAL:
        return _serve_unusual(broker, connection, _Frame(view, start, end), plain, partition)
    if acks == 0:
        return None
    last_offset = log.log_end_offset - 1
    if not has_to_wait(partition, last_offset, acks):
        return head.response(correlation_id, index, base_offset, -1, log.log_start_offset)
    appended = AppendResult(_NONE, base_offset, last_offset, -1, log.log_start_offset)
    return _answer(broker, connection, _Frame(view, start, end), partition, appended)


def _serve_unusual(
    broker: DataHost, connection: "Connection", frame: _Frame, plain: PlainProduce, partition: Partition
) -> Response | DelayedResponse:
    """Answer a plain request for whose batch or partition `append_plain` is not made."""
    head, correlation_id, index, records = plain
    if is_transactional(records) or is_to_prepare(broker, partition, records):
        return _serve_any(broker, connection, frame)
    appended: Appended
    try:
        appended = partition.append(records, required_acks=head.acks)
    except LogError as error:
        appended = _storage_error(partition, error)
    if type(appended) is not AppendResult or appended.error is not _NONE:
        return _answer(broker, connection, frame, partition, appended)
    if head.acks == 0:
        return None
    if has_to_wait(partition, appended.last_offset, head.acks):
        return _answer(broker, connection, frame, partition, appended)
    return head.response(
        correlation_id, index, appended.base_offset, appended.log_append_time_ms, appended.log_start_offset
    )


def _answer(
    broker: DataHost, connection: "Connection", frame: _Frame, partition: Partition, appended: Appended
) -> Response | DelayedResponse:
    """What became of a plain request that is not answered as such."""
    from odradek.broker.handlers.delayed_produce import DelayedProduce

    header, request = _read(frame)
    delayed = DelayedProduce(broker, connection, header, request)
    delayed.add(request.topics[0][0], partition.index, partition, appended)
    return delayed.finished_adding()


def _serve_any(broker: DataHost, connection: "Connection", frame: _Frame) -> Response | DelayedResponse:
    """Answer a request of which nothing is known yet, or one that is not plain for other reasons."""
    from odradek.broker.handlers.delayed_produce import DelayedProduce

    header, request = _read(frame)
    delayed = DelayedProduce(broker, connection, header, request)
    all_records = [data.records for _, partitions in request.topics for data in partitions]
    if request.transactional_id is not None or any(map(is_transactional, all_records)):
        delayed.refuse_all(ErrorCode.transactional_id_authorization_failed)
        return delayed.finished_adding()
    for key, partitions in request.topics:
        for index, records in partitions:
            partition = find_partition(broker, key, index)
            if type(partition) is Partition and is_to_prepare(broker, partition, records):
                return delayed.prepare_first(bytes(frame.view[header.body : frame.end]))
    delayed.append_all()
    return delayed.finished_adding()


def _read(frame: _Frame) -> tuple[RequestHeader, ProduceRequest]:
    header = read_request_header(*frame)
    return header, read_request(frame.view, header.body, frame.end, header.version)


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
        return _storage_error(partition, error)


def _storage_error(partition: Partition, error: LogError) -> PartitionResponse:
    logger.debug("produce to %s-%d: %s", partition.topic, partition.index, error)
    return PartitionResponse(partition.index, ErrorCode.kafka_storage_error, error_message=str(error))


def has_to_wait(partition: Partition, last_offset: int, acks: int) -> bool:
    """Whether what was appended may not be acknowledged yet."""
    if acks == ACKS_ALL:
        return not partition.is_committed(last_offset)
    if last_offset < partition.high_watermark:
        return False
    return partition.log.config.counts_flushed_only


def is_to_prepare(broker: DataHost, partition: Partition, records: memoryview | None) -> bool:
    """Whether the records have to be compressed anew or looked at first, which would hold up the event loop."""
    config = partition.log.config
    if records is None:
        return False
    return is_due(records, config) or is_due_for_timestamps(records, config, broker.host.clock.time_ms())


def is_transactional(records: memoryview | None) -> bool:
    """Whether the batch belongs to a transaction."""
    return records is not None and len(records) >= HEADER_SIZE and bool(records[_FLAGS] & TRANSACTIONAL_FLAG)
