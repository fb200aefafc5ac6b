"""Where consumed records come from, and the loop that writes them out in chunks."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol, Self

from odradek.cli.errors import CommandError, describe
from odradek.cli.progress import Progress
from odradek.cli.session import Session

if TYPE_CHECKING:
    from odradek.cli.kafka import KafkaError, Message, TopicPartition

_CHUNK_RECORDS = 10_000
_POLL_S = 0.2
_COMMON = {
    "enable.partition.eof": True,
    "auto.offset.reset": "earliest",
    "allow.auto.create.topics": False,
    # Bulk reads: enough in flight that the network and the terminal or pipe are both busy.
    "fetch.message.max.bytes": 4 * 1024 * 1024,
    "queued.min.messages": 500_000,
    "queued.max.messages.kbytes": 128 * 1024,
    # Its default of a second stalls a bulk read each time the queue has filled.
    "fetch.queue.backoff.ms": 5,
}


class Source(Protocol):
    """Records in chunks. Used in a `with` block that closes the client."""

    expected: int | None

    def __enter__(self) -> Self: ...
    def __exit__(self, *_: Any) -> None: ...

    def poll(self) -> list[Message]:
        """The next records, perhaps none yet; no errors and no end-of-partition marks among them."""

    @property
    def is_finished(self) -> bool:
        """Whether no more records will come."""

    def written(self, records: list[Message]) -> None:
        """These records, and all before them, have left the process."""


def copy_records(
    source: Source,
    write: Callable[[Message], bytes],
    output: BinaryIO,
    *,
    count: int | None,
    timeout_s: float | None,
    progress: Progress,
) -> int:
    """Write records until the source is finished, `count` is reached or none came for `timeout_s`.

    Returns:
        How many records were written.
    """
    last_s, total = time.monotonic(), 0
    while not source.is_finished and (count is None or total < count):
        records = source.poll()
        if count is not None:
            records = records[: count - total]
        if records:
            output.write(b"".join(map(write, records)))
            output.flush()
            source.written(records)
            total, last_s = total + len(records), time.monotonic()
            progress.advance(len(records))
        elif timeout_s is not None and time.monotonic() - last_s >= timeout_s:
            break
    progress.finish()
    return total


class _Client:
    """A consumer whose connection troubles become errors: bounded reads fail, following ones wait."""

    def __init__(self, session: Session, follow: bool, config: dict[str, Any]) -> None:
        self._session = session
        self._follow = follow
        self._lost: str | None = None
        self.consumer = session.consumer(**_COMMON | config, error_cb=self._on_error)

    def poll(self, on_end: Callable[[int], None]) -> list[Message]:
        from odradek.cli.kafka import KafkaError, KafkaException

        records = []
        for message in self.consumer.consume(_CHUNK_RECORDS, _POLL_S):
            error = message.error()
            if error is None:
                records.append(message)
            elif error.code() == KafkaError._PARTITION_EOF:
                on_end(message.partition() or 0)
            elif not error.retriable():
                raise KafkaException(error)
        if self._lost and not records and not self._follow:
            raise CommandError(f"lost the broker at {self._session.bootstrap}: {self._lost}")
        return records

    def _on_error(self, error: KafkaError) -> None:
        from odradek.cli.kafka import KafkaError as Errors

        if error.code() == Errors._ALL_BROKERS_DOWN or error.fatal():
            self._lost = describe(error)


class PartitionSource:
    """Chosen partitions from chosen offsets, without a group.

    Args:
        starts: First offset of each partition.
        ends: Where each partition ends; None to follow.
    """

    def __init__(
        self, session: Session, topic: str, starts: dict[int, int], ends: dict[int, int] | None, config: dict[str, Any]
    ) -> None:
        from odradek.cli.kafka import TopicPartition

        self._ends = ends
        self._open = [n for n, start in starts.items() if ends is None or start < ends[n]]
        self.expected = None if ends is None else sum(ends[n] - starts[n] for n in self._open)
        # librdkafka wants a group id even of a consumer that joins no group and commits nothing.
        own = {"group.id": "odradek-cli", "enable.auto.commit": False}
        self._client = _Client(session, ends is None, own | config)
        self._client.consumer.assign([TopicPartition(topic, n, starts[n]) for n in self._open])

    @property
    def is_finished(self) -> bool:
        return self._ends is not None and not self._open

    def poll(self) -> list[Message]:
        records = self._client.poll(self._on_end)
        if self._ends is None:
            return records
        for message in records:
            if (message.offset() or 0) + 1 >= self._ends[message.partition() or 0]:
                self._on_end(message.partition() or 0)
        # Records that came after the command began are the next command's.
        return [message for message in records if (message.offset() or 0) < self._ends[message.partition() or 0]]

    def written(self, records: list[Message]) -> None:
        """Nothing to remember: no group."""

    def _on_end(self, partition: int) -> None:
        if self._ends is not None and partition in self._open:
            self._open.remove(partition)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.consumer.close()


class GroupSource:
    """What a group assigns to this member; its offsets are committed once their records were written."""

    expected: int | None = None

    def __init__(
        self, session: Session, topic: str, group: str, reset: str, follow: bool, config: dict[str, Any]
    ) -> None:
        self._follow = follow
        self._assigned: list[int] = []
        self._ended: list[int] = []
        own = {"group.id": group, "auto.offset.reset": reset, "enable.auto.offset.store": False}
        self._client = _Client(session, follow, own | config)
        self._client.consumer.subscribe(
            [topic], on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_revoke
        )

    @property
    def is_finished(self) -> bool:
        return not self._follow and bool(self._assigned) and set(self._ended) >= set(self._assigned)

    def poll(self) -> list[Message]:
        return self._client.poll(self._on_end)

    def written(self, records: list[Message]) -> None:
        last = {message.partition(): message for message in records}
        for partition, message in last.items():
            if partition in self._assigned:
                self._client.consumer.store_offsets(message=message)

    def _on_end(self, partition: int) -> None:
        if partition not in self._ended:
            self._ended.append(partition)

    def _on_assign(self, consumer: Any, partitions: list[TopicPartition]) -> None:
        self._assigned += [partition.partition for partition in partitions]

    def _on_revoke(self, consumer: Any, partitions: list[TopicPartition]) -> None:
        gone = {partition.partition for partition in partitions}
        self._assigned = [number for number in self._assigned if number not in gone]
        self._ended = [number for number in self._ended if number not in gone]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.consumer.close()
