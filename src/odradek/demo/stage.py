"""The demo's play: three producers, a steady group, and one that grows from one to three consumers and back."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import confluent_kafka.admin

from odradek.demo.flights import Flights
from odradek.demo.patience import DemoFailedError, StalledError, until
from odradek.demo.producing import FlightProducer, Scene
from odradek.demo.proof import Findings, Witness
from odradek.demo.reading import Group
from odradek.demo.worker import Worker

PARTITIONS = 6
PRODUCERS = 3
STEADY_GROUP = "dispatch"
ELASTIC_GROUP = "maintenance"
_ELASTIC_SIZES = (3, 1)
_STALL_S = 60.0


@dataclass(frozen=True, slots=True)
class Picture:
    """What is going on at one moment."""

    total: int
    stored: dict[str, int]
    groups: dict[str, tuple[int, int]]
    """Members and records seen of each group."""
    elapsed_s: float

    @property
    def stored_total(self) -> int:
        """Records the broker has acknowledged."""
        return sum(self.stored.values())

    def lag(self, group: str) -> int:
        """Records stored that the group has not seen yet."""
        return max(0, self.stored_total - self.groups[group][1])


class Stage:
    """Runs the play once.

    Args:
        flights: What is produced.
        rows: Row of each flight by its identity.
        groups_prefix: Put before group names, so that a shared cluster's groups are not disturbed.
    """

    def __init__(
        self, bootstrap: str, topic: str, flights: Flights, rows: dict[str, int], groups_prefix: str = ""
    ) -> None:
        self._bootstrap = bootstrap
        self._topic = topic
        self._total = len(rows)
        has_grown, has_shrunk = threading.Event(), threading.Event()
        self._scenes = [Scene(1 / 4, 1 / 2, has_grown), Scene(2 / 3, 5 / 6, has_shrunk)]
        self._producers = [
            FlightProducer(bootstrap, topic, flights, number, PRODUCERS, self._scenes) for number in range(PRODUCERS)
        ]
        witnesses = [Witness(groups_prefix + name, rows) for name in (STEADY_GROUP, ELASTIC_GROUP)]
        self._steady, self._elastic = (Group(bootstrap, topic, witness, PARTITIONS) for witness in witnesses)
        self._started = 0.0

    def play(self, show: Callable[[Picture], None]) -> list[Findings]:
        """Run to the end, showing a picture several times a second. Raises DemoFailedError."""
        self._create_topic()
        self._started = time.monotonic()
        try:
            self._steady.resize(1)
            self._elastic.resize(1)
            for producer in self._producers:
                producer.start()
            for _ in self._acts():
                show(self._picture())
        finally:
            self._leave()
        show(self._picture())
        return [group.witness.findings() for group in self._groups]

    @property
    def group_names(self) -> list[str]:
        """The names of both groups."""
        return [group.witness.group for group in self._groups]

    @property
    def _groups(self) -> list[Group]:
        return [self._steady, self._elastic]

    @property
    def _workers(self) -> list[Worker]:
        return [*self._producers, *(worker for group in self._groups for worker in group.workers)]

    def _acts(self) -> Iterator[None]:
        for scene, members in zip(self._scenes, _ELASTIC_SIZES, strict=True):
            yield from self._until(lambda at=scene.begins: self._picture().stored_total >= at * self._total * 0.9)
            yield from self._until(lambda: self._elastic.is_settled)
            self._elastic.resize(members)
            yield from self._until(lambda: self._elastic.is_settled)
            scene.has_happened.set()
        yield from self._until(lambda: all(producer.is_done for producer in self._producers))
        yield from self._until(lambda: all(group.witness.is_complete for group in self._groups))

    def _until(self, condition: Callable[..., bool]) -> Iterator[None]:
        try:
            yield from until(condition, self._progress, lambda: self._workers, _STALL_S)
        except StalledError as error:
            raise DemoFailedError(f"{error}: {self._where()}") from None

    def _progress(self) -> object:
        picture = self._picture()
        return picture.stored, picture.groups

    def _where(self) -> str:
        picture = self._picture()
        seen = ", ".join(f"{name} saw {seen:,}" for name, (_, seen) in picture.groups.items())
        return f"{picture.stored_total:,} of {self._total:,} records stored; {seen}"

    def _picture(self) -> Picture:
        return Picture(
            total=self._total,
            stored={producer.name: producer.stored for producer in self._producers},
            groups={group.witness.group: (len(group.consumers), group.witness.seen) for group in self._groups},
            elapsed_s=time.monotonic() - self._started,
        )

    def _leave(self) -> None:
        for worker in self._workers:
            worker.stop()
        for worker in self._workers:
            worker.join(10)

    def _create_topic(self) -> None:
        admin_module: Any = confluent_kafka.admin
        admin = admin_module.AdminClient({"bootstrap.servers": self._bootstrap, "log_level": 0})
        topic = admin_module.NewTopic(self._topic, num_partitions=PARTITIONS, replication_factor=-1)
        admin.create_topics([topic])[self._topic].result(timeout=30)

    def clean_up(self) -> None:
        """Delete the topic and the groups: nothing stays behind on somebody's cluster."""
        admin_module: Any = confluent_kafka.admin
        admin = admin_module.AdminClient({"bootstrap.servers": self._bootstrap, "log_level": 0})
        for future in admin.delete_topics([self._topic]).values():
            future.result(timeout=30)
        for future in admin.delete_consumer_groups(self.group_names).values():
            future.result(timeout=30)
