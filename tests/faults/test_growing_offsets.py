"""The offsets of groups are kept as safely as the cluster allows: more copies as brokers join, seen in the metrics."""

import re
import urllib.request

from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource  # type: ignore[attr-defined]

from odradek.testing import ClusterProcess
from odradek.testing.process import BrokerProcess
from odradek.testing.topics import create_topic
from tests.faults.waiting import wait_for

TIMEOUT_S = 30
TOPIC = "__consumer_offsets"
PARTITIONS = 5
SETTINGS = {"offsets.topic.num.partitions": PARTITIONS}


def commit(bootstrap: str, group: str, offset: int) -> None:
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": group})
    consumer.commit(offsets=[TopicPartition("t", 0, offset)], asynchronous=False)
    consumer.close()


def committed(bootstrap: str, group: str) -> int:
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": group})
    (found,) = consumer.committed([TopicPartition("t", 0)], timeout=TIMEOUT_S)
    consumer.close()
    return int(found.offset)


def copies_in_sync(admin: AdminClient) -> list[int]:
    partitions = admin.list_topics(TOPIC, timeout=TIMEOUT_S).topics[TOPIC].partitions.values()
    return [len(each.isrs) if len(each.isrs) == len(each.replicas) else 0 for each in partitions]


def minimum_in_sync(admin: AdminClient) -> str:
    (answer,) = admin.describe_configs([ConfigResource(ConfigResource.Type.TOPIC, TOPIC)]).values()
    return str(answer.result(timeout=TIMEOUT_S)["min.insync.replicas"].value)


def metric(broker: BrokerProcess, name: str) -> float:
    page = urllib.request.urlopen(f"http://{broker.info['metrics']}/metrics", timeout=TIMEOUT_S).read().decode()
    found = re.findall(rf"^{re.escape(name)} (\S+)$", page, re.MULTILINE)
    assert found, f"no {name} in {page}"
    return float(found[0])


def test_offsets_get_copies_on_brokers_that_join_and_survive_the_first_one() -> None:
    arguments = ["--metrics", "127.0.0.1:0"]
    with ClusterProcess(1, settings=SETTINGS, arguments=arguments) as cluster:
        admin = AdminClient({"bootstrap.servers": cluster.bootstrap})
        create_topic(cluster.bootstrap, "t", 1)
        commit(cluster.bootstrap, "g", 7)
        assert (copies_in_sync(admin), minimum_in_sync(admin)) == ([1] * PARTITIONS, "1")
        with cluster.joining(2), cluster.joining(3) as third:
            wait_for("three copies", lambda: copies_in_sync(admin) == [3] * PARTITIONS)
            wait_for("two of them in sync at least", lambda: minimum_in_sync(admin) == "2")
            assert metric(cluster, "odradek_under_replicated_partitions") == 0
            third.kill()
            wait_for(
                "the missing copies to be told",
                lambda: metric(cluster, "odradek_under_replicated_partitions") == PARTITIONS,
            )
            assert metric(cluster, "odradek_at_min_isr_partitions") == PARTITIONS + 1
            assert metric(cluster, "odradek_offline_partitions") == 0
            assert metric(cluster, 'odradek_brokers{state="down"}') == 1
            assert committed(cluster.bootstrap, "g") == 7
            commit(cluster.bootstrap, "g", 8)
            assert committed(cluster.bootstrap, "g") == 8
