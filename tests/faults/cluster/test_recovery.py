"""etcd is put back from an older backup: brokers refuse it, and the metadata is made anew from what they have."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]

from odradek.testing import BrokerFailedError
from tests.faults.cluster.brokers import TIMEOUT_S, Brokers
from tests.faults.cluster.checking import RECORDS_PER_S, SEED, assert_kept, goes_on, make_partitions
from tests.faults.load import Load
from tests.faults.reading import values
from tests.faults.waiting import wait_for
from tests.support.etcd_servers import EtcdCluster

LATER, WORDS = "later", ["one", "three", "two"]
"""A topic that the backup does not know, and what is in it."""


def make_later(bootstrap: str) -> None:
    admin = AdminClient({"bootstrap.servers": bootstrap})
    admin.create_topics([NewTopic(LATER, 2, 3)])[LATER].result(timeout=TIMEOUT_S)
    producer = Producer({"bootstrap.servers": bootstrap})
    for number, word in enumerate(WORDS):
        producer.produce(LATER, word, partition=number % 2)
    assert producer.flush(TIMEOUT_S) == 0


def back_up(etcd: EtcdCluster, backup: Path) -> None:
    """Files of members that stand still: brokers do without them for a moment."""
    etcd.stop()
    for member in etcd.members:
        shutil.copytree(member.directory, backup / member.name)
    etcd.start()


def put_back(etcd: EtcdCluster, backup: Path) -> None:
    etcd.stop()
    for member in etcd.members:
        shutil.rmtree(member.directory)
        shutil.copytree(backup / member.name, member.directory)
    etcd.start()


def cluster_command(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "odradek", "--json", "cluster", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)


def survey_all(brokers: Brokers, directory: Path) -> list[str]:
    reports = []
    for broker_id in brokers.ids:
        report = str(directory / f"{broker_id}.json")
        done = cluster_command("survey", "--data-dir", str(brokers.directory(broker_id)), "-o", report)
        assert done.returncode == 0, done.stderr
        reports.append(report)
    return reports


def refused(brokers: Brokers, broker_id: int) -> str:
    with pytest.raises(BrokerFailedError) as failure:
        brokers[broker_id].start()
    return str(failure.value)


def test_what_was_acknowledged_outlives_the_metadata(brokers: Brokers, etcd: EtcdCluster, tmp_path: Path) -> None:
    view = brokers.view()
    partitions = make_partitions(brokers.bootstrap)
    with Load(brokers.bootstrap, partitions, SEED, records_per_s=RECORDS_PER_S) as load:
        goes_on(load)
        back_up(etcd, tmp_path / "backup")
        goes_on(load)
        victim = view.leader(partitions[0])
        brokers[victim].kill()
        goes_on(load)
        brokers[victim].start()
        view.wait_until_whole()
        make_later(brokers.bootstrap)
        goes_on(load)
    for broker_id in brokers.ids:
        brokers[broker_id].kill()
    put_back(etcd, tmp_path / "backup")
    assert "put back from an older backup" in refused(brokers, brokers.ids[0])

    reports = survey_all(brokers, tmp_path)
    metadata = "etcd://" + ",".join(etcd.access.members)

    def dry_run() -> str:
        tried = cluster_command("recover", *reports, "--metadata", metadata)
        assert tried.returncode == 0 or "count as alive" in tried.stderr, tried.stderr
        return tried.stdout

    shown = json.loads(wait_for("the leases of the backup to end", dry_run))
    assert not shown["done"]
    assert shown["topics_made"] == [LATER]
    assert "put back from an older backup" in refused(brokers, brokers.ids[1])
    done = cluster_command("recover", *reports, "--metadata", metadata, "--yes")
    assert done.returncode == 0, done.stderr
    for broker_id in brokers.ids:
        brokers[broker_id].start()
    view.wait_until_whole()
    assert_kept(brokers, load, partitions)
    assert sorted(each for index in range(2) for each in values(brokers.bootstrap, LATER, index)) == WORDS
