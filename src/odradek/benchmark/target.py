"""The broker or the cluster that is measured, as its clients see it."""

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
NOT_LED_YET = (5, 6, 78)
"""LEADER_NOT_AVAILABLE, NOT_LEADER_OR_FOLLOWER, OFFSET_NOT_AVAILABLE."""
FOLLOWERS_STALLED_S = 1.0
"""So long the high watermark may stand still below what was acknowledged before it counts as lost."""
_POLL_S = 0.002


class Target:
    """A broker at an address, alone or one of a cluster.

    Args:
        pids: The brokers' processes, when they are of this machine and their use of it is to be counted.
        replication_factor: Of topics; -1 for the brokers' default.
        acks: What producers ask for: 1, or -1 for all in-sync replicas.
    """

    def __init__(self, address: tuple[str, int], *pids: int, replication_factor: int = -1, acks: int = 1) -> None:
        self.address = address
        self.pids = pids
        self.replication_factor = replication_factor
        self.acks = acks

    def connect(self, topic: str | None = None, partition: int = 0) -> Connection:
        """A connection to the leader of the partition, or to the address."""
        if topic is None:
            return Connection(self.address)
        found = self._metadata(topic)
        leaders = {each.partition: each.leader for each in found.partitions}
        address = found.brokers.get(leaders.get(partition, -1))
        if address is None:
            raise BenchError(f"{topic}-{partition} has no leader")
        return Connection(self.address if len(found.brokers) == 1 else address)

    def led_together(self, topic: str, partition: int = 0) -> list[int]:
        """This partition and those that the same broker leads: requests to them can share a connection."""
        found = self._metadata(topic).partitions
        [leader] = [each.leader for each in found if each.partition == partition]
        return sorted(each.partition for each in found if each.leader == leader)

    @contextmanager
    def topic(self, partitions: int = 1, configs: Mapping[str, str] | None = None) -> Iterator[str]:
        """A new topic of which every partition has a leader; deleted afterwards."""
        name = TOPIC_PREFIX + secrets.token_hex(4)
        try:
            self.create_topic(name, partitions, configs or {})
            yield name
        finally:
            with suppress(OSError):
                self.delete_topic(name)

    def create_topic(self, name: str, partitions: int, configs: Mapping[str, str]) -> None:
        """Create a topic and wait until every partition has a leader that takes requests."""
        with Connection(self.address) as connection:
            wanted = frames.create_topic(name, partitions, configs, self.replication_factor)
            error = frames.created(connection.call(wanted), name)
            if error:
                raise BenchError(f"creating {name} with {partitions} partitions failed with error code {error}")
            self._wait_for_leaders(connection, name, partitions)

    def delete_topic(self, name: str) -> None:
        """Delete a topic and wait until it is no longer told to clients."""
        with Connection(self.address) as connection:
            connection.call(frames.delete_topic(name))
            self._wait(lambda: frames.read_metadata(connection.call(frames.metadata(name))).error_code != 0, name)

    def end_offset(self, topic: str, partition: int = 0) -> int:
        """What consumers see as the end; a broker that has just started may need a moment to lead the partition."""
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
        """Raises BenchError unless the partition holds exactly so many records.

        With acks=1 they may be acknowledged before they are replicated; consumers see them afterwards.
        """
        found, moved_at = self.end_offset(topic, partition), time.monotonic()
        while found < expected and time.monotonic() - moved_at < FOLLOWERS_STALLED_S:
            time.sleep(_POLL_S)
            before, found = found, self.end_offset(topic, partition)
            moved_at = time.monotonic() if found != before else moved_at
        if found != expected:
            raise BenchError(f"{topic}-{partition} ends at offset {found} where {expected} were acknowledged")

    def cpu_s(self) -> float | None:
        """Processor time of the brokers so far; None when their processes are not known."""
        return resources.cpu_s(*self.pids) if self.pids else None

    def resident_mb(self) -> float | None:
        """Memory of the brokers that is in RAM, in 10^6 bytes; None when their processes are not known."""
        return resources.resident_mb(*self.pids) if self.pids else None

    def _metadata(self, topic: str) -> frames.ClusterMetadata:
        with Connection(self.address) as connection:
            return frames.read_metadata(connection.call(frames.metadata(topic)))

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
