"""Apache Kafka beside us: a node in KRaft's combined mode, default configuration, 1 GiB of heap."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from peers import kafka_command

from bench.broker import Broker, free_port
from odradek.benchmark.errors import BenchError

HEAP_MB = 1024
_JVM = (
    "-server",
    "-XX:+UseG1GC",
    "-XX:MaxGCPauseMillis=20",
    "-XX:InitiatingHeapOccupancyPercent=35",
)
"""As bin/kafka-server-start.sh and kafka-run-class.sh set it."""
_CLUSTER_ID = "MkU3OEVBNTcwNTJENDM2Qk"


class Kafka(Broker):
    """One Apache Kafka. `settings` of a cluster's node replace those of a single one."""

    name = "Kafka"
    warm_up_s = 3.0

    def __init__(self, scratch: Path, settings: Mapping[str, str] | None = None, heap_mb: int = HEAP_MB) -> None:
        super().__init__(scratch, settings)
        self.controller_port = free_port()
        self._heap_mb = heap_mb

    def prepare(self) -> None:
        """Write its configuration and format its storage, which a user does once."""
        address, controller = f"127.0.0.1:{self.port}", f"127.0.0.1:{self.controller_port}"
        properties = {
            "process.roles": "broker,controller",
            "node.id": "1",
            "controller.quorum.voters": f"1@{controller}",
            "listeners": f"PLAINTEXT://{address},CONTROLLER://{controller}",
            "advertised.listeners": f"PLAINTEXT://{address}",
            "controller.listener.names": "CONTROLLER",
            "log.dirs": str(self.data_dir),
            "offsets.topic.replication.factor": "1",
            "transaction.state.log.replication.factor": "1",
            "transaction.state.log.min.isr": "1",
            "share.coordinator.state.topic.replication.factor": "1",
            "share.coordinator.state.topic.min.isr": "1",
            "group.initial.rebalance.delay.ms": "0",
            # Its first retention sweep and cleaning would otherwise come after the rows that wait for them.
            "log.initial.task.delay.ms": "500",
            **self.settings,
        }
        self._properties.write_text("".join(f"{key}={value}\n" for key, value in properties.items()))
        arguments = ("format", "-t", _CLUSTER_ID, "-c", str(self._properties))
        format_it = kafka_command("kafka.tools.StorageTool", *arguments)
        done = subprocess.run(format_it, capture_output=True, text=True, check=False)
        if done.returncode:
            raise BenchError(f"Kafka's storage could not be formatted: {done.stdout}{done.stderr}")

    def commands(self) -> Sequence[Sequence[str]]:
        options = (*_JVM, f"-Xms{self._heap_mb}m")
        return [kafka_command("kafka.Kafka", str(self._properties), heap_mb=self._heap_mb, options=options)]

    @property
    def _properties(self) -> Path:
        return self.directory / "server.properties"
