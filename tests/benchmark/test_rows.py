"""Rows measure a real broker, count what it stored, and leave nothing behind. Nothing is said of how fast."""

import socket
import threading

import pytest
from confluent_kafka.admin import AdminClient

from odradek.benchmark import frames
from odradek.benchmark.errors import BenchError
from odradek.benchmark.row import Row, nearest_rank, percentiles_ms, shown
from odradek.benchmark.rows import ROWS
from odradek.benchmark.target import TOPIC_PREFIX, Target
from odradek.testing import BrokerProcess, ClusterProcess

QUICK = ("small", "batches", "connections", "round-trip", "end-to-end", "synced")
REPLICATED = ("small", "round-trip", "first-touch")


@pytest.fixture
def target(odradek_broker: BrokerProcess) -> Target:
    host, _, port = odradek_broker.bootstrap.rpartition(":")
    return Target((host, int(port)), odradek_broker.pid)


@pytest.mark.real_broker
@pytest.mark.parametrize("row", [row for row in ROWS if row.name in QUICK], ids=lambda row: row.name)
def test_a_row_measures_all_its_metrics_and_deletes_its_topic(
    row: Row, target: Target, odradek_broker: BrokerProcess
) -> None:
    measured = row.measure(target, 0.1)
    assert set(measured) == {metric.key for metric in row.metrics}
    assert all(value > 0 for key, value in measured.items() if key != "cpu")
    topics = AdminClient({"bootstrap.servers": odradek_broker.bootstrap}).list_topics(timeout=10).topics
    assert not [name for name in topics if name.startswith(TOPIC_PREFIX)]


@pytest.mark.real_broker
@pytest.mark.parametrize("row", [row for row in ROWS if row.name in REPLICATED], ids=lambda row: row.name)
def test_a_row_measures_replicated_topics_of_a_cluster(row: Row, odradek_cluster: ClusterProcess) -> None:
    host, _, port = odradek_cluster.addresses[1].rpartition(":")
    target = Target((host, int(port)), odradek_cluster.pid, replication_factor=3, acks=-1)
    assert set(row.measure(target, 0.1)) == {metric.key for metric in row.metrics}


@pytest.mark.real_broker
def test_topics_have_as_many_copies_as_asked_for(odradek_cluster: ClusterProcess) -> None:
    host, _, port = odradek_cluster.addresses[1].rpartition(":")
    with Target((host, int(port)), replication_factor=3).topic(6) as topic:
        admin = AdminClient({"bootstrap.servers": odradek_cluster.bootstrap})
        partitions = admin.list_topics(topic, timeout=30).topics[topic].partitions.values()
        assert [len(partition.replicas) for partition in partitions] == [3] * 6


@pytest.mark.real_broker
def test_partitions_that_one_broker_leads_are_told_together(odradek_cluster: ClusterProcess) -> None:
    host, _, port = odradek_cluster.addresses[1].rpartition(":")
    target = Target((host, int(port)))
    with target.topic(6) as topic:
        together = {tuple(target.led_together(topic, partition)) for partition in range(6)}
        assert len(together) > 1
        assert sorted(partition for each in together for partition in each) == list(range(6))


@pytest.mark.real_broker
def test_without_a_process_nothing_is_said_of_its_cpu(target: Target) -> None:
    [row] = [row for row in ROWS if row.name == "small"]
    assert set(row.measure(Target(target.address), 0.05)) == {"rate"}


@pytest.mark.real_broker
def test_records_that_are_not_there_are_noticed(target: Target) -> None:
    with target.topic() as topic:
        target.require_end_offset(topic, 0, 0)
        with pytest.raises(BenchError, match="where 1 were acknowledged"):
            target.require_end_offset(topic, 0, 1)


@pytest.mark.real_broker
def test_a_refused_topic_is_told_with_its_error(target: Target) -> None:
    with pytest.raises(BenchError, match="error code 40"), target.topic(1, {"no.such.config": "1"}):
        pass


@pytest.mark.real_broker
def test_a_topic_is_deleted_also_when_it_is_interrupted_while_it_is_made(
    target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = list[str]()

    def interrupted(connection: object, name: str, partitions: int) -> None:
        made.append(name)
        raise KeyboardInterrupt

    interrupting = Target(target.address)
    monkeypatch.setattr(interrupting, "_wait_for_leaders", interrupted)
    with pytest.raises(KeyboardInterrupt), interrupting.topic():
        pass
    with target.connect() as connection:
        assert frames.read_metadata(connection.call(frames.metadata(made[0]))).error_code != 0


def test_a_broker_that_hangs_up_ends_the_measurement() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=lambda: listener.accept()[0].close(), daemon=True).start()
    with pytest.raises(OSError), Target(listener.getsockname()[:2]).topic():
        pass
    listener.close()


def test_percentiles_are_by_nearest_rank() -> None:
    assert nearest_rank([1.0, 2.0, 3.0, 4.0], 50) == 2.0
    assert nearest_rank([5.0], 99.9) == 5.0
    assert percentiles_ms([0.001 * i for i in range(1, 1001)]) == pytest.approx({"p50": 500, "p99": 990, "p99.9": 999})


@pytest.mark.parametrize(("value", "text"), [(0, "0"), (0.0123456, "0.0123"), (12.345, "12.3"), (98765.4, "98,765")])
def test_numbers_are_shown_with_three_digits(value: float, text: str) -> None:
    assert shown(value) == text
