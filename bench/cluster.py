"""Three brokers on this machine that are one cluster: Odradek's, Apache Kafka's, and the relay that is their limit."""

from __future__ import annotations

import os
import sys
import time
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.broker import DEADLINE_S, Broker, Odradek, free_port
from bench.kafka import HEAP_MB, Kafka
from bench.limit import Limit, LimitTarget
from odradek.benchmark.connection import Connection
from odradek.benchmark.errors import BenchError
from odradek.benchmark.rows import batch, load
from odradek.benchmark.target import Target
from odradek.testing.cluster import consecutive_ports

BROKERS = 3
MIN_ISR = 2
_SETTINGS = {"default.replication.factor": str(BROKERS), "min.insync.replicas": str(MIN_ISR)}
_POLL_S = 0.1
_SMALL_HEAP_MB = 512
_ROOMY_BYTES = 8 << 30


class ClusterTarget(Target):
    """Topics have a copy on each broker, producers wait for all of them, two are enough when one is gone."""

    def __init__(self, address: tuple[str, int], *pids: int) -> None:
        super().__init__(address, *pids, replication_factor=BROKERS, acks=-1)

    def create_topic(self, name: str, partitions: int, configs: Mapping[str, str]) -> None:
        super().create_topic(name, partitions, {"min.insync.replicas": str(MIN_ISR), **configs})


class Cluster(Broker):
    """Brokers 1 to 3, each at its port; it is started when a record has been replicated to all of them."""

    ports: Sequence[int]

    @property
    def target(self) -> Target:
        return ClusterTarget(("127.0.0.1", self.port), *self.pids)

    @property
    def bootstrap(self) -> str:
        """All brokers, for a client's bootstrap servers."""
        return ",".join(f"127.0.0.1:{port}" for port in self.ports)

    @abstractmethod
    def pid_of(self, broker_id: int) -> int:
        """Its process, as long as it has one."""

    @abstractmethod
    def bring_back(self, broker_id: int) -> None:
        """Start a broker whose process has ended, where nobody else does that."""

    def _connected(self, begin: float, port: int | None = None) -> Connection:
        for other in self.ports[1:]:
            super()._connected(begin, other).close()
        return super()._connected(begin)

    def _first_ack(self, connection: Connection, topic: str, begin: float) -> None:
        """Refused until all brokers know of each other; the topic is not kept."""
        while True:
            try:
                with self.target.topic() as name, load(self.target, name, batch(1, 100)):
                    return
            except BenchError as error:
                if time.perf_counter() - begin > DEADLINE_S:
                    raise BenchError(f"{error}: {self._last_output()}") from error
                time.sleep(_POLL_S)


class OdradekCluster(Cluster):
    """`odradek start --workers 3`: one process is started, the supervisor."""

    name = Odradek.name

    def __init__(self, scratch: Path, settings: Mapping[str, str] | None = None) -> None:
        super().__init__(scratch, {**_SETTINGS, **(settings or {})})
        first = consecutive_ports(BROKERS)
        self.port, self.ports = first, range(first, first + BROKERS)

    def commands(self) -> Sequence[Sequence[str]]:
        settings = [part for key, value in self.settings.items() for part in ("--set", f"{key}={value}")]
        place = ["--listen", f"127.0.0.1:{self.port}", "--data-dir", str(self.data_dir)]
        return [[sys.executable, "-m", "odradek", "start", "--workers", str(BROKERS), *place, *settings]]

    def pid_of(self, broker_id: int) -> int:
        """As it has told it in the lock of its directory."""
        return int((self.data_dir / f"broker-{broker_id}" / ".lock").read_text().split("\n")[0])

    def bring_back(self, broker_id: int) -> None:
        """The supervisor does that."""


class KafkaCluster(Cluster):
    """Three nodes that are broker and controller each, with a log directory of its own."""

    name = Kafka.name
    warm_up_s = Kafka.warm_up_s

    def __init__(self, scratch: Path, settings: Mapping[str, str] | None = None) -> None:
        super().__init__(scratch, {**_SETTINGS, **(settings or {})})
        self._nodes = [Kafka(self.directory, heap_mb=cluster_heap_mb()) for _ in range(BROKERS)]
        self.ports = [node.port for node in self._nodes]
        self.port = self.ports[0]

    def prepare(self) -> None:
        voters = ",".join(f"{number}@127.0.0.1:{node.controller_port}" for number, node in enumerate(self._nodes, 1))
        copies, in_sync = str(BROKERS), str(MIN_ISR)
        for number, node in enumerate(self._nodes, 1):
            node.settings = {
                "node.id": str(number),
                "controller.quorum.voters": voters,
                "offsets.topic.replication.factor": copies,
                "transaction.state.log.replication.factor": copies,
                "transaction.state.log.min.isr": in_sync,
                "share.coordinator.state.topic.replication.factor": copies,
                "share.coordinator.state.topic.min.isr": in_sync,
                **self.settings,
            }
            node.prepare()

    def commands(self) -> Sequence[Sequence[str]]:
        return [command for node in self._nodes for command in node.commands()]

    def pid_of(self, broker_id: int) -> int:
        return self._processes[broker_id - 1].pid

    def bring_back(self, broker_id: int) -> None:
        self._processes[broker_id - 1].wait()
        self._processes[broker_id - 1] = self._launched(self.commands()[broker_id - 1])


class Relay(Limit):
    """Three bare processes: what the first one receives it writes and sends to two more, which write and answer."""

    def __init__(self, scratch: Path) -> None:
        super().__init__(scratch)
        self._copies = [free_port() for _ in range(BROKERS - 1)]

    def commands(self) -> Sequence[Sequence[str]]:
        copies = [self._mover(port, f"copy-{port}") for port in self._copies]
        return [self._mover(self.port, "bytes", *self._copies), *copies]

    @property
    def target(self) -> Target:
        return LimitTarget(("127.0.0.1", self.port), *self.pids, acks=-1)

    def _connected(self, begin: float, port: int | None = None) -> Connection:
        for copy in self._copies:
            super()._connected(begin, copy).close()
        return super()._connected(begin)

    def _mover(self, port: int, file: str, *copies: int) -> Sequence[str]:
        module = "bench.relay" if copies else "bench.limit"
        return [sys.executable, "-m", module, str(port), str(self.directory / file), *map(str, copies)]


def cluster_heap_mb() -> int:
    """Of each of three Kafkas: as that of one, unless this machine has little memory."""
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return HEAP_MB if total >= _ROOMY_BYTES else _SMALL_HEAP_MB
