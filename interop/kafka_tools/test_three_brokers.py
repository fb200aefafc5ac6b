"""Kafka's tools on a cluster: replicas are moved, leaders elected, brokers found missing and unregistered."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]

from interop.kafka import Kafka
from interop.runner import ToolRunner
from interop.table import Tried
from interop.waiting import wait_until
from odradek.testing import ClusterProcess

TIMEOUT_S = 30
CALM = {"odradek.balancing.paused": True, "auto.leader.rebalance.enable": False}
"""What the tools do is not to be done, or undone, by the cluster itself."""
Places = dict[int, list[int]]
"""Partition to its replicas, the preferred leader first."""


@pytest.fixture(scope="module")
def cluster() -> Iterator[ClusterProcess]:
    with ClusterProcess(3, settings=CALM) as started:
        yield started


@pytest.fixture
def three(cluster: ClusterProcess, tool_runner: ToolRunner, tried: Tried) -> Kafka:
    return Kafka(cluster.bootstrap, tool_runner, tried)


def make(kafka: Kafka, name: str, *replicas: Sequence[int], **config: str) -> str:
    """A topic with these replicas for its partitions."""
    settings = {key.replace("_", "."): value for key, value in config.items()}
    topic = NewTopic(name, len(replicas), replica_assignment=[list(each) for each in replicas], config=settings)
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap})
    admin.create_topics([topic])[name].result(timeout=TIMEOUT_S)
    wait_until(lambda: places(kafka, name) == dict(enumerate(map(list, replicas))), "every replica is in sync")
    return name


def described(kafka: Kafka, name: str) -> dict[int, tuple[int, list[int], list[int]]]:
    """Partition to its leader, its replicas and those in sync."""
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap})
    found = admin.list_topics(name, timeout=TIMEOUT_S).topics[name]
    return {index: (each.leader, list(each.replicas), list(each.isrs)) for index, each in found.partitions.items()}


def places(kafka: Kafka, name: str) -> Places:
    """Of the partitions whose replicas are all in sync."""
    return {
        index: replicas
        for index, (_, replicas, in_sync) in described(kafka, name).items()
        if set(replicas) == set(in_sync)
    }


def leaders(kafka: Kafka, name: str) -> list[int]:
    return [leader for leader, _, _ in described(kafka, name).values()]


def plan(path: Path, topic: str, wanted: Places) -> Path:
    file = path / "plan.json"
    partitions = [{"topic": topic, "partition": index, "replicas": replicas} for index, replicas in wanted.items()]
    file.write_text(json.dumps({"version": 1, "partitions": partitions}))
    return file


def test_moves_replicas_to_other_brokers(three: Kafka, tmp_path: Path) -> None:
    name, wanted = make(three, "moved", [1], [2]), {0: [2], 1: [3, 1]}
    three.produce(name, [b"before"])
    file = plan(tmp_path, name, wanted)
    three.run("kafka-reassign-partitions", "--execute", "--reassignment-json-file", file)
    wait_until(lambda: places(three, name) == wanted, "the replicas are where they were wanted")
    verified = three.run("kafka-reassign-partitions", "--verify", "--reassignment-json-file", file).out
    assert verified.count("is completed.") == 2
    console = three.run(
        "kafka-console-consumer", "--topic", name, "--partition", 0, "--offset", "earliest", "--max-messages", 1
    )
    assert console.out == "before\n"


def test_proposes_a_reassignment_over_all_brokers_by_rack(three: Kafka, tmp_path: Path) -> None:
    name, file = make(three, "proposed", [1, 2]), tmp_path / "topics.json"
    file.write_text(json.dumps({"version": 1, "topics": [{"topic": name}]}))
    out = three.run(
        "kafka-reassign-partitions", "--generate", "--topics-to-move-json-file", file, "--broker-list", "2,3"
    ).out
    proposed = json.loads(out.rpartition("Proposed partition reassignment configuration\n")[2])
    assert sorted(proposed["partitions"][0]["replicas"]) == [2, 3]


def test_throttles_a_move_and_takes_the_throttle_away_when_it_is_done(three: Kafka, tmp_path: Path) -> None:
    name = make(three, "throttled", [1, 2])
    three.produce(name, [b"x" * 1000] * 50)
    file = plan(tmp_path, name, {0: [1, 3]})
    three.run("kafka-reassign-partitions", "--execute", "--reassignment-json-file", file, "--throttle", 10_000_000)
    throttled = three.run("kafka-configs", "--describe", "--entity-type", "topics", "--entity-name", name).out
    assert "leader.replication.throttled.replicas=0:1,0:2" in throttled
    assert "follower.replication.throttled.replicas=0:3" in throttled
    rate = three.run("kafka-configs", "--describe", "--entity-type", "brokers", "--entity-name", "3").out
    assert "follower.replication.throttled.rate=10000000" in rate
    assert "leader.replication.throttled.rate=10000000" in rate
    wait_until(lambda: places(three, name) == {0: [1, 3]}, "the replica is where it was wanted")
    three.run("kafka-reassign-partitions", "--verify", "--reassignment-json-file", file)
    after = three.run("kafka-configs", "--describe", "--entity-type", "brokers", "--entity-name", "3").out
    assert "throttled.rate" not in after


def test_lists_a_move_that_cannot_end_and_cancels_it(three: Kafka, tmp_path: Path) -> None:
    name = make(three, "cancelled", [1, 2])
    three.produce(name, [b"x" * 100_000] * 20)
    file = plan(tmp_path, name, {0: [1, 3]})
    three.run("kafka-reassign-partitions", "--execute", "--reassignment-json-file", file, "--throttle", 1)
    listed = three.run("kafka-reassign-partitions", "--list").out
    assert f"{name}-0: replicas: 1,3,2. adding: 3. removing: 2." in listed
    verified = three.run(
        "kafka-reassign-partitions", "--verify", "--reassignment-json-file", file, "--preserve-throttles"
    ).out
    assert f"Reassignment of partition {name}-0 is still in progress." in verified
    three.run("kafka-reassign-partitions", "--cancel", "--reassignment-json-file", file)
    wait_until(lambda: places(three, name) == {0: [1, 2]}, "everything is as it was")


def test_gives_preferred_leaders_their_places_back(three: Kafka, tmp_path: Path) -> None:
    name = make(three, "preferred", [1, 2], [2, 1])
    swapped = plan(tmp_path, name, {0: [2, 1]})
    three.run("kafka-reassign-partitions", "--execute", "--reassignment-json-file", swapped)
    wait_until(lambda: places(three, name) == {0: [2, 1], 1: [2, 1]}, "another leader is preferred")
    assert leaders(three, name) == [1, 2]
    elected = three.run("kafka-leader-election", "--election-type", "PREFERRED", "--topic", name, "--partition", 0).out
    assert "Successfully completed leader election (PREFERRED)" in elected
    assert leaders(three, name) == [2, 2]


def test_shows_what_lacks_a_replica(three: Kafka, cluster: ClusterProcess) -> None:
    with cluster.joining(4) as fourth:
        make(three, "lacking", [1, 4], min_insync_replicas="2")
        make(three, "gone", [4])
        fourth.kill()
        wait_until(lambda: described(three, "gone") == {0: (-1, [4], [])}, "the broker is missed")
        for option, missed in (
            ("--under-replicated-partitions", {"lacking", "gone"}),
            ("--unavailable-partitions", {"gone"}),
            ("--under-min-isr-partitions", {"lacking", "gone"}),
        ):
            out = three.run("kafka-topics", "--describe", option).out
            found = {name for name in ("lacking", "gone", "preferred") if f"Topic: {name}\t" in out}
            assert found == missed, f"{option}: {out}"
        fenced = three.run("kafka-cluster", "list-endpoints", "--include-fenced-brokers").rows
        assert [row[4] for row in fenced if row[0] == "4"] == ["fenced"]
        assert "4" not in [row[0] for row in three.run("kafka-cluster", "list-endpoints").rows]


def test_unregisters_a_broker_that_was_stopped(three: Kafka, cluster: ClusterProcess) -> None:
    with cluster.joining(5) as fifth:
        fifth.stop()
    three.run("kafka-cluster", "unregister", "--id", 5)
    rows = three.run("kafka-cluster", "list-endpoints", "--include-fenced-brokers").rows
    assert [row[0] for row in rows[1:]].count("5") == 0


def test_tells_how_far_the_replicas_of_each_broker_are(three: Kafka) -> None:
    name = make(three, "measured", [1, 2, 3])
    three.produce(name, [b"x" * 1000] * 10)
    wait_until(lambda: len(sizes(three, name)) == 3 and len(set(sizes(three, name))) == 1, "all replicas are as large")


def sizes(kafka: Kafka, name: str) -> list[int]:
    out = kafka.run("kafka-log-dirs", "--describe", "--topic-list", name, "--broker-list", "1,2,3").out
    brokers = json.loads("{" + out.partition("{")[2])["brokers"]
    directories = [directory for broker in brokers for directory in broker["logDirs"]]
    return [partition["size"] for directory in directories for partition in directory["partitions"]]
