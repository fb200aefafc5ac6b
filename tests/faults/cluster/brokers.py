"""Single broker processes that are one cluster: each with data of its own, metadata on the same etcd."""

import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import cycle
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from odradek.testing import BrokerProcess, ClusterProcess
from tests.faults.waiting import wait_for
from tests.support.history import Partition

START_TIMEOUT_S = 120.0
RECOVERY_S = 180.0
"""Within this a cluster has all replicas in sync again; on a free machine it takes a second or two."""
TIMEOUT_S = 60
ANSWER_S = 5
"""After so long the next broker is asked."""
SETTINGS: Mapping[str, str | int | bool] = {
    "group.initial.rebalance.delay.ms": 0,
    "offsets.topic.num.partitions": 5,
}


def make_process(broker_id: int, metadata: str, **place: Any) -> BrokerProcess:
    arguments = ["--node-id", str(broker_id), "--metadata", metadata]
    return BrokerProcess(settings=SETTINGS, arguments=arguments, timeout_s=START_TIMEOUT_S, **place)


class Replicated(Protocol):
    """A cluster with replicas to compare."""

    @property
    def bootstrap(self) -> str: ...

    def directory(self, broker_id: int) -> Path:
        """Where that broker's partitions are."""
        ...


class View:
    """What the first broker that answers says of the cluster: some are dead, stand still or are cut off."""

    def __init__(self, bootstrap: str) -> None:
        settings = {"log_level": 0, "reconnect.backoff.max.ms": 200}
        self._admins = [AdminClient({"bootstrap.servers": each, **settings}) for each in bootstrap.split(",")]

    def _ask(self) -> Any:
        end = time.monotonic() + RECOVERY_S
        for admin in cycle(self._admins):
            try:
                return admin.list_topics(timeout=ANSWER_S)
            except KafkaException:
                assert time.monotonic() < end, "no broker answers"
        raise AssertionError("there are no brokers")

    def controller(self) -> int:
        """Waits for one."""
        return int(wait_for("a controller", lambda: max(self._ask().controller_id, 0)))

    def leader(self, partition: Partition) -> int:
        """-1 without one."""
        return int(self._ask().topics[partition[0]].partitions[partition[1]].leader)

    def other_leader(self, partition: Partition, old: int) -> int:
        """Whom any broker names instead; 0 when none does. One that was cut off may go on naming the old one."""
        for admin in self._admins:
            with suppress(KafkaException):
                leader = int(admin.list_topics(timeout=ANSWER_S).topics[partition[0]].partitions[partition[1]].leader)
                if leader not in (-1, old):
                    return leader
        return 0

    def leaders(self) -> dict[Partition, int]:
        return {place: found.leader for place, found in self.partitions().items()}

    def partitions(self) -> dict[Partition, Any]:
        """Of all topics, with `leader`, `replicas`, `isrs`."""
        topics = self._ask().topics
        return {(name, index): found for name in topics for index, found in topics[name].partitions.items()}

    def replicas(self) -> dict[Partition, list[int]]:
        return {place: sorted(found.replicas) for place, found in self.partitions().items()}

    def is_whole(self) -> bool:
        """Whether every partition has three replicas, all in sync, and a leader."""
        partitions = self.partitions().values()
        return all(len(each.isrs) == len(each.replicas) == 3 and each.leader > 0 for each in partitions)

    def wait_until_whole(self) -> None:
        try:
            wait_for("all replicas to be in sync", self.is_whole, RECOVERY_S)
        except AssertionError as error:
            told = {f"{t}-{i}": (p.leader, p.replicas, p.isrs) for (t, i), p in self.partitions().items()}
            raise AssertionError(f"{error}: {told}") from None


class Brokers:
    """Brokers by id. Leaving the `with` block ends them; a failure shows the end of each one's log."""

    def __init__(self, make: Callable[[int], BrokerProcess], ids: tuple[int, ...] = (1, 2, 3)) -> None:
        self._make = make
        self._processes = {broker_id: make(broker_id) for broker_id in ids}

    @property
    def bootstrap(self) -> str:
        """All that were ever started."""
        return ",".join(process.bootstrap for process in self._processes.values())

    def __getitem__(self, broker_id: int) -> BrokerProcess:
        return self._processes[broker_id]

    @property
    def ids(self) -> list[int]:
        return list(self._processes)

    def directory(self, broker_id: int) -> Path:
        return self._processes[broker_id].data_dir

    def view(self) -> View:
        return View(self.bootstrap)

    def add(self, broker_id: int) -> None:
        self._processes[broker_id] = self._make(broker_id)
        self._processes[broker_id].start()

    def remove(self, broker_id: int) -> None:
        """Stop it in good order, and its data is gone."""
        self._processes.pop(broker_id).close()

    def __enter__(self) -> Self:
        try:
            with ThreadPoolExecutor() as threads:
                list(threads.map(BrokerProcess.start, self._processes.values()))
            self.view().wait_until_whole()
        except BaseException as error:
            self.__exit__(type(error), error, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            for broker_id, process in self._processes.items():
                print(f"--- log of broker {broker_id} ---\n{process.log[-LOG_SHOWN:]}")
        for process in self._processes.values():
            process.kill()
            process.close()


LOG_SHOWN = 12_000
"""Characters of each broker's log that a failure shows."""


class Workers(ClusterProcess):
    """Brokers under one supervisor, seen like single ones."""

    def __init__(self) -> None:
        super().__init__(settings=SETTINGS, timeout_s=START_TIMEOUT_S)

    def directory(self, broker_id: int) -> Path:
        return self.data_dir / f"broker-{broker_id}"

    def view(self) -> View:
        return View(self.bootstrap)
