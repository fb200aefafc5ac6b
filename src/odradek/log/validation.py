"""Which batches a log takes from clients and coordinators, and what Kafka answers for each of the others.

Only the batch header is looked at, except for compacted topics, whose records need keys, and to name the records whose
timestamps are out of range. The order of the checks is Kafka's (ProduceRequest.validateRecords, then the log's own).
"""

from typing import TYPE_CHECKING

from kio.schema.errors import ErrorCode

from odradek.log.append import AppendRefusal, Origin, RecordError
from odradek.wire.errors import InvalidBatchError
from odradek.wire.records import (
    CONTROL_FLAG,
    HEADER,
    HEADER_SIZE,
    LOG_OVERHEAD,
    MAGIC,
    MAGIC_OFFSET,
    NO_TIMESTAMP,
    TIMESTAMP_TYPE_FLAG,
    BatchHeader,
    crc_is_valid,
)

if TYPE_CHECKING:
    from odradek.config import TopicConfig
    from odradek.wire.record_codec import Record

LOG_APPEND_TIME = "LogAppendTime"
_SHORTEST_LENGTH = 14


def single_batch(records: memoryview) -> tuple[memoryview, BatchHeader]:
    """The one batch that a partition's produce data must hold; an incomplete one behind it is cut off, as Kafka does.

    Raises AppendRefusal: CORRUPT_MESSAGE, INVALID_RECORD.
    """
    size = _whole_batch_size(records, 0)
    if size is None:
        raise _invalid("there must be at least one record batch per partition")
    if records[MAGIC_OFFSET] != MAGIC:
        raise _invalid(f"record batches must have magic version 2, not {records[MAGIC_OFFSET]}")
    if _whole_batch_size(records, size) is not None:
        raise _invalid("there must be exactly one record batch per partition")
    if size < HEADER_SIZE:
        raise _corrupt(f"a batch of {size} bytes is shorter than its header")
    return records[:size], BatchHeader._make(HEADER.unpack_from(records))


def check_batch(
    records: memoryview, header: BatchHeader, config: "TopicConfig", origin: Origin, now_ms: int
) -> AppendRefusal | None:
    """Everything about a single whole batch that does not depend on the log's content. None when it may be appended."""
    try:
        if origin == "client" and header.base_offset != 0:
            raise _invalid(f"the base offset of a batch must be 0, but it is {header.base_offset}")
        if len(records) > config.max_message_bytes:
            raise too_large(len(records), config)
        if not crc_is_valid(records, 0, header):
            raise _corrupt(f"record batch does not match its CRC {header.crc:#010x}")
        if origin == "client":
            _check_client_header(header)
            _check_timestamps(records, header, config, now_ms)
        if "compact" in config.cleanup_policy and not header.attributes & CONTROL_FLAG:
            _check_keys(records)
        if len(records) > config.segment_bytes:
            raise AppendRefusal(
                ErrorCode.record_list_too_large,
                f"a batch of {len(records)} bytes does not fit into a segment of {config.segment_bytes}",
            )
    except AppendRefusal as refusal:
        return refusal
    return None


def too_large(size: int, config: "TopicConfig") -> AppendRefusal:
    """MESSAGE_TOO_LARGE."""
    return AppendRefusal(
        ErrorCode.message_too_large,
        f"a record batch of {size} bytes exceeds the maximum configured size of {config.max_message_bytes}",
    )


def _whole_batch_size(records: memoryview, position: int) -> int | None:
    """Bytes of the batch there, None when it is incomplete. Raises AppendRefusal for an impossible length or magic."""
    left = len(records) - position
    if left <= MAGIC_OFFSET:
        return None
    length = int.from_bytes(records[position + 8 : position + LOG_OVERHEAD], "big", signed=True)
    if length < _SHORTEST_LENGTH:
        raise _corrupt(f"batch length {length} is below the smallest possible")
    if left < length + LOG_OVERHEAD:
        return None
    if not 0 <= records[position + MAGIC_OFFSET] <= MAGIC:
        raise _corrupt(f"magic version {records[position + MAGIC_OFFSET]} is unknown")
    return length + LOG_OVERHEAD


def _check_client_header(header: BatchHeader) -> None:
    if header.last_offset_delta < 0:
        raise _invalid(f"the batch's offset range ends at {header.last_offset_delta}")
    if header.count <= 0:
        raise _invalid(f"a batch of {header.count} records")
    if header.count != header.last_offset_delta + 1:
        raise _invalid(f"{header.count} records do not match the last offset delta {header.last_offset_delta}")
    if header.is_control:
        raise _invalid("clients are not allowed to write control records")
    if header.producer_id >= 0 and header.base_sequence < 0:
        raise _invalid(f"sequence {header.base_sequence} of producer {header.producer_id} is invalid")
    if header.is_transactional:
        raise AppendRefusal(ErrorCode.invalid_txn_state, "the record is not part of an ongoing transaction")


def _check_timestamps(records: memoryview, header: BatchHeader, config: "TopicConfig", now_ms: int) -> None:
    if config.message_timestamp_type == LOG_APPEND_TIME:
        if header.attributes & TIMESTAMP_TYPE_FLAG:
            raise _timestamps(((0, "a producer must not set the timestamp type to LogAppendTime"),))
        return
    lowest = now_ms - config.message_timestamp_before_max_ms
    highest = now_ms + config.message_timestamp_after_max_ms
    if _in_range(header.max_timestamp, lowest, highest) and _in_range(header.base_timestamp, lowest, highest):
        return
    errors = tuple(
        (index, f"timestamp {timestamp} is out of range, it must be within [{lowest}, {highest}]")
        for index, timestamp in enumerate(_timestamps_of(records, header))
        if not _in_range(timestamp, lowest, highest)
    )
    if errors:
        raise _timestamps(errors)


def _in_range(timestamp_ms: int, lowest: int, highest: int) -> bool:
    return timestamp_ms == NO_TIMESTAMP or lowest <= timestamp_ms <= highest


def _timestamps_of(records: memoryview, header: BatchHeader) -> list[int]:
    if header.attributes & TIMESTAMP_TYPE_FLAG:
        return [header.max_timestamp] * header.count
    return [record.timestamp for record in decoded(records)]


def _check_keys(records: memoryview) -> None:
    errors = tuple(
        (index, "a compacted topic cannot accept a message without key")
        for index, record in enumerate(decoded(records))
        if record.key is None
    )
    if errors:
        raise AppendRefusal(
            ErrorCode.invalid_record, f"{len(errors)} records have been rejected: they lack a key", errors
        )


def decoded(records: memoryview) -> "list[Record]":
    """The batch's records. Raises AppendRefusal INVALID_RECORD when they cannot be decoded."""
    from odradek.wire.record_codec import decode_batch  # Compression libraries are loaded when first needed.

    try:
        return decode_batch(records)
    except InvalidBatchError as error:
        raise _invalid(f"the records cannot be decoded: {error}") from error


def _invalid(message: str) -> AppendRefusal:
    return AppendRefusal(ErrorCode.invalid_record, message)


def _corrupt(message: str) -> AppendRefusal:
    return AppendRefusal(ErrorCode.corrupt_message, message)


def _timestamps(errors: tuple[RecordError, ...]) -> AppendRefusal:
    return AppendRefusal(
        ErrorCode.invalid_timestamp, "One or more records have been rejected due to invalid timestamp", errors
    )
