"""`odradek cluster restart` on real processes, under producers that want all replicas."""

import json
import subprocess
import sys
from collections.abc import Callable

from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]

from odradek.testing import BrokerProcess, ClusterProcess
from odradek.testing.topics import create_topic
from tests.faults.load import Load
from tests.faults.reading import read_all
from tests.faults.waiting import wait_for
from tests.support.history import Partition
from tests.support.not_run import not_run

TIMEOUT_S = 240
PARTITIONS = 6
ELSEWHERE = ["unshare", "--pid", "--fork", "--mount-proc"]


def restart_command(bootstrap: str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "odradek", "-b", bootstrap, "cluster", "restart", *arguments]


def restart(bootstrap: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = restart_command(bootstrap, *arguments)
    return subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S)


def replicated(cluster: ClusterProcess, name: str, partitions: int) -> list[Partition]:
    wanted = NewTopic(name, num_partitions=partitions, replication_factor=3, config={"min.insync.replicas": "2"})
    admin = AdminClient({"bootstrap.servers": cluster.bootstrap})
    admin.create_topics([wanted])[name].result(timeout=30)
    return [(name, index) for index in range(partitions)]


def test_all_brokers_are_restarted_under_load_and_nothing_is_lost_repeated_or_out_of_order(
    odradek_cluster_factory: Callable[..., ClusterProcess],
) -> None:
    cluster = odradek_cluster_factory()
    partitions = replicated(cluster, "load", PARTITIONS)
    pids = cluster.pids
    with Load(cluster.bootstrap, partitions, seed=1, records_per_s=600) as load:
        load.wait_for_progress(300)
        ended = restart(cluster.bootstrap, "--json")
        assert ended.returncode == 0, ended.stderr
        load.wait_for_progress(300)
    done = json.loads(ended.stdout)["restarted"]
    assert sorted(each["broker"] for each in done) == [1, 2, 3]
    assert [each["was_controller"] for each in done] == [False, False, True]
    assert not set(cluster.pids.values()) & set(pids.values())
    assert load.errors == []
    for partition in partitions:
        load.history.add(read_all(cluster.bootstrap, partition))
    assert [str(violation) for violation in load.history.violations()[:10]] == []
    assert " ERROR " not in cluster.log


def test_one_broker_is_restarted_when_it_is_named(odradek_cluster_factory: Callable[..., ClusterProcess]) -> None:
    cluster = odradek_cluster_factory()
    pids = cluster.pids
    ended = restart(cluster.addresses[2], "2")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.startswith("broker 2 was away for ")
    assert ended.stdout.endswith("1 broker restarted\n")
    assert {each for each in pids if cluster.pids[each] != pids[each]} == {2}


def test_a_cluster_with_a_broker_down_is_left_alone_unless_it_is_forced(
    odradek_cluster_factory: Callable[..., ClusterProcess],
) -> None:
    cluster = odradek_cluster_factory()
    replicated(cluster, "t", 1)
    pids, with_two = cluster.pids, ",".join(cluster.addresses[each] for each in (1, 2))
    properties = cluster.data_dir / "broker-3" / "meta.properties"
    kept = properties.read_text()
    properties.write_text("version=x\n")
    cluster.kill(3)
    wait_for("its end", lambda: "down" in states(with_two))
    refused = restart(with_two)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.startswith(
        "odradek: broker 3 is down, t-0 on broker 3 is not in sync: no broker is restarted"
    )
    assert "--force" in refused.stderr
    assert {each: cluster.pids[each] for each in (1, 2)} == {each: pids[each] for each in (1, 2)}
    forced = restart(with_two, "1", "--force")
    assert forced.returncode == 0, forced.stderr
    assert cluster.pids[1] != pids[1]
    properties.write_text(kept)
    cluster.wait_until_restarted(3, pids[3])


def states(bootstrap: str) -> list[str]:
    command = [sys.executable, "-m", "odradek", "-b", bootstrap, "--json", "cluster", "status"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=True)
    return [each["state"] for each in json.loads(ended.stdout)["brokers"]]


def test_a_broker_that_nothing_starts_again_is_told_with_how_to_go_on() -> None:
    with BrokerProcess() as broker:
        ended = restart(broker.bootstrap, "--timeout", "3")
    assert ended.returncode == 1
    assert ended.stderr.endswith("is not back after 3 s: nothing starts it again: start it\n")


def test_a_broker_of_another_machine_is_restarted_by_a_person_who_is_told_when() -> None:
    """A process that cannot be seen is as good as on another machine."""
    if subprocess.run([*ELSEWHERE, "true"], capture_output=True).returncode:
        not_run("processes cannot be hidden in a namespace of their own here")
    with BrokerProcess() as broker:
        create_topic(broker.bootstrap, "t")
        process = subprocess.Popen(
            [*ELSEWHERE, *restart_command(broker.bootstrap)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert process.stderr is not None
        assert process.stderr.readline() == "broker 1 alone has 1 partition: away while it is\n"
        assert process.stderr.readline() == f"restart broker 1 at {broker.bootstrap} there now\n"
        broker.restart()
        out, _ = process.communicate(timeout=TIMEOUT_S)
        assert process.returncode == 0
        assert out.endswith("1 broker restarted\n")
