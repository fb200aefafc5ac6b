"""What the cluster looks like while the play goes on: its brokers, and who leads and has copies of the topic."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import confluent_kafka.admin
from confluent_kafka import KafkaException

from odradek.demo.worker import Worker

_LOOK_S = 0.2
_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class View:
    """`brokers`: those that serve; `leaders` and `copies`: partitions of the topic by broker, copies also unsynced."""

    brokers: frozenset[int] = frozenset()
    controller: int = -1
    leaders: Counter[int] = field(default_factory=Counter)
    copies: Counter[int] = field(default_factory=Counter)
    in_sync: Counter[int] = field(default_factory=Counter)

    @property
    def is_whole(self) -> bool:
        """Every copy is in sync and every partition led."""
        return bool(self.copies) and self.copies == self.in_sync and -1 not in self.leaders

    def leads(self, broker: int) -> int:
        return self.leaders[broker]


class Watcher(Worker):
    """`view` is the newest; while no broker answers, the last one."""

    def __init__(self, bootstrap: str, topic: str) -> None:
        super().__init__("watcher")
        admin_module: Any = confluent_kafka.admin
        self._admin = admin_module.AdminClient(
            {"bootstrap.servers": bootstrap, "log_level": 0, "reconnect.backoff.max.ms": 500}
        )
        self._topic = topic
        self.view = View()

    def work(self) -> None:
        while not self.stopping.wait(_LOOK_S):
            try:
                metadata = self._admin.list_topics(timeout=_TIMEOUT_S)
            except KafkaException:
                continue
            topic = metadata.topics.get(self._topic)
            if topic is not None and topic.partitions:
                self.view = view_of(metadata, topic.partitions.values())


def view_of(metadata: Any, partitions: Any) -> View:
    """From librdkafka's ClusterMetadata and PartitionMetadata."""
    parts = list(partitions)
    return View(
        brokers=frozenset(metadata.brokers),
        controller=metadata.controller_id,
        leaders=Counter(part.leader for part in parts),
        copies=Counter(replica for part in parts for replica in part.replicas),
        in_sync=Counter(replica for part in parts for replica in part.isrs),
    )
