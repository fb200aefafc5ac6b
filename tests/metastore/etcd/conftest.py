"""One etcd for a whole module, empty for each test."""

from collections.abc import Iterator

import pytest

from tests.support.etcd_servers import EtcdCluster, etcd_cluster


@pytest.fixture(scope="module")
def shared_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EtcdCluster]:
    with etcd_cluster(tmp_path_factory.mktemp("etcd")) as cluster:
        yield cluster


@pytest.fixture
def cluster(shared_cluster: EtcdCluster) -> EtcdCluster:
    """A single member without a key."""
    shared_cluster.wipe()
    return shared_cluster
