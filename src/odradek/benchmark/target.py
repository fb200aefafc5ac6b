"""The broker that is measured, as its clients see it."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress

from odradek.benchmark import frames, resources
from odradek.benchmark.connection import Connection
from odradek.benchmark.errors import BenchError

TOPIC_PREFIX = "odradek-bench-"
READY_DEADLINE_S = 60.0
NOT_LED_YET = (5, 6)
"""LEADER_NOT_AVAILABLE, NOT_LEADER_OR_FOLLOWER."""
_POLL_S = 0.002


class Target:
    """A broker at an address; `pid` when it is a process of this machine whose use of it is to be counted."""

    def __init__(self, address: tuple[str, int], pid: int | None = None) -> None:
        self.address = address
        self.pid = pid

    def connect(self, topic: str | None = None, partition: int = 0) -> Connection:
        """A connection to the leader of the partition, or to the address."""
        if topic is None:
            return Connection(self.address)
        with Connection(self.address) as connection:
            found = frames.read_metadata(connection.call(frames.metadata(topic)))
        leaders = {each.partition: each.leader for each in found.partitions}
        address = found.brokers.get(leaders.get(partition, -1))
        if address is None:
            raise BenchError(f"{topic}-{partition} has no leader")
        return Connection(self.address if len(found.brokers) == 1 else address)

    @contextmanager
    def topic(self, partitions: int = 1, configs: Mapping[str, str] | None = None) -> Iterator[str]:
        """A new topic of which every partition has a leader; deleted afterwards."""
        name = TOPIC_PREFIX + secrets.token_hex(4)
        self.create_topic(name, partitions, configs or {})
        try:
            yield name
        finally:
            with suppress(OSError):
                self.delete_topic(name)

    def create_topic(self, name: str, partitions: int, configs: Mapping[str, str]) -> None:
        """Create a topic and wait until every partition has a leader that takes requests."""
        with Connection(self.address) as connection:
            error = frames.created(connection.call(frames.create_topic(name, partitions, configs)), name)
            if error:
                raise BenchError(f"creating {name} with {partitions} partitions failed with error code {error}")
            self._wait_for_leaders(connection, name, partitions)

    def delete_topic(self, name: str) -> None:
        """Delete a topic and wait until it is no longer told to clients."""
        with Connection(self.address) as connection:
            connection.call(frames.delete_topic(name))
            self._wait(lambda: frames.read_metadata(connection.call(frames.metadata(name))).error_code != 0, name)

    def end_offset(self, topic: str, partition: int = 0) -> int:
        """The log end offset; a broker that has just started may need a moment to lead the partition."""
        ask, answer = frames.list_offsets(topic, [partition]), (0, -1)

        def is_led() -> bool:
            nonlocal answer
            [answer] = frames.listed_offsets(connection.call(ask), topic)
            return answer[0] not in NOT_LED_YET

        with self.connect(topic, partition) as connection:
            self._wait(is_led, f"{topic}-{partition}")
        error, offset = answer
        if error:
            raise BenchError(f"listing offsets of {topic}-{partition} failed with error code {error}")
        return offset

    def require_end_offset(self, topic: str, partition: int, expected: int) -> None:
        """Raises BenchError unless the partition holds exactly so many records."""
        found = self.end_offset(topic, partition)
        if found != expected:
            raise BenchError(f"{topic}-{partition} ends at offset {found} where {expected} were acknowledged")

    def cpu_s(self) -> float | None:
        """Processor time of the broker so far; None when its process is not known."""
        return None if self.pid is None else resources.cpu_s(self.pid)

    def _wait_for_leaders(self, connection: Connection, name: str, partitions: int) -> None:
        ask = frames.metadata(name)

        def are_led() -> bool:
            found = frames.read_metadata(connection.call(ask)).partitions
            return len(found) == partitions and all(each.leader >= 0 for each in found)

        self._wait(are_led, name)
        found = frames.read_metadata(connection.call(ask))
        for leader in dict.fromkeys(each.leader for each in found.partitions):
            led = [each.partition for each in found.partitions if each.leader == leader]
            with self.connect(name, led[0]) as at_leader:
                self._wait(lambda: self._are_taken(at_leader, name, led), name)  # noqa: B023 - called before the next

    @staticmethod
    def _are_taken(connection: Connection, name: str, partitions: list[int]) -> bool:
        """Whether the broker there knows that it leads them all."""
        listed = frames.listed_offsets(connection.call(frames.list_offsets(name, partitions)), name)
        return all(error == 0 for error, _ in listed)

    def _wait(self, condition: Callable[[], bool], name: str) -> None:
        deadline = time.monotonic() + READY_DEADLINE_S
        while not condition():
            if time.monotonic() > deadline:
                raise BenchError(f"{name} was not ready within {READY_DEADLINE_S:g} s")
            time.sleep(_POLL_S)
