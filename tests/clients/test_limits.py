"""Sizes, many partitions, topics that make themselves, and a broker that restarts below a producer."""

import gc
import warnings
from collections.abc import Callable, Iterator
from threading import Thread

import confluent_kafka
import pytest
from aiokafka import AIOKafkaProducer
from confluent_kafka.admin import AdminClient
from kafka import KafkaProducer
from kafka import errors as kafka_errors

from odradek.testing import BrokerProcess
from tests.clients.absent import LIBRARIES
from tests.clients.conftest import all_clients
from tests.clients.loop_thread import LoopThread
from tests.clients.test_groups import closing, poll_until
from tests.clients.vocabulary import Client, Membership, Sent, Writer, Writing

DEADLINE_S = 30
BATCH_OVERHEAD = 100
"""More than the headers of a batch and of its only record take."""
POLLS = 5


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


MADE_BY_SUBSCRIBING = {"confluent-kafka": False, "kafka-python": True, "aiokafka": True}
"""librdkafka asks for what it subscribes to without letting a broker make it, whatever its allow.auto.create.topics."""


def test_subscribing_makes_a_topic_where_the_library_asks_for_that(
    client: Client, bootstrap: str, new_name: Callable[[], str], new_group: Callable[[], str]
) -> None:
    topic = new_name()
    member = client.join(Membership(new_group(), (topic,)))
    with closing(member):
        for _ in range(POLLS):
            assert member.poll() == []
        assert (topic in topics(bootstrap)) == MADE_BY_SUBSCRIBING[client.name]
        client.produce(topic, [Sent(b"first")])
        (record,) = poll_until([member], lambda records: len(records) >= 1)
    assert record.value == b"first"


def topics(bootstrap: str) -> set[str]:
    return set(AdminClient({"bootstrap.servers": bootstrap}).list_topics(timeout=DEADLINE_S).topics)


@pytest.fixture
def own_broker() -> Iterator[BrokerProcess]:
    with BrokerProcess(settings={"group.initial.rebalance.delay.ms": 0}) as broker:
        yield broker


@pytest.fixture
def own_clients(own_broker: BrokerProcess) -> Iterator[dict[str, Client]]:
    with all_clients(own_broker.bootstrap) as clients:
        yield clients
    with warnings.catch_warnings():  # kafka-python leaves sockets of refused connections to the garbage collector
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@pytest.mark.parametrize("name", LIBRARIES)
def test_an_idempotent_producer_goes_on_over_a_restart(
    own_broker: BrokerProcess, own_clients: dict[str, Client], name: str
) -> None:
    writer = own_clients[name].writer(Writing(idempotent=True))
    try:
        assert len(write(writer, range(1000))) == 1000
        restart = Thread(target=own_broker.restart)
        restart.start()
        offsets = write(writer, range(1000, 3000))
        restart.join()
        assert offsets == list(range(1000, 3000))
    finally:
        writer.close()
    records = own_clients[name].read("numbers", 0, count=3000)
    assert [int(record.value or b"") for record in records] == list(range(3000))


def write(writer: Writer, numbers: range) -> list[int]:
    for number in numbers:
        writer.send("numbers", Sent(b"%d" % number))
    return writer.flush()


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
