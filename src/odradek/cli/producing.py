"""Sends records through one producer as fast as it takes them, and counts what became of them."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Self

from odradek.cli.errors import describe
from odradek.cli.formats import Headers, Parsed
from odradek.cli.progress import Progress

if TYPE_CHECKING:
    from odradek.cli.kafka import KafkaError, Message, Producer

# Delivery failures are looked for after this many records, or this long after the last look.
_POLL_EVERY = 512
_POLL_INTERVAL_S = 0.25
_FLUSH_STEP_S = 0.2


class RecordSender:
    """Leaving the `with` block waits until every record is stored or given up."""

    def __init__(
        self, producer: Producer, topic: str, *, partition: int | None, key: bytes | None, headers: Headers
    ) -> None:
        self._producer = producer
        self._topic = topic
        self._partition = -1 if partition is None else partition
        self._key = key
        self._headers = headers
        self._sent = 0
        self._polled = time.monotonic()
        self._progress = Progress("sent", shows=not sys.stdin.isatty())
        self.failed = 0
        self.first_error = ""

    @property
    def delivered(self) -> int:
        """Records that the broker has, once the block is left."""
        return self._sent - self.failed

    def send(self, record: Parsed) -> None:
        """Queue one record; waits while the producer's queue is full."""
        headers = self._headers + (record.headers or [])
        partition = self._partition if record.partition is None or self._partition >= 0 else record.partition
        while True:
            try:
                self._producer.produce(
                    self._topic,
                    record.value,
                    record.key if record.key is not None else self._key,
                    partition=partition,
                    on_delivery=self._on_failure,
                    timestamp=record.timestamp_ms or 0,
                    headers=headers,
                )
                break
            except BufferError:
                self._producer.poll(0.1)
        self._sent += 1
        if self._sent % _POLL_EVERY == 0 or time.monotonic() - self._polled > _POLL_INTERVAL_S:
            self._poll()

    def _poll(self) -> None:
        self._producer.poll(0)
        self._polled = time.monotonic()
        self._progress.advance(self._sent - self._progress.records)

    def _on_failure(self, error: KafkaError | None, message: Message) -> None:
        if error is not None:
            self.failed += 1
            self.first_error = self.first_error or describe(error)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # A step at a time, so that Ctrl-C is noticed. What failed to parse does not take back what was sent before it.
        if not isinstance(error, KeyboardInterrupt | SystemExit):
            while self._producer.flush(_FLUSH_STEP_S):
                pass
        self._progress.advance(self._sent - self._progress.records)
        self._progress.finish()
