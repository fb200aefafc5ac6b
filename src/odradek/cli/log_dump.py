"""What a file of a partition holds, entry by entry, as plain dictionaries with a `type`."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from odradek.cli.errors import CommandError
from odradek.cli.log_files import mapped
from odradek.log import offset_index, producer_snapshot, time_index
from odradek.log.errors import LogError
from odradek.wire.errors import InvalidBatchError, UnsupportedMagicError
from odradek.wire.record_codec import Record, decode_batch
from odradek.wire.records import BatchHeader, batches, crc_is_valid

_CODECS = ("none", "gzip", "snappy", "lz4", "zstd")


def batches_of(path: Path, *, with_records: bool) -> Iterator[dict[str, Any]]:
    """Batches of a `.log` file, each followed by its records when wanted. Raises CommandError at what is none."""
    with mapped(path) as log:
        end = 0
        try:
            for position, header in batches(log):
                yield _batch(log, position, header)
                if with_records:
                    yield from map(_record, _records(log, position, header))
                end = position + header.size
        except (InvalidBatchError, UnsupportedMagicError) as error:
            raise CommandError(f"{path}, position {end}: {error}") from None
        if end != len(log):
            raise CommandError(f"{path}: the {len(log) - end} bytes from position {end} on are no whole batch")


def _records(log: memoryview, position: int, header: BatchHeader) -> list[Record]:
    # A slice that outlives this call would keep the file mapped.
    with log[position : position + header.size] as batch:
        return decode_batch(batch)


def offset_index_of(path: Path) -> Iterator[dict[str, Any]]:
    """Entries of an `.index` file; raises CommandError."""
    for entry in _decoded(path, offset_index.entries_of):
        yield {"type": "offset", "offset": int(path.stem) + entry.relative_offset, "position": entry.position}


def time_index_of(path: Path) -> Iterator[dict[str, Any]]:
    """Entries of a `.timeindex` file; raises CommandError."""
    for entry in _decoded(path, time_index.entries_of):
        yield {"type": "time", "timestamp": entry.timestamp_ms, "offset": int(path.stem) + entry.relative_offset}


def snapshot_of(path: Path) -> Iterator[dict[str, Any]]:
    """Producers of a `.snapshot` file; raises CommandError."""
    for entry in _decoded(path, producer_snapshot.decode).entries.values():
        last = entry.batches[-1] if entry.batches else None
        yield {
            "type": "producer",
            "producer_id": entry.producer_id,
            "producer_epoch": entry.producer_epoch,
            "last_sequence": last.last_sequence if last else None,
            "last_offset": last.last_offset if last else None,
            "last_timestamp": entry.last_timestamp_ms,
        }


def _decoded(path: Path, decode: Any) -> Any:
    try:
        return decode(path.read_bytes())
    except LogError as error:
        raise CommandError(f"{path}: {error}") from None


def _batch(log: memoryview, position: int, header: BatchHeader) -> dict[str, Any]:
    codec = header.compression
    return {
        "type": "batch",
        "position": position,
        "size": header.size,
        "base_offset": header.base_offset,
        "last_offset": header.last_offset,
        "records": header.count,
        "leader_epoch": header.leader_epoch,
        "producer_id": header.producer_id,
        "producer_epoch": header.producer_epoch,
        "base_sequence": header.base_sequence,
        "base_timestamp": header.base_timestamp,
        "max_timestamp": header.max_timestamp,
        "timestamp_type": "LogAppendTime" if header.is_log_append_time else "CreateTime",
        "compression": _CODECS[codec] if codec < len(_CODECS) else codec,
        "transactional": header.is_transactional,
        "control": header.is_control,
        "delete_horizon": header.base_timestamp if header.has_delete_horizon else None,
        "crc": header.crc,
        "crc_valid": crc_is_valid(log, position, header),
    }


def _record(record: Record) -> dict[str, Any]:
    return {
        "type": "record",
        "offset": record.offset,
        "timestamp": record.timestamp,
        "key": _text(record.key),
        "value": _text(record.value),
        "headers": [[name, _text(value)] for name, value in record.headers],
    }


def _text(data: bytes | None) -> str | dict[str, str] | None:
    if data is None:
        return None
    try:
        return data.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(data).decode()}
