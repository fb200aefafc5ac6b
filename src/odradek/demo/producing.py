"""One of the demo's producers: sends its aircraft's flights, slower while the stage waits for a change of scene."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import NamedTuple

from confluent_kafka import KafkaError, Message, Producer

from odradek.demo.flights import Flights, producer_of
from odradek.demo.worker import Worker

_TRICKLE_S = 0.005
"""Pause between records while a scene is awaited: the stream goes on, but does not end before the scene changes."""
_LOOK_EVERY = 500


class Scene(NamedTuple):
    """Between two shares of the flights a producer goes slowly until something has happened on the stage."""

    begins: float
    ends: float
    has_happened: threading.Event


class FlightProducer(Worker):
    """Sends every flight of its share in the file's order.

    Args:
        number: Which producer this is, from 0.
        producers: How many there are.
    """

    def __init__(
        self,
        bootstrap: str,
        topic: str,
        flights: Flights,
        number: int,
        producers: int,
        scenes: Sequence[Scene],
    ) -> None:
        super().__init__(f"producer {number + 1}")
        self._topic = topic
        self._flights = flights
        self._number = number
        self._producers = producers
        self._scenes = scenes
        self._producer = Producer(
            {
                "bootstrap.servers": bootstrap,
                "client.id": f"odradek-demo-producer-{number + 1}",
                "enable.idempotence": True,
                "compression.type": "lz4",
                "linger.ms": 20,
                "delivery.report.only.error": True,
                "log_level": 0,
            }
        )
        self._sent = 0
        self._undelivered: KafkaError | None = None

    @property
    def stored(self) -> int:
        """Records that the broker has acknowledged."""
        return max(0, self._sent - len(self._producer))

    def work(self) -> None:
        for flight in self._flights:
            if self.stopping.is_set():
                return
            if producer_of(flight, self._producers) == self._number:
                self._pace(flight.row / self._flights.limit)
                self._send(flight.aircraft, self._flights.as_json(flight))
        while self._producer.flush(0.2) and not self.stopping.is_set():
            pass
        self._require_delivery()

    def _pace(self, share: float) -> None:
        for scene in self._scenes:
            if scene.begins <= share and not scene.has_happened.is_set():
                self._producer.poll(0)
                if share < scene.ends:
                    scene.has_happened.wait(_TRICKLE_S)
                while share >= scene.ends and not scene.has_happened.wait(0.1) and not self.stopping.is_set():
                    self._producer.poll(0)

    def _send(self, aircraft: str | None, value: bytes) -> None:
        while not self.stopping.is_set():
            try:
                self._producer.produce(self._topic, value, aircraft, on_delivery=self._on_failure)
                break
            except BufferError:
                self._producer.poll(0.1)
        self._sent += 1
        if self._sent % _LOOK_EVERY == 0:
            self._producer.poll(0)
            self._require_delivery()

    def _on_failure(self, error: KafkaError | None, message: Message) -> None:
        self._undelivered = self._undelivered or error

    def _require_delivery(self) -> None:
        if self._undelivered is not None:
            raise RuntimeError(f"a record was not stored: {self._undelivered.str()}")
