"""Rows to the topic, each with the number by which it is known again."""

import time
from collections.abc import Mapping
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Producer

from odradek.kappa.client.errors import told
from odradek.kappa.importing.errors import ImportingError
from odradek.kappa.importing.partitioning import partition_of

QUEUED_KIB = 64 << 10
DELIVERY_MS_MAX = 120_000
"""Without an acknowledgement of a record, after which the import gives up: it can be begun again."""
VIEW, EPOCH, SEQUENCE = "odr-view", "odr-epoch", "odr-seq"


class Sender:
    """`reached`: the highest sequence number that each partition has already."""

    def __init__(self, settings: Mapping[str, Any], topic: str, identity: str, reached: Mapping[int, int]) -> None:
        self._producer = Producer(
            {
                "log_level": 0,
                "client.id": "odradek-import",
                "enable.idempotence": True,
                "acks": "all",
                "linger.ms": 20,
                "queue.buffering.max.kbytes": QUEUED_KIB,
                "queue.buffering.max.messages": 0,
                "message.timeout.ms": DELIVERY_MS_MAX,
                "delivery.report.only.error": True,
                "on_delivery": self._failed,
                **settings,
            }
        )
        self._topic, self._reached = topic, dict(reached)
        self._marks = ((VIEW, identity.encode()), (EPOCH, b"0"))
        self._error: Any = None
        self.sent = self.size = 0

    @property
    def reached(self) -> dict[int, int]:
        """By partition, of what was given to it; all of it is stored after `flush`."""
        return dict(self._reached)

    def send(self, sequence: int, time_ms: int, key: str | None, value: str) -> None:
        """Nothing, for a row that the topic has. Raises ImportingError once any record was refused."""
        key_bytes = None if key is None else key.encode()
        partition = partition_of(key_bytes, sequence, len(self._reached))
        if sequence <= self._reached[partition]:
            return
        headers: list[tuple[str, Any]] = [*self._marks, (SEQUENCE, str(sequence).encode())]
        content = value.encode()
        while True:
            try:
                self._producer.produce(self._topic, content, key_bytes, partition, timestamp=time_ms, headers=headers)
                break
            except BufferError:
                self._producer.poll(0.1)
                self._check()
            except KafkaException as error:
                raise ImportingError(f"row {sequence + 1:,} cannot be sent: {told(error)}") from error
        self._reached[partition] = sequence
        self.sent += 1
        self.size += len(content)

    def flush(self) -> None:
        """Returns once all is stored. Raises ImportingError."""
        deadline = time.monotonic() + DELIVERY_MS_MAX / 1000
        while self._producer.flush(1.0) and time.monotonic() < deadline:
            self._check()
        self._check()

    def serve(self) -> None:
        """Hear what became of records so far."""
        self._producer.poll(0)
        self._check()

    def _failed(self, error: KafkaError | None, message: Any) -> None:
        self._error = self._error or error

    def _check(self) -> None:
        if self._error is not None:
            raise ImportingError(f"{told(self._error)}: run the same command again to go on from here")
