"""The one loop at the Kafka client's edge, and what it leaves certain.

Safety: rows of a partition go out in the order of seq, the idempotent producer keeps that order in the log, and with
`enable.gapless.guarantee` nothing follows a record that was given up. So the highest seq in a partition's log says
which of its rows are there: all up to it, and none after.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Producer

from odradek.kappa.errors import KappaError
from odradek.kappa.importing.partitioner import partitioner
from odradek.kappa.importing.topic import EPOCH_HEADER, SEQ_HEADER, VIEW_HEADER

QUEUE_RECORDS = 50_000
QUEUE_KIB = 65_536
_STEP_S = 0.2
_FULL_STEP_S = 0.005
"""A full queue frees itself without an event that would end a wait: only failures are reported."""


class RecordSender:
    """Sends rows of one import whose seq is above what their partition has.

    Args:
        highest: By partition, the highest seq that is in the log already.
        wait_s: How long a record is tried before the import gives up.
    """

    def __init__(
        self,
        config: dict[str, Any],
        topic: str,
        *,
        import_id: str,
        epoch: int,
        highest: Sequence[int],
        max_message_bytes: int,
        wait_s: float,
    ) -> None:
        self._topic = topic
        self._wait_s = wait_s
        self._limit = max_message_bytes
        self._headers = [(VIEW_HEADER, import_id.encode()), (EPOCH_HEADER, b"%d" % epoch)]
        self._highest = list(highest)
        self._partition_of = partitioner(len(self._highest))
        self._error: KafkaError | None = None
        self._producer: Any = Producer(config | self._config(max_message_bytes, wait_s))
        self.records = 0
        self.size_bytes = 0

    def _config(self, max_message_bytes: int, wait_s: float) -> dict[str, Any]:
        return {
            "acks": "all",
            "enable.idempotence": True,
            "enable.gapless.guarantee": True,
            "message.timeout.ms": round(wait_s * 1000),
            "message.max.bytes": max(1000, min(max_message_bytes, 1_000_000_000)),
            "queue.buffering.max.messages": QUEUE_RECORDS,
            "queue.buffering.max.kbytes": QUEUE_KIB,
            "linger.ms": 20,
            "delivery.report.only.error": True,
            "on_delivery": self._on_failure,
            "error_cb": self._on_error,
        }

    def send(
        self, values: Sequence[bytes | None], keys: Sequence[bytes | None], times_ms: Sequence[int], first_seq: int
    ) -> None:
        """Queue the rows; waits while the queue is full. A time of 0 is now. Raises KappaError."""
        produce, topic, constant = self._producer.produce, self._topic, self._headers
        partition_of, highest, partitions = self._partition_of, self._highest, len(self._highest)
        seq, size, records = first_seq, 0, 0
        for value, key, time_ms in zip(values, keys, times_ms, strict=True):
            partition = seq % partitions if key is None else partition_of(key)
            if seq > highest[partition]:
                headers = [*constant, (SEQ_HEADER, b"%d" % seq)]
                try:
                    produce(topic, value, key, partition, timestamp=time_ms, headers=headers)
                except BufferError:
                    self._produce_later(value, key, partition, time_ms, headers)
                except KafkaException as error:
                    raise self._refused(error.args[0], f"row {seq + 1:,}") from error
                size += len(value or b"") + len(key or b"")
                records += 1
            seq += 1
        self.records += records
        self.size_bytes += size
        self.poll()

    def _produce_later(
        self, value: bytes | None, key: bytes | None, partition: int, time_ms: int, headers: list[tuple[str, bytes]]
    ) -> None:
        while True:
            self._producer.poll(_FULL_STEP_S)
            self._raise_failure()
            try:
                self._producer.produce(self._topic, value, key, partition, timestamp=time_ms, headers=headers)
            except BufferError:
                continue
            except KafkaException as error:
                raise self._refused(error.args[0], "a row") from error
            return

    def poll(self) -> None:
        """Hear of failures; raises KappaError."""
        self._producer.poll(0)
        self._raise_failure()

    def flush(self, tick: Callable[[], None] = lambda: None) -> None:
        """Wait until everything queued is acknowledged by all in-sync replicas; raises KappaError."""
        deadline = time.monotonic() + self._wait_s + 2 * _STEP_S
        while self._producer.flush(_STEP_S):
            self._raise_failure()
            if time.monotonic() > deadline:
                raise self._gone()
            tick()
        self._raise_failure()

    def abandon(self) -> None:
        """Give up what is queued, so that the process can end at once."""
        self._producer.purge()
        self._producer.flush(_STEP_S)

    def _on_failure(self, error: KafkaError | None, message: Any) -> None:
        if error is not None and (self._error is None or self._error.code() == KafkaError._FATAL):
            self._error = error

    def _on_error(self, error: KafkaError) -> None:
        if error.fatal() and self._error is None:
            self._error = error

    def _raise_failure(self) -> None:
        if self._error is not None:
            raise self._refused(self._error, "a row")

    def _refused(self, error: KafkaError, row: str) -> KappaError:
        if error.code() == KafkaError.MSG_SIZE_TOO_LARGE:
            return KappaError(
                f"{row} makes a record larger than topic {self._topic} takes: max.message.bytes is {self._limit:,}; "
                "raise it and start the import again: it resumes there"
            )
        # What follows a record that was given up fails too; the cause is that nobody answered.
        if error.code() in (
            KafkaError._MSG_TIMED_OUT,
            KafkaError._FATAL,
            KafkaError._TIMED_OUT,
            KafkaError._GAPLESS_GUARANTEE,
        ):
            return self._gone()
        return KappaError(f"the brokers refused {row}: {error.str()}; start the import again to resume it")

    def _gone(self) -> KappaError:
        return KappaError(
            f"no broker stored a record for {self._wait_s:g} s (--wait): start the same import again to resume it"
        )
