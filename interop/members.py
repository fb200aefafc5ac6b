"""A librdkafka consumer that is a member of a group while a tool looks at the group."""

import threading
from types import TracebackType
from typing import Self

from confluent_kafka import Consumer

JOIN_TIMEOUT_S = 30.0


class Member:
    """Polls in a thread from entering the `with` block, which waits for its first assignment, to leaving it."""

    def __init__(
        self, bootstrap: str, group: str, topic: str, *, assignor: str = "range", client_id: str = "member"
    ) -> None:
        self._consumer = Consumer(
            {
                "bootstrap.servers": bootstrap, "group.id": group, "client.id": client_id,
                "partition.assignment.strategy": assignor, "auto.offset.reset": "earliest", "enable.auto.commit": True,
                "auto.commit.interval.ms": 100,
            }
        )  # fmt: skip
        self._assigned = threading.Event()
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._poll, args=(topic,))
        self.received: list[bytes] = []

    @property
    def assignment(self) -> set[int]:
        """The partitions it owns now."""
        return {position.partition for position in self._consumer.assignment()}

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._assigned.wait(JOIN_TIMEOUT_S), "the member got no partitions"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ends.set()
        self._thread.join()

    def _poll(self, topic: str) -> None:
        self._consumer.subscribe([topic], on_assign=lambda consumer, partitions: self._assigned.set())
        while not self._ends.is_set():
            message = self._consumer.poll(0.05)
            if message is not None and message.error() is None:
                self.received.append(message.value() or b"")
        self._consumer.close()
