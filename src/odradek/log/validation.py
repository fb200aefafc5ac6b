"""Which batches a log takes from clients and coordinators, and what Kafka answers for each of the others.

Only the batch header is looked at, except for compacted topics, whose records need keys, for batches that are
compressed anew, and to name the records whose timestamps are out of range. More than a few records are looked at in
the executor (`preparation`). The order of the checks is Kafka's (ProduceRequest.validateRecords, then the log's own).
"""

from typing import TYPE_CHECKING

from kio.schema.errors import ErrorCode

from odradek.log.append import AppendRefusal, Origin, RecordError, too_large
from odradek.log.recompression import needs_recompression
from odradek.wire.errors import InvalidBatchError
from odradek.wire.records import (
    ATTRIBUTES_OFFSET,
    CODEC_MAX,
    COMPRESSION_MASK,
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
    from collections.abc import Iterator

    from odradek.config import TopicConfig
    from odradek.wire.record_walk import RecordFacts

LOG_APPEND_TIME = "LogAppendTime"
INLINE_BYTES_MAX = 16 << 10
"""Size of an uncompressed batch whose records may be looked at on the event loop: some 2,000 records at the most."""
RECORD_ERRORS_MAX = 10_000
"""Records that one refusal names. A compressed batch may hold millions."""
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


def is_cheap_to_look_into(records: memoryview | bytearray) -> bool:
    """Whether so few records can be in there that looking at each does not hold up the event loop."""
    if len(records) > INLINE_BYTES_MAX:
        return False
    return len(records) < HEADER_SIZE or not records[ATTRIBUTES_OFFSET + 1] & COMPRESSION_MASK


def check_batch(
    records: memoryview,
    header: BatchHeader,
    config: "TopicConfig",
    origin: Origin,
    now_ms: int,
    *,
    name_timestamps: bool = True,
) -> AppendRefusal | None:
    """Everything about a single whole batch that does not depend on the log's content. None when it may be appended.

    With `name_timestamps` false the header decides alone whether timestamps are out of range.
    """
    try:
        if origin == "client" and header.base_offset != 0:
            raise _invalid(f"the base offset of a batch must be 0, but it is {header.base_offset}")
        if len(records) > config.max_message_bytes:
            raise too_large(len(records), config)
        if not crc_is_valid(records, 0, header):
            raise _corrupt(f"record batch does not match its CRC {header.crc:#010x}")
        if origin == "client":
            _check_client_header(header)
            _check_timestamps(records, header, config, now_ms, name_timestamps)
            _check_records(records, config)
        if len(records) > config.segment_bytes:
            raise AppendRefusal(
                ErrorCode.record_list_too_large,
                f"a batch of {len(records)} bytes does not fit into a segment of {config.segment_bytes}",
            )
    except AppendRefusal as refusal:
        return refusal
    return None


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
    if (codec := header.attributes & COMPRESSION_MASK) > CODEC_MAX:
        raise _invalid(f"compression codec {codec} is unknown")
    if header.max_timestamp < header.base_timestamp:
        raise _invalid(f"the largest timestamp {header.max_timestamp} lies before the first, {header.base_timestamp}")
    if header.is_control:
        raise _invalid("clients are not allowed to write control records")
    if header.producer_id >= 0 and header.base_sequence < 0:
        raise _invalid(f"sequence {header.base_sequence} of producer {header.producer_id} is invalid")
    if header.is_transactional:
        raise AppendRefusal(ErrorCode.invalid_txn_state, "the record is not part of an ongoing transaction")


def timestamps_are_plausible(header: BatchHeader, config: "TopicConfig", now_ms: int) -> bool:
    """Whether those that the header states are in the topic's range, which is enough."""
    lowest = now_ms - config.message_timestamp_before_max_ms
    highest = now_ms + config.message_timestamp_after_max_ms
    return _in_range(header.max_timestamp, lowest, highest) and _in_range(header.base_timestamp, lowest, highest)


def _check_timestamps(
    records: memoryview, header: BatchHeader, config: "TopicConfig", now_ms: int, name_timestamps: bool
) -> None:
    if config.message_timestamp_type == LOG_APPEND_TIME:
        if header.attributes & TIMESTAMP_TYPE_FLAG:
            raise _timestamps(((0, "a producer must not set the timestamp type to LogAppendTime"),))
        return
    if timestamps_are_plausible(header, config, now_ms):
        return
    if not name_timestamps:
        raise _timestamps(())
    lowest = now_ms - config.message_timestamp_before_max_ms
    highest = now_ms + config.message_timestamp_after_max_ms
    errors: list[RecordError] = []
    for index, facts in enumerate(_walked(records)):
        if not _in_range(facts.timestamp_ms, lowest, highest) and len(errors) < RECORD_ERRORS_MAX:
            message = f"timestamp {facts.timestamp_ms} is out of range, it must be within [{lowest}, {highest}]"
            errors.append((index, message))
    if errors:
        raise _timestamps(tuple(errors))


def _in_range(timestamp_ms: int, lowest: int, highest: int) -> bool:
    return timestamp_ms == NO_TIMESTAMP or lowest <= timestamp_ms <= highest


def _check_records(records: memoryview, config: "TopicConfig") -> None:
    """Of topics that look at them: they must be as many as the header says, well-formed, and have keys if compacted."""
    if "compact" in config.cleanup_policy:
        _check_keys(records)
    elif needs_recompression(records, config):
        for _ in _walked(records):
            pass


def _check_keys(records: memoryview) -> None:
    errors: list[RecordError] = []
    count = 0
    for index, facts in enumerate(_walked(records)):
        if not facts.has_key:
            count += 1
            if count <= RECORD_ERRORS_MAX:
                errors.append((index, "a compacted topic cannot accept a message without key"))
    if errors:
        message = f"{count} records have been rejected: they lack a key"
        raise AppendRefusal(ErrorCode.invalid_record, message, tuple(errors))


def _walked(records: memoryview) -> "Iterator[RecordFacts]":
    """Raises AppendRefusal INVALID_RECORD where the batch's records are not what its header says."""
    from odradek.wire.record_walk import walk_records  # Compression libraries are loaded when first needed.

    try:
        yield from walk_records(records)
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
