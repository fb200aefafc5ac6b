"""Batches for a log, and reading it back as consumers do, with every CRC and every lookup checked."""

from collections.abc import Sequence
from random import Random

from odradek.log.log import Log
from odradek.log.manager import LogManager
from odradek.wire.record_codec import Record, decode_batch, encode_batch
from odradek.wire.records import batches, crc_is_valid

READ_BYTES = 4000
TIMESTAMP_SPREAD_MS = 40


def batch(values: Sequence[str], now_ms: int, producer: int, sequence: int) -> bytearray:
    """An idempotent producer's batch, in a buffer the log may patch; its size and timestamp follow from its values."""
    number = sum(map(ord, values[-1]))
    timestamp_ms = now_ms - number * 11 % TIMESTAMP_SPREAD_MS
    padding = b"." * (number * 7 % (700 if number % 5 == 0 else 90))
    records = [Record(0, timestamp_ms, None, value.encode() + padding) for value in values]
    return bytearray(encode_batch(records, producer_id=producer, producer_epoch=0, base_sequence=sequence))


async def read_all(manager: LogManager, log: Log) -> list[tuple[int, str]]:
    """Offsets and values from the log start on."""
    return [(record.offset, value_of(record)) for record in await read_records(manager, log)]


def value_of(record: Record) -> str:
    assert record.value is not None
    return record.value.decode().rstrip(".")


async def read_records(manager: LogManager, log: Log) -> list[Record]:
    """All from the log start on."""
    found: list[Record] = []
    offset = log.log_start_offset
    while offset < log.log_end_offset:
        here = [record for record in await read_at(manager, log, offset) if record.offset >= offset]
        assert here, f"nothing can be read at offset {offset} of {log!r}"
        found += here
        offset = here[-1].offset + 1
    return found


async def read_at(manager: LogManager, log: Log, offset: int) -> list[Record]:
    """What a fetch at the offset gets: the records of whole batches."""
    located = log.locate(offset, READ_BYTES)
    if located is None:
        located = await log.locate_cold(offset, READ_BYTES)
    buffer = bytearray(located.length)
    assert manager.files.preadv(located.fd, [buffer], located.position) == located.length
    located.release()
    return whole_records(memoryview(buffer))


def whole_records(view: memoryview) -> list[Record]:
    """Of the whole batches in a read."""
    records: list[Record] = []
    for position, header in batches(view):
        assert crc_is_valid(view, position, header), f"batch at offset {header.base_offset} is damaged"
        records += decode_batch(view[position : position + header.size])
    return records


async def check_lookups(manager: LogManager, log: Log, chance: Random) -> None:
    """A random offset and a random timestamp are found where reading everything finds them."""
    records = await read_records(manager, log)
    if not records:
        return
    wanted = chance.choice(records)
    found = await read_at(manager, log, wanted.offset)
    assert wanted.offset in [record.offset for record in found], f"offset {wanted.offset} is not where it is looked for"
    at_or_after = await log.offset_for_timestamp(wanted.timestamp)
    assert at_or_after is not None, f"no record with timestamp {wanted.timestamp} was found"
    first = next(record for record in records if record.timestamp >= wanted.timestamp)
    assert at_or_after.offset == first.offset, f"timestamp {wanted.timestamp} is found at {at_or_after.offset}"
