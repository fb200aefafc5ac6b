"""What has to be true after any fault."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]

from tests.faults.cluster.brokers import RECOVERY_S, TIMEOUT_S, Replicated, View
from tests.faults.cluster.replicas import wait_until_equal
from tests.faults.load import Load
from tests.faults.reading import read_all
from tests.faults.waiting import wait_for
from tests.support.history import CommittedRead, Partition

SEED = int(os.environ.get("ODRADEK_TEST_SEED", "1"))
PARTITIONS = 6
RECORDS_PER_S = 600
"""Enough to have records under way at any moment, and little enough to leave brokers, etcd and clients air."""
TOPIC = "load"


class Cluster(Replicated, Protocol):
    def view(self) -> View: ...


def make_partitions(bootstrap: str) -> list[Partition]:
    """Small segments, so that faults hit rolls too."""
    config = {"segment.bytes": "1048576", "min.insync.replicas": "2"}
    admin = AdminClient({"bootstrap.servers": bootstrap})
    wanted = NewTopic(TOPIC, num_partitions=PARTITIONS, replication_factor=3, config=config)
    admin.create_topics([wanted])[TOPIC].result(timeout=TIMEOUT_S)
    return [(TOPIC, index) for index in range(PARTITIONS)]


@contextmanager
def under_load(cluster: Cluster) -> Iterator[Load]:
    """Faults happen inside; afterwards everything is checked."""
    partitions = make_partitions(cluster.bootstrap)
    with Load(cluster.bootstrap, partitions, SEED, records_per_s=RECORDS_PER_S) as load:
        goes_on(load)
        yield load
        goes_on(load)
    assert_kept(cluster, load, partitions)


def goes_on(load: Load, records: int = 200, *, with_commit: bool = True) -> None:
    """Each producer gets acknowledgements and the group commits."""
    load.wait_for_progress(records, RECOVERY_S, with_commit=with_commit)


def assert_kept(cluster: Cluster, load: Load, partitions: list[Partition]) -> None:
    view = cluster.view()
    view.wait_until_whole()
    assert load.errors == []
    load.history.add(*_committed(cluster.bootstrap, load.group.name, partitions))
    for partition in partitions:
        load.history.add(read_all(cluster.bootstrap, partition))
    assert [str(violation) for violation in load.history.violations()[:10]] == []
    wait_until_equal(cluster, view)


def _committed(bootstrap: str, group: str, partitions: list[Partition]) -> list[CommittedRead]:
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": group, "log_level": 0})
    try:
        found = consumer.committed([TopicPartition(*each) for each in partitions], timeout=TIMEOUT_S)
    finally:
        consumer.close()
    assert [each.error for each in found if each.error is not None] == []
    return [CommittedRead(group, (each.topic, each.partition), max(each.offset, -1)) for each in found]


def wait_for_another_leader(view: View, partition: Partition, old: int) -> int:
    """The new leader."""
    return wait_for(
        f"another leader of {partition} than {old}",
        lambda: leader if (leader := view.leader(partition)) not in (-1, old) else 0,
        RECOVERY_S,
    )
