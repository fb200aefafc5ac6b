"""Clusters for tests: three brokers and their supervisor, which come and go together."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient

from odradek.testing import BrokerFailedError, ClusterProcess
from odradek.testing.cluster import is_listening
from tests.testing.test_plugin import run_suite


def test_every_broker_serves_and_knows_the_others(odradek_cluster: ClusterProcess) -> None:
    assert sorted(odradek_cluster.addresses) == [1, 2, 3]
    assert odradek_cluster.bootstrap == ",".join(odradek_cluster.addresses.values())
    for address in odradek_cluster.addresses.values():
        assert len(AdminClient({"bootstrap.servers": address}).list_topics(timeout=30).brokers) == 3


def test_a_killed_broker_gets_another_process(odradek_cluster_factory: Callable[..., ClusterProcess]) -> None:
    cluster = odradek_cluster_factory(workers=2)
    before = cluster.pids
    cluster.kill(2)
    cluster.wait_until_restarted(2, before[2])
    assert cluster.pids[1] == before[1]
    assert cluster.pids[2] != before[2]


def test_killing_the_supervisor_ends_everything_and_a_start_brings_it_back(
    odradek_cluster_factory: Callable[..., ClusterProcess],
) -> None:
    cluster = odradek_cluster_factory(workers=2)
    addresses, pids = cluster.addresses, cluster.pids
    cluster.kill()
    assert not cluster.is_running
    assert not any(is_listening(address) for address in addresses.values())
    cluster.start()
    assert cluster.addresses == addresses
    assert not set(cluster.pids.values()) & set(pids.values())


def test_temporary_data_goes_away_with_the_cluster() -> None:
    with ClusterProcess(workers=1) as cluster:
        assert (cluster.data_dir / "broker-1").exists()
    assert not cluster.data_dir.exists()


def test_a_cluster_that_cannot_start_says_why(tmp_path: Path) -> None:
    with (
        pytest.raises(BrokerFailedError, match=r"no\.such\.key"),
        ClusterProcess(data_dir=tmp_path, settings={"no.such.key": 1}),
    ):
        pass
    assert os.listdir(tmp_path) == []


def test_addresses_before_the_first_start_are_a_mistake() -> None:
    cluster = ClusterProcess()
    with pytest.raises(BrokerFailedError, match="never started"):
        print(cluster.bootstrap)
    cluster.close()


SUITE = """
from confluent_kafka.admin import AdminClient

def test_three_brokers(odradek_cluster):
    assert len(AdminClient({"bootstrap.servers": odradek_cluster.bootstrap}).list_topics(timeout=30).brokers) == 3

def test_as_many_as_asked_for(odradek_cluster_factory):
    assert sorted(odradek_cluster_factory(workers=2).pids) == [1, 2]
"""


def test_fixtures_work_in_somebody_elses_project(tmp_path: Path) -> None:
    ended = run_suite(SUITE, tmp_path)
    assert "2 passed" in ended.stdout, ended.stdout + ended.stderr
