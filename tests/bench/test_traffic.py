"""What is said of an ended leader: how long nothing was acknowledged, and whether anything is missing."""

from pathlib import Path

import pytest
from bench.contender import ODRADEK, Options, clusters
from bench.rows.failover import FAILOVER_ROWS
from bench.traffic import Acknowledged, Traffic, longest_silence_s

from odradek.benchmark.target import Target
from odradek.testing import BrokerProcess

DEADLINE_S = 30.0


def acknowledged(*times: float) -> list[Acknowledged]:
    return [Acknowledged(at, number) for number, at in enumerate(times)]


def test_a_silence_is_the_longest_time_between_two_acknowledgements() -> None:
    assert longest_silence_s(acknowledged(0.0, 1.0, 4.0, 5.0), since=0.5) == 3.0


def test_a_silence_that_was_over_before_does_not_count() -> None:
    assert longest_silence_s(acknowledged(0.0, 10.0, 11.0, 13.0), since=10.5) == 2.0


def test_a_silence_during_which_the_leader_ended_counts_whole() -> None:
    assert longest_silence_s(acknowledged(0.0, 1.0, 3.0), since=2.9) == 2.0


@pytest.mark.real_broker
def test_what_was_acknowledged_is_looked_for(odradek_broker: BrokerProcess) -> None:
    host, _, port = odradek_broker.bootstrap.rpartition(":")
    with Target((host, int(port))).topic(2) as topic:
        traffic = Traffic(odradek_broker.bootstrap, topic, 2)
        traffic.run_until(
            lambda: all(traffic.acknowledged.values()), DEADLINE_S, "an acknowledgement of each partition"
        )
        assert traffic.lost() == 0
        traffic.acknowledged[1].append(Acknowledged(0.0, traffic.sent + 1))
        assert traffic.lost() == 1


@pytest.mark.real_broker
def test_each_broker_is_killed_under_traffic_and_nothing_is_lost(tmp_path: Path) -> None:
    [contender] = [each for each in clusters(tmp_path, has_kafka=False) if each.name == ODRADEK]
    [row] = [row for row in FAILOVER_ROWS if row.name == "failover"]
    measured = row.measure(contender, Options(seconds=0.1, repeats=1, data_gb=0.0, has_kafka=False))
    assert set(measured) == {metric.key for metric in row.metrics}
    assert measured["lost"] == 0
    assert not list(tmp_path.iterdir())
