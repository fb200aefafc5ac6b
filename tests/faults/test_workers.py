"""Several brokers under one supervisor, as real processes: each may die, and so may the supervisor."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]

from odradek.testing import BrokerFailedError, BrokerProcess, ClusterProcess
from odradek.testing.cluster import consecutive_ports, is_listening
from odradek.testing.topics import create_topic
from tests.faults.clients import create, produce
from tests.faults.reading import values
from tests.faults.test_refused_starts import refused
from tests.faults.waiting import wait_for

TIMEOUT_S = 30


@pytest.fixture
def cluster(odradek_cluster_factory: Callable[..., ClusterProcess]) -> ClusterProcess:
    return odradek_cluster_factory()


def leaders(bootstrap: str, topic: str) -> dict[int, int]:
    """Leader by partition; -1 without one."""
    found = AdminClient({"bootstrap.servers": bootstrap}).list_topics(topic, timeout=TIMEOUT_S).topics[topic]
    return {index: partition.leader for index, partition in found.partitions.items()}


def spread_topic(cluster: ClusterProcess) -> dict[int, int]:
    """A topic with a partition on each broker, and a record in each partition; partition by broker id."""
    create_topic(cluster.bootstrap, "t", len(cluster.addresses))
    for partition in range(len(cluster.addresses)):
        assert produce(cluster.bootstrap, "t", b"p%d" % partition, partition) is None
    return {leader: partition for partition, leader in leaders(cluster.bootstrap, "t").items()}


def is_alive(pid: int) -> bool:
    """Not ended; a zombie that nobody has waited for is dead."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_metadata_lists_the_brokers_with_ids_and_ports_counted_up_and_topics_are_spread(
    odradek_cluster: ClusterProcess,
) -> None:
    first = int(odradek_cluster.addresses[1].rpartition(":")[2])
    for address in odradek_cluster.addresses.values():
        admin = AdminClient({"bootstrap.servers": address})
        listed = admin.list_topics(timeout=TIMEOUT_S).brokers
        assert {(each.id, each.port) for each in listed.values()} == {(1, first), (2, first + 1), (3, first + 2)}
        nodes = admin.describe_cluster().result(timeout=TIMEOUT_S).nodes
        assert [node.rack for node in nodes] == [socket.gethostname()] * 3
    name = create_topic(odradek_cluster.bootstrap, "spread", 9)
    by_broker = list(leaders(odradek_cluster.bootstrap, name).values())
    assert {broker: by_broker.count(broker) for broker in set(by_broker)} == {1: 3, 2: 3, 3: 3}


def test_every_broker_has_its_own_directory_and_process(odradek_cluster: ClusterProcess) -> None:
    assert len({odradek_cluster.pid, *odradek_cluster.pids.values()}) == 4
    for node_id, pid in odradek_cluster.pids.items():
        assert is_alive(pid)
        assert f"node.id={node_id}" in (odradek_cluster.data_dir / f"broker-{node_id}" / "meta.properties").read_text()


def test_the_data_of_all_brokers_is_verified_together(odradek_cluster: ClusterProcess) -> None:
    name = create_topic(odradek_cluster.bootstrap, "verified", 3)
    command = [sys.executable, "-m", "odradek", "--json", "log", "verify", str(odradek_cluster.data_dir)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=True)
    found = [Path(each["partition"]).name for each in json.loads(ended.stdout)["partitions"]]
    assert {f"{name}-{index}" for index in range(3)} <= set(found)


def test_a_killed_broker_comes_back_with_its_data_while_the_others_serve(cluster: ClusterProcess) -> None:
    partition_of = spread_topic(cluster)
    killed_pid = cluster.pids[2]
    os.kill(cluster.pid, signal.SIGSTOP)
    try:
        cluster.kill(2)
        wait_for("its end", lambda: not is_listening(cluster.addresses[2]))
        for broker in (1, 3):
            assert produce(cluster.addresses[broker], "t", b"meanwhile", partition_of[broker]) is None
    finally:
        os.kill(cluster.pid, signal.SIGCONT)
    cluster.wait_until_restarted(2, killed_pid)
    assert produce(cluster.bootstrap, "t", b"after", partition_of[2]) is None
    for broker, more in ((1, "meanwhile"), (2, "after"), (3, "meanwhile")):
        partition = partition_of[broker]
        assert values(cluster.bootstrap, "t", partition) == [f"p{partition}", more]


def test_a_partition_with_three_copies_goes_on_without_its_killed_leader(cluster: ClusterProcess) -> None:
    admin = AdminClient({"bootstrap.servers": cluster.bootstrap})
    wanted = NewTopic("copied", num_partitions=1, replication_factor=3, config={"min.insync.replicas": "2"})
    admin.create_topics([wanted])["copied"].result(timeout=TIMEOUT_S)
    assert produce(cluster.bootstrap, "copied", b"before") is None
    leader = leaders(cluster.bootstrap, "copied")[0]
    os.kill(cluster.pids[leader], signal.SIGKILL)
    wait_for("another leader", lambda: leaders(cluster.bootstrap, "copied")[0] not in (-1, leader))
    assert produce(cluster.bootstrap, "copied", b"after") is None
    assert values(cluster.bootstrap, "copied") == ["before", "after"]


def test_the_lease_of_a_killed_broker_ends_at_once(cluster: ClusterProcess) -> None:
    """Otherwise it would be held for 9 s, and nobody would be told of the death before."""
    killed_pid = cluster.pids[3]
    cluster.kill(3)
    cluster.wait_until_restarted(3, killed_pid)
    assert "Broker 3 died: its lease is ended" in cluster.log
    assert "Broker 3 is down: its process ended with SIGKILL" in cluster.log


def test_a_broker_that_is_killed_again_and_again_always_comes_back(cluster: ClusterProcess) -> None:
    spread_topic(cluster)
    for _ in range(3):
        killed_pid = cluster.pids[1]
        cluster.kill(1)
        cluster.wait_until_restarted(1, killed_pid)
    for partition in range(3):
        assert values(cluster.bootstrap, "t", partition) == [f"p{partition}"]


def test_a_broker_that_is_told_to_stop_is_started_again(cluster: ClusterProcess) -> None:
    stopped_pid = cluster.pids[2]
    os.kill(stopped_pid, signal.SIGTERM)
    cluster.wait_until_restarted(2, stopped_pid)


def odradek(cluster: ClusterProcess, *arguments: str) -> Any:
    """What a command that must succeed writes as JSON."""
    command = [sys.executable, "-m", "odradek", "-b", cluster.bootstrap, "--json", *arguments]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=4 * TIMEOUT_S)
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)


def test_a_broker_that_was_drained_and_stopped_stays_down_until_it_is_taken_back(cluster: ClusterProcess) -> None:
    stopped_pid = cluster.pids[3]
    odradek(cluster, "cluster", "drain", "3")
    os.kill(stopped_pid, signal.SIGTERM)
    wait_for("its end", lambda: "Broker 3 was drained: it stays down" in cluster.log)
    assert [each["state"] for each in odradek(cluster, "cluster", "status")["brokers"]] == ["up", "up", "drained"]
    odradek(cluster, "cluster", "undrain", "3")
    cluster.wait_until_restarted(3, stopped_pid)


def test_one_more_broker_joins_through_the_supervisors_socket_and_one_of_the_first_leaves_for_good(
    cluster: ClusterProcess,
) -> None:
    create_topic(cluster.bootstrap, "t", 8)
    for partition in range(8):
        assert produce(cluster.bootstrap, "t", b"p%d" % partition, partition) is None
    with cluster.joining(4) as joined:
        wait_for("its share", lambda: 4 in leaders(cluster.bootstrap, "t").values())
        (fourth,) = (each for each in odradek(cluster, "cluster", "status")["brokers"] if each["id"] == 4)
        assert (fourth["rack"], fourth["pid"]) == (socket.gethostname(), joined.pid)
        odradek(cluster, "cluster", "drain", "2")
        os.kill(cluster.pids[2], signal.SIGTERM)
        wait_for("its end", lambda: "Broker 2 was drained: it stays down" in cluster.log)
        assert odradek(cluster, "cluster", "remove", "2") == {"removed": 2}
        assert set(leaders(cluster.bootstrap, "t").values()) == {1, 3, 4}
        for partition in range(8):
            assert values(cluster.bootstrap, "t", partition) == [f"p{partition}"]
    assert not is_listening(cluster.addresses[2])


def test_without_its_supervisor_a_broker_cannot_join(tmp_path: Path) -> None:
    line = start_refused(tmp_path, "--metadata", f"unix:{tmp_path}/none.sock", "--listen", "127.0.0.1:0")
    assert f"the metadata store at {tmp_path}/none.sock cannot be reached" in line


def test_the_brokers_end_with_their_supervisor_and_start_again_with_all_their_data(cluster: ClusterProcess) -> None:
    spread_topic(cluster)
    pids = cluster.pids
    os.kill(cluster.pid, signal.SIGKILL)
    for pid in pids.values():
        wait_for(f"the end of process {pid}", lambda pid=pid: not is_alive(pid))  # type: ignore[misc]
    cluster.kill()
    cluster.start()
    for partition in range(3):
        assert values(cluster.bootstrap, "t", partition) == [f"p{partition}"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_all_end_cleanly_in_good_order(number: signal.Signals, tmp_path: Path) -> None:
    port = consecutive_ports(3)
    process = subprocess.Popen(
        [sys.executable, "-m", "odradek", "start", "--workers", "3", "--listen", f"127.0.0.1:{port}", "--data-dir",
         str(tmp_path)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    block = [process.stdout.readline() for _ in range(8)]
    assert block[0] == "Odradek is ready with 3 broker(s)\n"
    assert [f"broker {index + 1} 127.0.0.1:{port + index}" in block[index + 1] for index in range(3)] == [True] * 3
    process.send_signal(number)
    _, logged = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 0
    assert " ERROR " not in logged
    for node_id in (1, 2, 3):
        assert (tmp_path / f"broker-{node_id}" / ".kafka_cleanshutdown").exists()
    assert not (tmp_path / "metadata.sock").exists()


def test_a_restart_keeps_addresses_and_data(cluster: ClusterProcess) -> None:
    spread_topic(cluster)
    addresses = cluster.addresses
    cluster.restart()
    assert cluster.addresses == addresses
    assert values(cluster.bootstrap, "t", 1) == ["p1"]


def start_refused(data_dir: Path, *arguments: str) -> str:
    return refused("--data-dir", str(data_dir), *arguments)


@pytest.mark.parametrize("offset", [0, 2])
def test_a_port_in_use_is_told_in_one_line_and_nobody_is_left_running(offset: int, tmp_path: Path) -> None:
    first = consecutive_ports(3)
    with socket.create_server(("127.0.0.1", first + offset)):
        line = start_refused(tmp_path, "--workers", "3", "--listen", f"127.0.0.1:{first}")
    assert f"broker {offset + 1} cannot listen on 127.0.0.1:{first + offset}" in line
    assert "--listen" in line


def test_an_older_backup_of_the_metadata_is_refused_as_for_one_broker(cluster: ClusterProcess) -> None:
    create_topic(cluster.bootstrap, "kept", 3)
    cluster.stop()
    metadata = cluster.data_dir / "metadata.sqlite"
    backup = metadata.read_bytes()
    cluster.start()
    create_topic(cluster.bootstrap, "lost", 3)
    cluster.stop()
    metadata.write_bytes(backup)
    with pytest.raises(BrokerFailedError, match="is an older backup") as refused:
        cluster.start()
    found = re.search(r"--set (odradek\S+=[0-9]+)", str(refused.value))
    assert found is not None
    with ClusterProcess(data_dir=cluster.data_dir, arguments=["--set", found[1]]) as accepted:
        assert sorted(leaders(accepted.bootstrap, "kept").values()) == [1, 2, 3]


def test_a_wrong_setting_is_told_as_for_one_broker(tmp_path: Path) -> None:
    line = start_refused(tmp_path, "--workers", "3", "--set", "log.segment.byte=1")
    assert "log.segment.bytes" in line


def test_a_broker_that_cannot_start_ends_the_start(cluster: ClusterProcess) -> None:
    cluster.stop()
    (cluster.data_dir / "broker-2" / "meta.properties").write_text("version=x\n")
    with pytest.raises(BrokerFailedError, match="exit code 1") as failed:
        cluster.start()
    assert "odradek: broker 2 did not start: " in str(failed.value)
    assert "version=x is not a number" in str(failed.value)
    for node_id in cluster.addresses:
        assert cluster._is_unlocked(node_id)


def test_a_second_start_on_the_same_data_is_refused(odradek_cluster: ClusterProcess) -> None:
    line = start_refused(odradek_cluster.data_dir, "--workers", "3", "--listen", "127.0.0.1:0")
    assert f"is in use by process {odradek_cluster.pid}" in line


def test_one_broker_alone_is_refused_where_several_are(odradek_cluster: ClusterProcess) -> None:
    line = start_refused(odradek_cluster.data_dir, "--listen", "127.0.0.1:0")
    assert "start with --workers 3" in line


@pytest.fixture
def grown(tmp_path: Path) -> Iterator[ClusterProcess]:
    """Three workers on what one broker had alone: a topic with records, and one called `broker`."""
    with BrokerProcess(data_dir=tmp_path / "data") as alone:
        for topic in ("t", "broker"):
            assert create(alone.bootstrap, topic, 3) is None
            for partition in range(3):
                assert produce(alone.bootstrap, topic, f"{topic}-{partition}".encode(), partition) is None
    with ClusterProcess(data_dir=tmp_path / "data") as cluster:
        yield cluster


def test_what_one_broker_had_alone_is_served_by_several(grown: ClusterProcess) -> None:
    for topic in ("t", "broker"):
        for partition in range(3):
            assert values(grown.bootstrap, topic, partition) == [f"{topic}-{partition}"]
    create_topic(grown.bootstrap, "new", 3)
    assert sorted(leaders(grown.bootstrap, "new").values()) == [1, 2, 3]


def test_fewer_workers_than_have_partitions_are_refused(grown: ClusterProcess) -> None:
    create_topic(grown.bootstrap, "new", 3)
    grown.stop()
    assert "start with --workers 3" in start_refused(grown.data_dir, "--workers", "2", "--listen", "127.0.0.1:0")
    assert "start with --workers 3" in start_refused(grown.data_dir, "--listen", "127.0.0.1:0")
    grown.start()
    assert values(grown.bootstrap, "t", 0) == ["t-0"]


def test_free_ports_are_kept_over_the_death_of_a_broker(tmp_path: Path) -> None:
    with BrokerProcess(data_dir=tmp_path, arguments=["--workers", "2", "--metrics", "127.0.0.1:0"]) as supervisor:
        first, second = supervisor.info["brokers"]
        assert first["listen"] != second["listen"]
        os.kill(second["pid"], signal.SIGKILL)
        lock = tmp_path / "broker-2" / ".lock"
        wait_for("its restart", lambda: lock.read_text().split("\n")[0] not in ("", str(second["pid"])))
        for address in (second["listen"], second["metrics"]):
            wait_for(f"{address} to be served again", lambda address=address: is_listening(address))  # type: ignore[misc]
