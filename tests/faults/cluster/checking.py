"""What has to be true after any fault."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
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
LOOKED_FOR = (
    KafkaError.NOT_COORDINATOR, KafkaError.COORDINATOR_NOT_AVAILABLE, KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
)  # fmt: skip


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
    assert not load.errors, load.errors[:5]
    load.history.add(*_committed(cluster.bootstrap, load.group.name, partitions))
    for partition in partitions:
        final = read_all(cluster.bootstrap, partition)
        assert not (lost := load.lost_unplaced(final)), lost[:5]
        load.history.add(final)
    violations = load.history.violations()
    assert not violations, [str(each) for each in violations[:10]]
    wait_until_equal(cluster, view)


def _committed(bootstrap: str, group: str, partitions: list[Partition]) -> list[CommittedRead]:
    """Asked until a coordinator answers: after a fault it may have to be looked for."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": group, "log_level": 0})

    def ask() -> list[TopicPartition]:
        try:
            return consumer.committed([TopicPartition(*each) for each in partitions], timeout=TIMEOUT_S)
        except KafkaException as error:
            if error.args[0].code() not in LOOKED_FOR:
                raise
            return []

    try:
        found = wait_for("what the group has committed", ask, RECOVERY_S)
    finally:
        consumer.close()
    assert all(each.error is None for each in found), found
    return [CommittedRead(group, (each.topic, each.partition), max(each.offset, -1)) for each in found]


def wait_for_another_leader(view: View, partition: Partition, old: int) -> int:
    """The new leader."""
    return wait_for(f"another leader of {partition} than {old}", lambda: view.other_leader(partition, old), RECOVERY_S)
