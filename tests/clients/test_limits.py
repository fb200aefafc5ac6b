"""Sizes, many partitions, topics that make themselves, and a broker that restarts below a producer."""

from collections.abc import Callable, Iterator
from threading import Thread
from typing import Any

import confluent_kafka
import pytest
from aiokafka import AIOKafkaProducer
from kafka import KafkaProducer
from kafka import errors as kafka_errors

from odradek.testing import BrokerProcess
from tests.clients.aio import LoopThread
from tests.clients.librdkafka import Librdkafka
from tests.clients.vocabulary import Client, Sent

DEADLINE_S = 30
BATCH_OVERHEAD = 100
"""More than the headers of a batch and of its only record take."""


def test_the_largest_message_goes_through(client: Client, new_topic: Callable[..., str]) -> None:
    topic = new_topic(max_message_bytes=str(900_000))
    value = b"x" * (900_000 - BATCH_OVERHEAD)
    client.produce(topic, [Sent(value)])
    (record,) = client.read(topic, 0, count=1)
    assert record.value == value


def test_a_larger_message_is_refused_by_the_broker(client: Client, new_topic: Callable[..., str]) -> None:
    topic = new_topic(max_message_bytes=str(900_000))
    with pytest.raises(Exception, match=r"(?i)too.?large"):
        client.produce(topic, [Sent(b"x" * 900_000)])
    assert client.produce(topic, [Sent(b"small")]) == [0]


def test_one_producer_writes_to_many_partitions(client: Client, new_topic: Callable[..., str]) -> None:
    topic = new_topic(partitions=200)
    offsets = client.produce(topic, [Sent(b"%d" % number, partition=number % 200) for number in range(400)])
    assert offsets == [0] * 200 + [1] * 200
    assert [record.value for record in client.read(topic, 199, count=2)] == [b"199", b"399"]


def test_producing_makes_a_topic(client: Client, new_name: Callable[[], str]) -> None:
    topic = new_name()
    assert client.produce(topic, [Sent(b"first")]) == [0]
    assert [record.value for record in client.read(topic, 0, count=1)] == [b"first"]


def test_a_header_without_a_value_keeps_having_none(bootstrap: str, new_topic: Callable[..., str]) -> None:
    topic = new_topic()
    producer = confluent_kafka.Producer({"bootstrap.servers": bootstrap})
    producer.produce(topic, b"x", headers=[("none", None), ("empty", b"")])
    assert producer.flush(DEADLINE_S) == 0
    consumer = confluent_kafka.Consumer({"bootstrap.servers": bootstrap, "group.id": "reads-headers"})
    try:
        consumer.assign([confluent_kafka.TopicPartition(topic, 0, 0)])
        message = consumer.poll(DEADLINE_S)
        assert message is not None
        assert message.headers() == [("none", None), ("empty", b"")]
    finally:
        consumer.close()


@pytest.fixture
def own_broker() -> Iterator[BrokerProcess]:
    with BrokerProcess(settings={"group.initial.rebalance.delay.ms": 0}) as broker:
        yield broker


def test_an_idempotent_producer_goes_on_over_a_restart(own_broker: BrokerProcess) -> None:
    producer = confluent_kafka.Producer(
        {"bootstrap.servers": own_broker.bootstrap, "enable.idempotence": True, "linger.ms": 1}
    )
    errors: list[Any] = []

    def report(error: Any, _: Any) -> None:
        if error is not None:
            errors.append(error)

    def write(numbers: range) -> None:
        for number in numbers:
            producer.produce("numbers", b"%d" % number, on_delivery=report)
            producer.poll(0)

    write(range(1000))
    assert producer.flush(DEADLINE_S) == 0
    restart = Thread(target=own_broker.restart)
    restart.start()
    write(range(1000, 3000))
    restart.join()
    assert producer.flush(DEADLINE_S) == 0
    assert errors == []
    records = Librdkafka(own_broker.bootstrap).read("numbers", 0, count=3000)
    assert [int(record.value or b"") for record in records] == list(range(3000))


def init_librdkafka(bootstrap: str) -> None:
    producer = confluent_kafka.Producer({"bootstrap.servers": bootstrap, "transactional.id": "t"})
    producer.init_transactions(DEADLINE_S)


def init_kafka_python(bootstrap: str) -> None:
    producer = KafkaProducer(bootstrap_servers=bootstrap, transactional_id="t", max_block_ms=DEADLINE_S * 1000)
    try:
        producer.init_transactions()
    finally:
        producer.close(timeout=1)


def init_aiokafka(bootstrap: str) -> None:
    loop = LoopThread()

    async def start() -> None:
        producer = AIOKafkaProducer(bootstrap_servers=bootstrap, transactional_id="t")
        try:
            await producer.start()
        finally:
            await producer.stop()

    try:
        loop.run(start())
    finally:
        loop.close()


def test_transactions_are_refused_for_good_by_librdkafka(bootstrap: str) -> None:
    with pytest.raises(confluent_kafka.KafkaException) as refused:
        init_librdkafka(bootstrap)
    error = refused.value.args[0]
    assert error.code() == confluent_kafka.KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED
    assert error.fatal()
    assert not error.retriable()


def test_transactions_are_refused_for_good_by_kafka_python(bootstrap: str) -> None:
    with pytest.raises(kafka_errors.TransactionalIdAuthorizationFailedError):
        init_kafka_python(bootstrap)


def test_transactions_are_refused_for_good_by_aiokafka(bootstrap: str) -> None:
    with pytest.raises(Exception, match=r"(?i)transactional.?id.?authorization"):
        init_aiokafka(bootstrap)
