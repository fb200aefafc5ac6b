"""A running etcd of three members, and a cluster of three brokers on it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.cluster.brokers import Brokers, make_process
from tests.support.etcd_servers import EtcdCluster, etcd_cluster

TIMEOUT_S = 900


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """These tests wait for the recovery of a whole cluster."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.timeout(TIMEOUT_S))
            item.add_marker(pytest.mark.real_broker)


@pytest.fixture
def etcd(tmp_path: Path) -> Iterator[EtcdCluster]:
    with etcd_cluster(tmp_path / "etcd", size=3) as cluster:
        yield cluster


@pytest.fixture
def brokers(etcd: EtcdCluster) -> Iterator[Brokers]:
    metadata = "etcd://" + ",".join(etcd.access.members)
    with Brokers(lambda broker_id: make_process(broker_id, metadata)) as running:
        yield running
