"""Logs on a temporary directory, and batches to put into them."""

import dataclasses
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

from odradek.config import BrokerConfig, TopicConfig
from odradek.host.files import FileSystem, read_file
from odradek.log import flush, inventory
from odradek.log.append import AppendResult
from odradek.log.descriptors import Descriptors
from odradek.log.inventory import Listing
from odradek.log.log import Log, Stop
from odradek.log.storage import LogStorage
from odradek.wire.record_codec import Record, encode_batch
from odradek.wire.records import BatchHeader, batches

NOW_MS = 1_700_000_000_000
TOPIC_ID = UUID("00112233-4455-6677-8899-aabbccddeeff")


def topic_config(**changes: Any) -> TopicConfig:
    """The defaults with some fields replaced."""
    return dataclasses.replace(TopicConfig.of(BrokerConfig.parse({}), {}), **changes)


def batch(*values: bytes | None, timestamp_ms: int = NOW_MS, key: bytes | None = b"k", **fields: Any) -> bytearray:
    """One batch as a producer sends it; one record for each value."""
    records = [Record(index, timestamp_ms, key, value) for index, value in enumerate(values)]
    return bytearray(encode_batch(records, **fields))


def placed(base_offset: int, *values: bytes, leader_epoch: int = 0, **fields: Any) -> bytearray:
    """One batch as a leader's log holds it."""
    return batch(*values, base_offset=base_offset, leader_epoch=leader_epoch, **fields)


class LogDirectory:
    """One partition's directory that can be opened again and again."""

    def __init__(self, path: Path, files: FileSystem, config: TopicConfig | None = None) -> None:
        self.path = path
        self.files = files
        self.config = config or topic_config()
        self.storage = LogStorage(files, Descriptors(files), random.Random(0))

    def open(
        self,
        *,
        stop: Stop = Stop.CLEAN,
        log_start_offset: int = 0,
        recovery_point: int = 0,
        listing: Listing | None = None,
    ) -> Log:
        """As the log manager does."""
        return Log.open(
            self.storage,
            str(self.path),
            topic="flights",
            partition=0,
            topic_id=TOPIC_ID,
            config=self.config,
            now_ms=NOW_MS,
            log_start_offset=log_start_offset,
            recovery_point=recovery_point,
            stop=stop,
            listing=listing,
        )

    def reopen(self, log: Log, stop: Stop = Stop.CLEAN) -> Log:
        """After a clean stop; or after a crash of which all written bytes survive."""
        if stop is Stop.CLEAN:
            listing = self.stopped(log)
        else:
            listing = inventory.listing_of(log, is_last=False)
            log.close()
        start_offset, recovery_point = log.log_start_offset, log.recovery_point
        return self.open(stop=stop, log_start_offset=start_offset, recovery_point=recovery_point, listing=listing)

    def stopped(self, log: Log) -> Listing:
        """Stop cleanly; what the inventory then says."""
        log.seal()
        flush_all(log)
        listing = inventory.listing_of(log, is_last=True)
        log.close()
        return listing

    def content(self, name: str) -> bytes:
        """Of one of the files."""
        return read_file(self.files, str(self.path / name))

    def names(self) -> list[str]:
        return sorted(self.files.listdir(str(self.path)))


def append(
    log: Log, records: bytearray, *, leader_epoch: int = 0, now_ms: int = NOW_MS, **options: Any
) -> AppendResult:
    """With defaults for what most tests do not care about."""
    return log.append(records, leader_epoch=leader_epoch, now_ms=now_ms, **options)


def flush_all(log: Log) -> None:
    """A full flush, done here and now."""
    job = log.begin_flush(everything=True)
    if job is not None:
        flush.run(log.storage.files, job.fds, job.directories, job.replacements)
        log.finish_flush(job)


def read_from(log: Log, offset: int, max_bytes: int = 1 << 20, **options: Any) -> bytes:
    """What a fetch would send; the search must not need the disk."""
    found = log.locate(offset, max_bytes, **options)
    assert found is not None
    content = bytearray(found.length)
    assert log.storage.files.preadv(found.fd, [content], found.position) == found.length
    found.release()
    return bytes(content)


def headers_in(log: Log, offset: int | None = None) -> list[BatchHeader]:
    """All batches from an offset (the log start) on, read the way consumers do."""
    position = log.log_start_offset if offset is None else offset
    found: list[BatchHeader] = []
    while position < log.log_end_offset:
        headers = [header for _, header in batches(read_from(log, position))]
        assert headers, f"nothing to read at {position}"
        found += headers
        position = headers[-1].last_offset + 1
    return found


def offsets_in(log: Log, offset: int | None = None) -> list[tuple[int, int]]:
    """(base offset, last offset) of the batches `headers_in` finds."""
    return [(header.base_offset, header.last_offset) for header in headers_in(log, offset)]


def append_many(log: Log, count: int, *, size: int = 100, start: int = 0) -> Sequence[AppendResult]:
    """Batches of one record, with rising timestamps."""
    return [append(log, batch(bytes(size), timestamp_ms=NOW_MS + start + index)) for index in range(count)]
