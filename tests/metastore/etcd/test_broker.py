"""A real broker with its metadata on etcd; and brokers without it, which know nothing of gRPC."""

import subprocess
import sys
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer

from odradek.broker.machine import real_host
from odradek.broker.server import StartError, make_store
from odradek.config import BrokerConfig
from odradek.metastore.witness import FILE_NAME
from odradek.testing import BrokerFailedError, BrokerProcess
from tests.support.etcd_servers import EtcdCluster

WITHOUT_GRPC = """
import sys
import odradek.broker.server, odradek.cli.app, odradek.metastore.sqlite
found = [name for name in sys.modules if name.split(".")[0] in ("grpc", "google")]
assert not found, found
"""


def url(cluster: EtcdCluster) -> str:
    return "etcd://" + ",".join(cluster.access.members)


def produce(bootstrap: str, *values: bytes) -> None:
    producer = Producer({"bootstrap.servers": bootstrap, "acks": "all"})
    for value in values:
        producer.produce("kept", value)
    assert producer.flush(30) == 0


def consume(bootstrap: str, count: int) -> list[bytes | None]:
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "g", "auto.offset.reset": "earliest"})
    consumer.subscribe(["kept"])
    found: list[bytes | None] = []
    while len(found) < count:
        messages = consumer.consume(count, timeout=30)
        assert messages, "nothing arrived"
        found += [message.value() for message in messages]
    consumer.close()
    return found


@pytest.mark.real_broker
def test_a_broker_keeps_its_metadata_on_etcd(cluster: EtcdCluster, tmp_path: Path) -> None:
    with BrokerProcess(data_dir=tmp_path / "data", arguments=["--metadata", url(cluster)]) as broker:
        produce(broker.bootstrap, b"one", b"two")
        broker.kill()
        broker.start()
        produce(broker.bootstrap, b"three")
        assert sorted(filter(None, consume(broker.bootstrap, 3))) == [b"one", b"three", b"two"]
    names = {path.name for path in (tmp_path / "data").iterdir()}
    assert FILE_NAME in names
    assert not [name for name in names if name.startswith("metadata.sqlite")]


@pytest.mark.real_broker
def test_data_of_another_cluster_is_not_served(cluster: EtcdCluster, tmp_path: Path) -> None:
    arguments = ["--metadata", url(cluster)]
    with BrokerProcess(data_dir=tmp_path / "data", arguments=arguments) as broker:
        produce(broker.bootstrap, b"one")
    cluster.wipe()
    with (
        pytest.raises(BrokerFailedError, match="its metadata is gone: restore it from a backup"),
        BrokerProcess(data_dir=tmp_path / "data", arguments=arguments),
    ):
        pass


def test_without_its_package_the_store_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("odradek.metastore.etcd")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "grpc", None)
    config = BrokerConfig.parse({"odradek.metadata": "etcd://127.0.0.1:1"})
    with pytest.raises(StartError, match=r"pip install 'odradek\[etcd\]'"):
        make_store(real_host(), str(tmp_path), config)


def test_nothing_of_it_is_imported_where_it_is_not_used() -> None:
    done = subprocess.run([sys.executable, "-c", WITHOUT_GRPC], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
