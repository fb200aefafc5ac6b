"""Records of partitions as Arrow batches: the one place where records are touched one by one."""

import time
from collections.abc import Callable, Iterator, Mapping
from types import TracebackType
from typing import Any, Self

import pyarrow as pa
from confluent_kafka import Consumer, KafkaError, TopicPartition

from odradek.kappa.client.errors import LogError, told
from odradek.kappa.client.topics import Range
from odradek.kappa.records import RECORDS

BATCH_RECORDS = 50_000
"""At most, in one batch."""
QUEUED_KIB = 64 << 10
"""Fetched but not read yet."""
QUEUE_BACKOFF_MS = 5
"""After a full queue until it is looked at again: a second unless told, in which nothing comes."""
SILENCE_S_MAX = 60.0
"""Without an answer of any broker, before that is an error."""
_WAIT_S = 0.05
_TRIED_AGAIN = (KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN, KafkaError._RESOLVE)


class LogReader:
    """Reads ranges of partitions outside of any group; commits nothing."""

    def __init__(self, settings: Mapping[str, Any], *, now: Callable[[], float] = time.monotonic) -> None:
        self._consumer = Consumer(
            {
                "log_level": 0,
                "client.id": "odradek-kappa",
                "group.id": "odradek-kappa-unused",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "auto.offset.reset": "error",
                "isolation.level": "read_committed",
                "check.crcs": True,
                "queued.max.messages.kbytes": QUEUED_KIB,
                "queued.min.messages": 10_000_000,  # The size alone bounds what is queued.
                "fetch.queue.backoff.ms": QUEUE_BACKOFF_MS,
                **settings,
            }
        )
        self._now = now

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._consumer.close()

    def read(self, topic: str, ranges: Mapping[int, Range], *, headers: bool = False) -> Iterator[pa.RecordBatch]:
        """Every record of the ranges, in offset order within each partition. Raises LogError.

        The range's end need not exist: compaction may have left nothing up to it.
        """
        left = {partition: each for partition, each in ranges.items() if each.start < each.end}
        self._consumer.assign([TopicPartition(topic, partition, each.start) for partition, each in left.items()])
        heard = self._now()
        while left:
            messages = self._consumer.consume(BATCH_RECORDS, _WAIT_S)
            if messages:
                heard = self._now()
            elif self._now() - heard > SILENCE_S_MAX:
                raise LogError(f"no answer for {topic} within {SILENCE_S_MAX:g} s")
            batch = self._taken(topic, messages, left, headers)
            if batch.num_rows:
                yield batch
        self._consumer.unassign()

    def _taken(self, topic: str, messages: list[Any], left: dict[int, Range], headers: bool) -> pa.RecordBatch:
        """The batch; partitions read to their end are dropped from `left`."""
        partitions, offsets, timestamps, keys, values = [], [], [], [], []
        header_lists: list[Any] | None = [] if headers else None
        for message in messages:
            if message.error() is not None:
                self._hear(topic, message, left)
                continue
            partition, offset = message.partition(), message.offset()
            wanted = left.get(partition)
            if wanted is None:
                continue
            if offset < wanted.end:
                partitions.append(partition)
                offsets.append(offset)
                timestamps.append(message.timestamp()[1])
                keys.append(message.key())
                values.append(message.value())
                if header_lists is not None:
                    header_lists.append(message.headers())
            if offset + 1 >= wanted.end:
                self._end(topic, left, partition)
        return _batch(partitions, offsets, timestamps, keys, values, header_lists)

    def _hear(self, topic: str, event: Any, left: dict[int, Range]) -> None:
        """The end of a partition is no error, nor is what librdkafka tries again by itself."""
        error: KafkaError = event.error()
        if error.code() == KafkaError._PARTITION_EOF:
            wanted = left.get(event.partition())
            if wanted is not None and event.offset() >= wanted.end:
                self._end(topic, left, event.partition())
        elif error.code() == KafkaError._AUTO_OFFSET_RESET:
            raise LogError(f"{topic} begins later by now than where it was to be read from: {told(error)}")
        elif not error.retriable() and error.code() not in _TRIED_AGAIN:
            raise LogError(f"{topic} cannot be read: {told(error)}")

    def _end(self, topic: str, left: dict[int, Range], partition: int) -> None:
        del left[partition]
        self._consumer.incremental_unassign([TopicPartition(topic, partition)])


def _batch(
    partitions: list[int],
    offsets: list[int],
    timestamps: list[int],
    keys: list[bytes | None],
    values: list[bytes | None],
    headers: list[Any] | None,
) -> pa.RecordBatch:
    columns = [
        pa.array(partitions, pa.int32()),
        pa.array(offsets, pa.int64()),
        pa.array(timestamps, pa.int64()).cast(pa.timestamp("ms")),
        pa.array(keys, pa.binary()),
        pa.array(values, pa.binary()),
        pa.nulls(len(offsets), RECORDS.field("_headers").type) if headers is None else _headers(headers),
    ]
    return pa.RecordBatch.from_arrays(columns, schema=RECORDS)


def _headers(lists: list[Any]) -> pa.Array:
    found = [[{"key": key, "value": value} for key, value in each or ()] for each in lists]
    return pa.array(found, RECORDS.field("_headers").type)
