"""The cluster's play: the flights flow while a broker is killed, one is added, and one is drained and removed."""

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
from odradek.demo.troupe import JOINING, Troupe
from odradek.demo.watching import View, Watcher
from odradek.demo.worker import Worker

TOPIC = "flights"
PARTITIONS = 6
COPIES = 3
PRODUCERS = 3
READERS, CHECKERS = 2, 3
READING, CHECKING = "dispatch", "audit"
"""Those who read while the brokers change, and those who read everything again when it is over."""
STALL_S = 120.0


@dataclass(frozen=True, slots=True)
class Event:
    at_s: float
    what: str


@dataclass(frozen=True, slots=True)
class ClusterPicture:
    """What is going on at one moment. `seen` is of the group that reads at the time, `draining` -1 for nobody."""

    total: int
    stored: int
    group: str
    members: int
    seen: int
    view: View
    addresses: dict[int, str]
    draining: int
    story: tuple[Event, ...]
    elapsed_s: float

    @property
    def lag(self) -> int:
        return max(0, self.stored - self.seen)


class ClusterStage:
    """Runs the play once. `rows`: row of each flight by its identity."""

    def __init__(self, troupe: Troupe, flights: Flights, rows: dict[str, int]) -> None:
        self._troupe, self._rows = troupe, rows
        happened = [threading.Event() for _ in range(3)]
        shares = ((0.1, 0.3), (0.35, 0.6), (0.65, 0.9))
        self._scenes = [Scene(*share, event) for share, event in zip(shares, happened, strict=True)]
        self._producers = [
            FlightProducer(troupe.bootstrap, TOPIC, flights, number, PRODUCERS, self._scenes)
            for number in range(PRODUCERS)
        ]
        self._watcher = Watcher(troupe.bootstrap, TOPIC)
        self._groups = [self._group(READING)]
        self._others: list[Worker] = []
        self._victim = self._draining = -1
        self.story: list[Event] = []
        self._started_s = time.monotonic()

    def _group(self, name: str) -> Group:
        return Group(self._troupe.bootstrap, TOPIC, Witness(name, self._rows), PARTITIONS)

    def play(self, show: Callable[[ClusterPicture], None]) -> list[Findings]:
        """Run to the end, showing a picture several times a second. Raises DemoFailedError."""
        self._create_topic()
        self._started_s = time.monotonic()
        try:
            self._groups[0].resize(READERS)
            for worker in (self._watcher, *self._producers):
                worker.start()
            for _ in self._acts():
                show(self._picture())
        finally:
            self._leave()
        show(self._picture())
        return [group.witness.findings() for group in self._groups]

    # --- the acts ---

    def _acts(self) -> Iterator[None]:
        yield from self._until(lambda: self._watcher.view.is_whole)
        for scene, act in zip(self._scenes, (self._kill, self._add, self._drain), strict=True):
            yield from self._until(lambda at=scene.begins: self._picture().stored >= at * len(self._rows) * 0.9)
            yield from act()
            scene.has_happened.set()
        yield from self._until(lambda: all(producer.is_done for producer in self._producers))
        yield from self._until(lambda: self._groups[0].witness.is_complete)
        self._tell(f"all {len(self._rows):,} flights are stored and read: everything is read again")
        self._groups[0].resize(0)
        self._groups.append(self._group(CHECKING))
        self._groups[-1].resize(CHECKERS)
        yield from self._until(lambda: self._groups[-1].witness.is_complete)

    def _kill(self) -> Iterator[None]:
        victim = self._victim = self._most_leading()
        self._tell(f"kill -9 of broker {victim}, which leads {self._led_by(victim)} of {PARTITIONS} partitions")
        began_s = time.monotonic()
        self._troupe.kill(victim)
        yield from self._until(lambda: self._led_by(victim) == 0 and self._led_by(-1) == 0)
        self._tell(f"every partition has a living leader again, {time.monotonic() - began_s:.1f} s after the kill")
        yield from self._until(lambda: victim in self._view.brokers and self._view.is_whole)
        self._tell(f"broker {victim} is back, every copy is in sync")

    def _add(self) -> Iterator[None]:
        self._tell(f"$ odradek start --node-id {JOINING} ...: a fourth broker joins")
        adding = self._begin(_Adding(self._troupe))
        yield from self._until(lambda: adding.is_done)
        yield from self._until(lambda: self._view.in_sync[JOINING] > 0 and self._is_settled())
        self._tell(f"broker {JOINING} has {self._view.copies[JOINING]} of {PARTITIONS * COPIES} copies by itself")

    def _drain(self) -> Iterator[None]:
        leaver = self._draining = min(self._view.brokers - {self._victim, JOINING})
        self._tell(f"$ odradek cluster drain {leaver}: its leaderships leave first, then its copies")
        draining = self._begin(self._troupe.command("cluster", "drain", str(leaver)))
        yield from self._until(lambda: draining.is_done)
        yield from self._until(lambda: self._view.copies[leaver] == 0 and self._is_settled())
        self._tell(f"broker {leaver} is empty: it is stopped")
        self._troupe.stop(leaver)
        yield from self._until(lambda: leaver not in self._view.brokers)
        removing = self._begin(self._troupe.command("cluster", "remove", str(leaver)))
        yield from self._until(lambda: removing.is_done)
        self._tell(f"$ odradek cluster remove {leaver}: three brokers go on")

    # --- what the acts need ---

    @property
    def _view(self) -> View:
        return self._watcher.view

    def _led_by(self, broker: int) -> int:
        return self._view.leaders[broker]

    def _most_leading(self) -> int:
        return max(sorted(self._view.brokers), key=self._led_by)

    def _is_settled(self) -> bool:
        """Nothing of the topic is on its way."""
        return self._view.is_whole and self._view.copies.total() == PARTITIONS * COPIES

    def _begin(self, worker: Worker) -> Worker:
        self._others.append(worker)
        worker.start()
        return worker

    def _tell(self, what: str) -> None:
        self.story.append(Event(time.monotonic() - self._started_s, what))

    @property
    def _workers(self) -> list[Worker]:
        readers = [worker for group in self._groups for worker in group.workers]
        return [*self._producers, self._watcher, *self._others, *readers]

    def _until(self, condition: Callable[..., bool]) -> Iterator[None]:
        try:
            yield from until(condition, self._progress, lambda: self._workers, STALL_S)
        except StalledError as error:
            picture = self._picture()
            where = f"{picture.stored:,} of {picture.total:,} records stored, {picture.group} saw {picture.seen:,}"
            raise DemoFailedError(
                f"{error}: {where}; {self.story[-1].what if self.story else 'at the start'}"
            ) from None

    def _progress(self) -> object:
        picture = self._picture()
        return picture.stored, picture.seen, picture.view

    def _picture(self) -> ClusterPicture:
        group = self._groups[-1]
        return ClusterPicture(
            total=len(self._rows),
            stored=sum(producer.stored for producer in self._producers),
            group=group.witness.group,
            members=len(group.consumers),
            seen=group.witness.seen,
            view=self._view,
            addresses=self._troupe.addresses,
            draining=self._draining,
            story=tuple(self.story),
            elapsed_s=time.monotonic() - self._started_s,
        )

    def _leave(self) -> None:
        for worker in self._workers:
            worker.stop()
        for worker in self._workers:
            worker.join(10)

    def _create_topic(self) -> None:
        """As any topic of a cluster is by default: three copies, two of them always in sync."""
        admin_module: Any = confluent_kafka.admin
        admin = admin_module.AdminClient({"bootstrap.servers": self._troupe.bootstrap, "log_level": 0})
        topic = admin_module.NewTopic(TOPIC, num_partitions=PARTITIONS, replication_factor=-1)
        admin.create_topics([topic])[TOPIC].result(timeout=30)


class _Adding(Worker):
    """A start takes longer than the screen may stand still."""

    def __init__(self, troupe: Troupe) -> None:
        super().__init__("start of another broker")
        self._troupe = troupe

    def work(self) -> None:
        self._troupe.add()
