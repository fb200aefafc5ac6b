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
        self.assignment: set[int] = set()
        """The partitions it owns now; asked in the thread that polls, for the library may not answer another one."""
        self.received: list[bytes] = []

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
            self.assignment = {position.partition for position in self._consumer.assignment()}
            if message is not None and message.error() is None:
                self.received.append(message.value() or b"")
        self._consumer.close()
