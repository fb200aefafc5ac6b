"""Where a consumer is, was and may go: positions, seeking, pausing, patterns, offsets that are gone."""

from collections.abc import Callable, Iterator
from typing import Any

import confluent_kafka
import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka import TopicPartition as AioPartition
from confluent_kafka.admin import AdminClient
from kafka import KafkaConsumer
from kafka import TopicPartition as PythonPartition

from tests.clients.aio import LoopThread
from tests.clients.vocabulary import Client, Sent

DEADLINE_S = 30
POLLS_MAX = 150


@pytest.fixture
def numbers(clients: dict[str, Client], new_topic: Callable[..., str]) -> str:
    """A topic with the records 0 to 9 in its only partition."""
    topic = new_topic()
    clients["confluent-kafka"].produce(topic, [Sent(b"%d" % number) for number in range(10)])
    return topic


def take(poll: Callable[[], list[bytes]], count: int) -> list[bytes]:
    """At least so many values."""
    values: list[bytes] = []
    for _ in range(POLLS_MAX):
        values += poll()
        if len(values) >= count:
            return values
    raise AssertionError(f"got {values}")


@pytest.fixture
def librdkafka(bootstrap: str, new_group: Callable[[], str]) -> Iterator[Callable[..., Any]]:
    """Makes consumers that are closed in the end."""
    opened: list[Any] = []

    def consumer(**more: str | bool) -> Any:
        settings = {key.replace("_", "."): value for key, value in more.items()}
        base = {"bootstrap.servers": bootstrap, "group.id": new_group(), "enable.auto.commit": False}
        opened.append(confluent_kafka.Consumer({**base, **settings}))
        return opened[-1]

    yield consumer
    for each in opened:
        each.close()


def values_of(consumer: Any) -> list[bytes]:
    return [message.value() for message in consumer.consume(1, 0.2) if message.error() is None]


def test_librdkafka_knows_and_changes_its_position(numbers: str, librdkafka: Callable[..., Any]) -> None:
    consumer, here = librdkafka(), confluent_kafka.TopicPartition(numbers, 0)
    consumer.assign([confluent_kafka.TopicPartition(numbers, 0, 3)])
    assert take(lambda: values_of(consumer), 2) == [b"3", b"4"]
    assert consumer.position([here])[0].offset == 5
    assert consumer.get_watermark_offsets(here, timeout=DEADLINE_S) == (0, 10)
    consumer.commit(asynchronous=False)
    assert consumer.committed([here], timeout=DEADLINE_S)[0].offset == 5
    consumer.seek(confluent_kafka.TopicPartition(numbers, 0, 8))
    assert take(lambda: values_of(consumer), 2) == [b"8", b"9"]


def test_librdkafka_reads_nothing_while_it_pauses(numbers: str, librdkafka: Callable[..., Any]) -> None:
    consumer, here = librdkafka(), confluent_kafka.TopicPartition(numbers, 0)
    consumer.assign([confluent_kafka.TopicPartition(numbers, 0, 0)])
    assert take(lambda: values_of(consumer), 1) == [b"0"]
    consumer.pause([here])
    assert values_of(consumer) == []
    consumer.resume([here])
    assert take(lambda: values_of(consumer), 9) == [b"%d" % number for number in range(1, 10)]


@pytest.mark.parametrize(("reset", "expected"), [("earliest", b"4"), ("latest", b"new")])
def test_librdkafka_goes_where_it_is_told_when_its_offset_is_gone(
    bootstrap: str,
    clients: dict[str, Client],
    numbers: str,
    librdkafka: Callable[..., Any],
    reset: str,
    expected: bytes,
) -> None:
    delete_before(bootstrap, numbers, 4)
    consumer = librdkafka(auto_offset_reset=reset, enable_partition_eof=True)
    consumer.assign([confluent_kafka.TopicPartition(numbers, 0, 1)])
    if reset == "latest":
        until_the_end(consumer)
        clients["kafka-python"].produce(numbers, [Sent(b"new")])
    assert take(lambda: values_of(consumer), 1) == [expected]


def until_the_end(consumer: Any) -> None:
    for _ in range(POLLS_MAX):
        message = consumer.poll(0.2)
        if message is not None and message.error() is not None:
            assert message.error().code() == confluent_kafka.KafkaError._PARTITION_EOF
            return
    raise AssertionError("the end did not come")


def delete_before(bootstrap: str, topic: str, offset: int) -> None:
    admin = AdminClient({"bootstrap.servers": bootstrap})
    (future,) = admin.delete_records([confluent_kafka.TopicPartition(topic, 0, offset)]).values()
    future.result(DEADLINE_S)


def test_librdkafka_subscribes_to_a_pattern(numbers: str, librdkafka: Callable[..., Any]) -> None:
    consumer = librdkafka(auto_offset_reset="earliest")
    consumer.subscribe([f"^{numbers}$"])
    assert take(lambda: values_of(consumer), 10) == [b"%d" % number for number in range(10)]


def python_values(consumer: Any) -> list[bytes]:
    return [record.value for records in consumer.poll(200, max_records=1).values() for record in records]


def test_kafka_python_knows_and_changes_its_position(
    bootstrap: str, numbers: str, new_group: Callable[[], str]
) -> None:
    consumer = KafkaConsumer(bootstrap_servers=bootstrap, group_id=new_group(), enable_auto_commit=False)
    here = PythonPartition(numbers, 0)
    try:
        consumer.assign([here])
        consumer.seek(here, 3)
        assert take(lambda: python_values(consumer), 2) == [b"3", b"4"]
        assert consumer.position(here) == 5
        assert (consumer.beginning_offsets([here]), consumer.end_offsets([here])) == ({here: 0}, {here: 10})
        consumer.commit()
        assert consumer.committed(here) == 5
        consumer.pause(here)
        assert python_values(consumer) == []
        consumer.resume(here)
        consumer.seek_to_beginning(here)
        assert take(lambda: python_values(consumer), 1) == [b"0"]
        consumer.seek_to_end(here)
        assert consumer.position(here) == 10
    finally:
        consumer.close(autocommit=False)


def test_kafka_python_goes_to_the_beginning_when_its_offset_is_gone(bootstrap: str, numbers: str) -> None:
    delete_before(bootstrap, numbers, 4)
    consumer = KafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest")
    try:
        consumer.assign([PythonPartition(numbers, 0)])
        consumer.seek(PythonPartition(numbers, 0), 1)
        assert take(lambda: python_values(consumer), 1) == [b"4"]
    finally:
        consumer.close()


def test_kafka_python_subscribes_to_a_pattern(bootstrap: str, numbers: str, new_group: Callable[[], str]) -> None:
    consumer = KafkaConsumer(
        bootstrap_servers=bootstrap, group_id=new_group(), auto_offset_reset="earliest", enable_auto_commit=False
    )
    try:
        consumer.subscribe(pattern=f"^{numbers}$")
        assert take(lambda: python_values(consumer), 10) == [b"%d" % number for number in range(10)]
    finally:
        consumer.close(autocommit=False)


async def aio_values(consumer: Any, count: int) -> list[bytes]:
    return [(await consumer.getone()).value for _ in range(count)]


@pytest.fixture
def loop() -> Iterator[LoopThread]:
    thread = LoopThread()
    yield thread
    thread.close()


def test_aiokafka_knows_and_changes_its_position(
    bootstrap: str, numbers: str, new_group: Callable[[], str], loop: LoopThread
) -> None:
    here = AioPartition(numbers, 0)

    async def script() -> None:
        consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, group_id=new_group(), enable_auto_commit=False)
        await consumer.start()
        try:
            consumer.assign([here])
            consumer.seek(here, 3)
            assert await aio_values(consumer, 2) == [b"3", b"4"]
            assert await consumer.position(here) == 5
            assert await consumer.beginning_offsets([here]) == {here: 0}
            assert await consumer.end_offsets([here]) == {here: 10}
            await consumer.commit()
            assert await consumer.committed(here) == 5
            consumer.pause(here)
            assert await consumer.getmany(here, timeout_ms=200) == {}
            consumer.resume(here)
            await consumer.seek_to_beginning(here)
            assert await aio_values(consumer, 1) == [b"0"]
        finally:
            await consumer.stop()

    loop.run(script())


@pytest.mark.parametrize("isolation", ["read_committed", "read_uncommitted"])
def test_aiokafka_goes_to_the_beginning_when_its_offset_is_gone(
    bootstrap: str, numbers: str, loop: LoopThread, isolation: str
) -> None:
    delete_before(bootstrap, numbers, 4)

    async def script() -> None:
        consumer = AIOKafkaConsumer(
            bootstrap_servers=bootstrap, auto_offset_reset="earliest", isolation_level=isolation
        )
        await consumer.start()
        try:
            consumer.assign([AioPartition(numbers, 0)])
            consumer.seek(AioPartition(numbers, 0), 1)
            assert await aio_values(consumer, 2) == [b"4", b"5"]
        finally:
            await consumer.stop()

    loop.run(script())


def test_aiokafka_subscribes_to_a_pattern(
    bootstrap: str, numbers: str, new_group: Callable[[], str], loop: LoopThread
) -> None:
    async def script() -> None:
        consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, group_id=new_group(), auto_offset_reset="earliest")
        consumer.subscribe(pattern=f"^{numbers}$")
        await consumer.start()
        try:
            assert await aio_values(consumer, 10) == [b"%d" % number for number in range(10)]
        finally:
            await consumer.stop()

    loop.run(script())
