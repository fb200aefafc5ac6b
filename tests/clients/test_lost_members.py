"""Members that fall silent, stop polling or meet their double."""

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import confluent_kafka
from kafka import KafkaConsumer

from tests.clients.test_groups import PARTITIONS, closing, poll_until
from tests.clients.vocabulary import Client, Membership

DEADLINE_S = 30
POLLS_MAX = 300


@contextmanager
def frozen_member(library: str, bootstrap: str, group: str, topic: str) -> Iterator[None]:
    """A process that owned every partition and was stopped in the middle of its life."""
    arguments = [library, bootstrap, group, topic, str(PARTITIONS)]
    command = [sys.executable, "-m", "tests.clients.frozen_member", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"owns everything\n"
            process.send_signal(signal.SIGSTOP)
            yield
        finally:
            process.kill()


def test_a_silent_member_loses_its_partitions(
    bootstrap: str, client: Client, new_topic: Callable[..., str], new_group: Callable[[], str]
) -> None:
    topic, group = new_topic(PARTITIONS), new_group()
    with frozen_member(client.name, bootstrap, group, topic):
        heir = client.join(Membership(group, (topic,)))
        with closing(heir):
            poll_until([heir], lambda _: heir.assignment() == set(range(PARTITIONS)))


def error_of(consumer: Any) -> Any:
    """The first error that polling brings."""
    for _ in range(POLLS_MAX):
        message = consumer.poll(0.1)
        if message is not None and message.error() is not None:
            return message.error()
    raise AssertionError("no error came")


def librdkafka(bootstrap: str, group: str, topic: str, **more: str | int) -> Any:
    """A consumer that owns the topic."""
    settings = {key.replace("_", "."): value for key, value in more.items()}
    consumer = confluent_kafka.Consumer(
        {"bootstrap.servers": bootstrap, "group.id": group, "heartbeat.interval.ms": 300, **settings}
    )
    consumer.subscribe([topic])
    for _ in range(POLLS_MAX):
        if consumer.assignment():
            return consumer
        consumer.poll(0.1)
    raise AssertionError("nothing was assigned")


def test_a_static_member_that_meets_its_double_is_fenced(
    bootstrap: str, new_topic: Callable[..., str], new_group: Callable[[], str]
) -> None:
    topic, group = new_topic(), new_group()
    first = librdkafka(bootstrap, group, topic, group_instance_id="one")
    second = librdkafka(bootstrap, group, topic, group_instance_id="one")
    try:
        error = error_of(first)
        assert error.code() in (confluent_kafka.KafkaError._FATAL, confluent_kafka.KafkaError.FENCED_INSTANCE_ID)
        assert "fenced" in error.str().lower()
        assert len(second.assignment()) == 1
    finally:
        first.close()
        second.close()


def test_a_member_that_stops_polling_leaves(
    bootstrap: str, clients: dict[str, Client], new_topic: Callable[..., str], new_group: Callable[[], str]
) -> None:
    topic, group = new_topic(PARTITIONS), new_group()
    lazy = librdkafka(
        bootstrap, group, topic, max_poll_interval_ms=2000, session_timeout_ms=2000, auto_offset_reset="earliest"
    )
    heir = clients["kafka-python"].join(Membership(group, (topic,), "range"))
    try:
        with closing(heir):
            poll_until([heir], lambda _: heir.assignment() == set(range(PARTITIONS)))
        assert error_of(lazy).code() == confluent_kafka.KafkaError._MAX_POLL_EXCEEDED
    finally:
        lazy.close()


def test_a_kafka_python_member_that_stops_polling_leaves(
    bootstrap: str, clients: dict[str, Client], new_topic: Callable[..., str], new_group: Callable[[], str]
) -> None:
    topic, group = new_topic(PARTITIONS), new_group()
    lazy = KafkaConsumer(
        topic, bootstrap_servers=bootstrap, group_id=group, max_poll_interval_ms=2000, session_timeout_ms=2000,
        heartbeat_interval_ms=300, enable_auto_commit=False,
    )  # fmt: skip
    while not lazy.assignment():
        lazy.poll(100)
    heir = clients["confluent-kafka"].join(Membership(group, (topic,)))
    try:
        with closing(heir):
            poll_until([heir], lambda _: heir.assignment() == set(range(PARTITIONS)))
    finally:
        lazy.close(autocommit=False)
