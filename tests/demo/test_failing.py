"""The demo's proof fails, and says so, when somebody interferes with its topic."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient

from odradek.testing import BrokerProcess

DEADLINE_S = 60


@pytest.fixture
def broker() -> Iterator[BrokerProcess]:
    with BrokerProcess(settings={"group.initial.rebalance.delay.ms": 500}) as process:
        yield process


def start_demo(broker: BrokerProcess, *options: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "odradek", "demo", "--records", "3000", "--bootstrap", broker.bootstrap, *options]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def topic_of_the_demo(broker: BrokerProcess) -> str:
    admin = AdminClient({"bootstrap.servers": broker.bootstrap})
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline:
        for name in admin.list_topics(timeout=DEADLINE_S).topics:
            if name.startswith("odradek-demo-flights-"):
                return name
    raise AssertionError("the demo made no topic")


def first_flight(broker: BrokerProcess, topic: str) -> tuple[bytes | None, bytes | None, int]:
    """Key, value and partition of some record of the demo's."""
    config = {"bootstrap.servers": broker.bootstrap, "group.id": "onlooker", "auto.offset.reset": "earliest"}
    consumer = Consumer(config)
    try:
        consumer.subscribe([topic])
        message = consumer.poll(DEADLINE_S)
        assert message is not None
        assert message.error() is None
        partition = message.partition()
        assert partition is not None
        return message.key(), message.value(), partition
    finally:
        consumer.close()


def produce(broker: BrokerProcess, topic: str, key: bytes | None, value: bytes | None, partition: int) -> None:
    producer = Producer({"bootstrap.servers": broker.bootstrap})
    producer.produce(topic, value, key, partition=partition)
    assert producer.flush(DEADLINE_S) == 0


@pytest.mark.real_broker
def test_a_flight_that_somebody_stores_again_makes_the_proof_fail(broker: BrokerProcess) -> None:
    demo = start_demo(broker)
    topic = topic_of_the_demo(broker)
    produce(broker, topic, *first_flight(broker, topic))
    out, err = demo.communicate(timeout=DEADLINE_S)
    assert demo.returncode == 1
    assert err == "odradek: the proof failed\n"
    for group in ("dispatch", "maintenance"):
        assert f"{group}: FAILED, of 3,000 records 1 stored twice" in out.replace(topic, "")


@pytest.mark.real_broker
def test_a_flight_that_never_was_makes_the_proof_fail(broker: BrokerProcess) -> None:
    demo = start_demo(broker, "--json")
    topic = topic_of_the_demo(broker)
    key, value, partition = first_flight(broker, topic)
    assert value is not None
    flight = json.loads(value)
    other = {name: f"{content}0" if isinstance(content, str) else content for name, content in flight.items()}
    produce(broker, topic, key, json.dumps(other).encode(), partition)
    out, err = demo.communicate(timeout=DEADLINE_S)
    assert demo.returncode == 1
    assert err == "odradek: the proof failed\n"
    report = json.loads(out)
    assert report["proven"] is False
    assert [group["unknown"] for group in report["groups"]] == [1, 1]
