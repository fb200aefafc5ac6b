"""The end of a leader's process under a real producer: how long the partitions it led take no records, and none lost.

Each of the three brokers is ended once, with the others serving, so that the one that is the controller is among them.
"""

from __future__ import annotations

import os
import signal
import statistics
import time
from collections.abc import Callable

from confluent_kafka.admin import AdminClient

from bench.cluster import BROKERS, Cluster
from bench.contender import BenchRow, Contender, Options
from bench.ending import is_running
from bench.traffic import Traffic, longest_silence_s
from odradek.benchmark.row import Measured, Metric

PARTITIONS = 12
_STEADY_S = 1.0
_DEADLINE_S = 90.0
_TOLD_S = 5.0


def _failover(number: signal.Signals) -> Callable[[Contender, Options], Measured]:
    def measure(contender: Contender, options: Options) -> Measured:
        with contender.new() as cluster:
            assert isinstance(cluster, Cluster)
            with cluster.target.topic(PARTITIONS) as topic:
                traffic = Traffic(cluster.bootstrap, topic, PARTITIONS)
                _run_for(traffic, cluster.warm_up_s)
                silences_s = [_end(cluster, topic, traffic, broker, number) for broker in range(1, BROKERS + 1)]
                lost = traffic.lost()
        return {"silence": statistics.median(silences_s), "longest": max(silences_s), "lost": lost}

    return measure


def _end(cluster: Cluster, topic: str, traffic: Traffic, broker_id: int, number: signal.Signals) -> float:
    """Seconds without an acknowledgement for the partitions that the broker led; it is back afterwards."""
    admin = AdminClient({"bootstrap.servers": cluster.bootstrap, "log_level": 0})
    led: list[int] = []

    def is_whole() -> bool:
        nonlocal led
        partitions = admin.list_topics(topic, timeout=_TOLD_S).topics[topic].partitions.values()
        led = [each.id for each in partitions if each.leader == broker_id]
        are_in_sync = all(len(each.isrs) == BROKERS for each in partitions)
        return bool(led) and are_in_sync and all(traffic.acknowledged.values())

    traffic.run_until(is_whole, _DEADLINE_S, f"a whole cluster in which broker {broker_id} leads")
    _run_for(traffic, _STEADY_S)
    pid, begin = cluster.pid_of(broker_id), time.perf_counter()
    os.kill(pid, number)
    traffic.run_until(lambda: not is_running(pid), _DEADLINE_S, f"the end of broker {broker_id}")
    sent = traffic.sent

    def are_taken() -> bool:
        newest = [traffic.acknowledged[partition][-1].number for partition in led]
        return all(each > sent for each in newest)

    traffic.run_until(are_taken, _DEADLINE_S, f"an acknowledgement for each partition that broker {broker_id} led")
    _run_for(traffic, _STEADY_S)
    silence_s = max(longest_silence_s(traffic.acknowledged[partition], begin) for partition in led)
    cluster.bring_back(broker_id)
    return silence_s


def _run_for(traffic: Traffic, seconds: float) -> None:
    end = time.perf_counter() + seconds
    traffic.run_until(lambda: time.perf_counter() > end, _DEADLINE_S, "the time")


_METRICS = (
    Metric("silence", "s without acks"), Metric("longest", "s without acks, longest of 3"),
    Metric("lost", "records lost"),
)  # fmt: skip

FAILOVER_ROWS = [
    BenchRow(
        "failover", "kill -9 of a leader under librdkafka, idempotent", _METRICS, _failover(signal.SIGKILL),
        repeats=1, is_replicated=True,
    ),
    BenchRow(
        "clean-stop", "clean stop of a leader under librdkafka, idempotent", _METRICS, _failover(signal.SIGTERM),
        repeats=1, is_replicated=True,
    ),
]  # fmt: skip
