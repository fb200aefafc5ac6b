"""Compacted logs: keyed records, and what is left of them."""

from collections.abc import Sequence
from typing import Any

from odradek.config import TopicConfig
from odradek.log.log import Log
from odradek.log.manager import LogManager
from odradek.wire.record_codec import Record, decode_batch, encode_batch
from odradek.wire.records import batches, crc_is_valid
from tests.support.logs import NOW_MS, append, read_from, topic_config

COMPACT = frozenset({"compact"})


def compact_config(**changes: Any) -> TopicConfig:
    """Small segments of a topic that is compacted."""
    return topic_config(
        **{"cleanup_policy": COMPACT, "segment_bytes": 1000, "index_interval_bytes": 200, "delete_retention_ms": 1000}
        | changes
    )


def keyed(*pairs: tuple[str, str | None], timestamp_ms: int = NOW_MS, **fields: Any) -> bytearray:
    """A batch of (key, value); None is a tombstone."""
    records = [
        Record(0, timestamp_ms + number, key.encode(), None if value is None else value.encode())
        for number, (key, value) in enumerate(pairs)
    ]
    return bytearray(encode_batch(records, **fields))


def put(log: Log, *pairs: tuple[str, str | None], **fields: Any) -> int:
    """Append a batch; its base offset."""
    result = append(log, keyed(*pairs, **fields), now_ms=fields.get("timestamp_ms", NOW_MS))
    assert result.error.value == 0, result.error_message
    return result.base_offset


async def settle(manager: LogManager, log: Log, *, roll: bool = True) -> None:
    """Everything appended so far may be compacted."""
    if roll:
        log.roll(NOW_MS)
    manager.flusher.request(log, everything=True)
    await manager.flusher.drain()


async def compact(manager: LogManager, log: Log) -> bool:
    """All that was appended so far."""
    await settle(manager, log)
    return await manager.cleaner.clean_now(log)


def records_in(log: Log) -> list[Record]:
    """All records, read the way consumers do, each batch checked."""
    found: list[Record] = []
    offset = log.log_start_offset
    while offset < log.log_end_offset:
        content = read_from(log, offset)
        read = list(batches(content))
        assert read, f"nothing to read at {offset}"
        for position, header in read:
            assert crc_is_valid(content, position, header)
            assert header.last_offset >= offset
            found += [each for each in decode_batch(memoryview(content)[position:]) if each.offset >= offset]
            offset = header.last_offset + 1
    return found


def table_in(log: Log) -> dict[str, str | None]:
    """The last value of each key, tombstones as None."""
    return {
        each.key.decode(): None if each.value is None else each.value.decode()
        for each in records_in(log)
        if each.key is not None
    }


def latest(pairs: Sequence[tuple[str, str | None]]) -> dict[str, str | None]:
    """What a consumer of everything ends up with."""
    return dict(pairs)
