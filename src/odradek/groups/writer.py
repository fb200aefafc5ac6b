"""Stores records in one partition of `__consumer_offsets`, many requests in one append.

What is submitted in one turn of the loop goes into one record batch, in order, up to a number of changes, beyond which
the rest is left to the next turn. A write is settled, in order, when the
high watermark has passed its batch, or when it is certain that it will not be stored. A write is answered when it is
settled, or with REQUEST_TIMED_OUT after `offsets.commit.timeout.ms`: it may still be settled later.
"""

import asyncio
import logging
import struct
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from kio.schema.errors import ErrorCode

from odradek.groups.records import (
    CommittedOffset,
    GroupKey,
    OffsetKey,
    group_key,
    group_value,
    offset_key,
    offset_value,
)
from odradek.groups.timers import Alarm, TimerHeap
from odradek.groups.vocabulary import GroupMetadata
from odradek.log.append import AppendResult
from odradek.log.errors import LogError
from odradek.replication.errors import PartitionError
from odradek.wire.record_codec import Record, encode_batch

logger = logging.getLogger(__name__)

Change = tuple[OffsetKey, CommittedOffset | None] | tuple[GroupKey, GroupMetadata | None]
"""A key with its new value; None is a tombstone."""

TURN_CHANGES_MAX = 1_000
"""Changes that are encoded, or settled, in one turn of the loop, a last write's excess apart. Some milliseconds."""
_RECORD_OVERHEAD_BYTES = 32
_BATCH_OVERHEAD_BYTES = 61
_ACKS_ALL = -1


class StoredPartition(Protocol):
    """What the writer asks of `replication.Partition`."""

    def append(
        self, records: bytearray, *, origin: Literal["coordinator"], required_acks: int
    ) -> AppendResult | asyncio.Future[AppendResult]: ...

    def commit(self, last_offset: int, /) -> asyncio.Future[None] | None: ...


@dataclass(slots=True)
class Write:
    """Records that are stored together or not at all.

    `on_settled(error)`: none, they are stored and committed; else they never will be. `on_answer(error)` is called
    once, with an error for clients.
    """

    changes: list[Change]
    on_answer: Callable[[ErrorCode], None]
    on_settled: Callable[[ErrorCode], None] | None = None
    is_answered: bool = False

    def answer(self, error: ErrorCode) -> None:
        if not self.is_answered:
            self.is_answered = True
            self.on_answer(error)

    def settle(self, error: ErrorCode) -> None:
        """Settled comes first: who is answered sees what was stored."""
        if self.on_settled is not None:
            self.on_settled(error)
        self.answer(error)


@dataclass(slots=True)
class _Batch:
    writes: list[Write] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)
    size_bytes: int = _BATCH_OVERHEAD_BYTES
    fate: ErrorCode | None = None
    alarm: Alarm | None = None


class RecordWriter:
    """The writes of one partition, in order. Their number is bounded by the requests in flight."""

    def __init__(
        self,
        partition: StoredPartition,
        loop: asyncio.AbstractEventLoop,
        timers: TimerHeap,
        wall_ms: Callable[[], int],
        *,
        batch_bytes_max: Callable[[], int],
        timeout_ms: int,
        codec: int,
    ) -> None:
        self._partition = partition
        self._loop = loop
        self._timers = timers
        self._wall_ms = wall_ms
        self._batch_bytes_max = batch_bytes_max
        self._timeout_ms = timeout_ms
        self._codec = codec
        self._queued: deque[Write] = deque()
        self._is_flush_due = False
        self._in_flight: deque[_Batch] = deque()
        self._drained: asyncio.Future[None] | None = None
        self._closed: ErrorCode | None = None

    def submit(self, write: Write) -> None:
        """Store the write with everything else of this turn of the loop."""
        if self._closed is not None:
            write.settle(self._closed)
            return
        self._queued.append(write)
        self._flush_soon()

    def pending(self) -> Iterator[Change]:
        """Changes that are not settled yet."""
        for batch in self._in_flight:
            for write in batch.writes:
                yield from write.changes
        for write in self._queued:
            yield from write.changes

    def drained(self) -> asyncio.Future[None] | None:
        """None when nothing is pending; else done when nothing is."""
        if not self._queued and not self._in_flight:
            return None
        if self._drained is None:
            self._drained = self._loop.create_future()
        return self._drained

    def close(self, error: ErrorCode) -> None:
        """The partition is led elsewhere: what is not settled is not known to be stored."""
        self._closed = error
        writes = [write for batch in self._in_flight for write in batch.writes]
        writes += self._queued
        self._in_flight.clear()
        self._queued.clear()
        for write in writes:
            write.settle(error)
        self._wake_drained()

    def _flush_soon(self) -> None:
        if not self._is_flush_due:
            self._is_flush_due = True
            self._loop.call_soon(self._flush)

    def _turn(self) -> list[Write]:
        """The writes whose turn it is; for those left over another one follows."""
        writes: list[Write] = []
        changes = 0
        while self._queued and changes < TURN_CHANGES_MAX:
            writes.append(self._queued.popleft())
            changes += len(writes[-1].changes)
        if self._queued:
            self._flush_soon()
        return writes

    def _flush(self) -> None:
        self._is_flush_due = False
        batch_bytes_max, timestamp_ms = self._batch_bytes_max(), self._wall_ms()
        batch = _Batch()
        for write in self._turn():
            records, size_bytes = _encoded(write.changes, timestamp_ms, batch_bytes_max - _BATCH_OVERHEAD_BYTES)
            if not records:
                write.settle(ErrorCode.record_list_too_large)
                continue
            if batch.size_bytes + size_bytes > batch_bytes_max:
                self._append(batch)
                batch = _Batch()
            batch.writes.append(write)
            batch.records += records
            batch.size_bytes += size_bytes
        if batch.writes:
            self._append(batch)
        self._settle()

    def _append(self, batch: _Batch) -> None:
        self._in_flight.append(batch)
        encoded = bytearray(encode_batch(batch.records, codec=self._codec))
        batch.records = []
        try:
            result = self._partition.append(encoded, origin="coordinator", required_acks=_ACKS_ALL)
        except (LogError, PartitionError) as error:
            batch.fate = _error_of(error)
            return
        if isinstance(result, AppendResult):
            self._appended(batch, result)
        else:
            self._time_out_later(batch)
            result.add_done_callback(lambda done: self._appended_later(batch, done))

    def _appended_later(self, batch: _Batch, done: "asyncio.Future[AppendResult]") -> None:
        if self._closed is not None:
            _failure_of(done)
            return
        failure = _failure_of(done)
        if failure is None:
            self._appended(batch, done.result())
        else:
            batch.fate = failure
        self._settle()

    def _appended(self, batch: _Batch, result: AppendResult) -> None:
        if result.error is not ErrorCode.none:
            batch.fate = result.error
            return
        committed = self._partition.commit(result.last_offset)
        if committed is None:
            batch.fate = ErrorCode.none
        else:
            self._time_out_later(batch)
            committed.add_done_callback(lambda done: self._committed(batch, done))

    def _committed(self, batch: _Batch, done: "asyncio.Future[None]") -> None:
        batch.fate = _failure_of(done) or ErrorCode.none
        self._settle()

    def _settle(self) -> None:
        """Settle from the head on, so that state changes in the order of the log."""
        changes = 0
        while self._in_flight and (fate := self._in_flight[0].fate) is not None:
            if changes >= TURN_CHANGES_MAX:
                self._loop.call_soon(self._settle)
                return
            batch = self._in_flight.popleft()
            if batch.alarm is not None:
                batch.alarm.cancel()
            changes += sum(len(write.changes) for write in batch.writes)
            for write in batch.writes:
                write.settle(fate)
        self._wake_drained()

    def _time_out_later(self, batch: _Batch) -> None:
        if batch.alarm is None:
            batch.alarm = Alarm(self._timers, lambda: self._time_out(batch))
            batch.alarm.ring_by(self._timers.now_ms() + self._timeout_ms)

    def _time_out(self, batch: _Batch) -> None:
        for write in batch.writes:
            write.answer(ErrorCode.request_timed_out)

    def _wake_drained(self) -> None:
        if self._drained is not None and not self._queued and not self._in_flight:
            drained, self._drained = self._drained, None
            if not drained.done():
                drained.set_result(None)


def _record(change: Change, timestamp_ms: int) -> Record:
    key, value = change
    if isinstance(key, OffsetKey):
        stored = offset_value(value) if isinstance(value, CommittedOffset) else None
        return Record(0, timestamp_ms, offset_key(*key), stored, ())
    group = group_value(value) if isinstance(value, GroupMetadata) else None
    return Record(0, timestamp_ms, group_key(key.group_id), group, ())


def _encoded(changes: list[Change], timestamp_ms: int, bytes_max: int) -> tuple[list[Record], int]:
    """The records and their size; none when they are too large, or a string is longer than a record can hold.

    (Flexible requests can carry such a string.)
    """
    records, size_bytes = [], 0
    try:
        for change in changes:
            records.append(_record(change, timestamp_ms))
            size_bytes += _size_bytes(records[-1])
            if size_bytes > bytes_max:
                return [], size_bytes
    except struct.error:
        return [], 0
    return records, size_bytes


def all_of(count: int, answer: Callable[[ErrorCode], None]) -> Callable[[ErrorCode], None]:
    """To be called `count` times; the last time it calls `answer` with the first error, if any."""
    outcomes: list[ErrorCode] = []

    def one(error: ErrorCode) -> None:
        outcomes.append(error)
        if len(outcomes) == count:
            answer(next((each for each in outcomes if each is not ErrorCode.none), ErrorCode.none))

    return one


def once(answer: Callable[[ErrorCode], None]) -> Callable[[ErrorCode], None]:
    """Calls `answer` the first time it is called itself."""
    outcomes: list[ErrorCode] = []

    def one(error: ErrorCode) -> None:
        outcomes.append(error)
        if len(outcomes) == 1:
            answer(error)

    return one


def _size_bytes(record: Record) -> int:
    """An upper bound, before compression."""
    return len(record.key or b"") + len(record.value or b"") + _RECORD_OVERHEAD_BYTES


def _failure_of(done: "asyncio.Future[Any]") -> ErrorCode | None:
    """The error a wait for the partition ended with; None when it succeeded."""
    if done.cancelled():
        return ErrorCode.not_leader_or_follower
    error = done.exception()
    return None if error is None else _error_of(error)


def _error_of(error: BaseException) -> ErrorCode:
    if isinstance(error, PartitionError):
        return error.error
    logger.warning("group records could not be stored: %s", error)
    return ErrorCode.kafka_storage_error if isinstance(error, LogError) else ErrorCode.unknown_server_error
