"""One broker process for all scenarios of this directory, and the clients that talk to it."""

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]

from odradek.testing import BrokerProcess
from tests.clients.absent import LIBRARIES
from tests.clients.aio import Aiokafka
from tests.clients.kafkapython import KafkaPython
from tests.clients.librdkafka import Librdkafka
from tests.clients.loop_thread import LoopThread
from tests.clients.vocabulary import Client

SETTINGS = {"group.initial.rebalance.delay.ms": "200", "group.min.session.timeout.ms": "1000"}
NUMBERS = itertools.count()


@pytest.fixture(scope="session")
def bootstrap() -> Iterator[str]:
    with BrokerProcess(settings=SETTINGS) as broker:
        yield broker.bootstrap


@contextmanager
def all_clients(bootstrap: str) -> Iterator[dict[str, Client]]:
    """By name."""
    loop = LoopThread()
    found: list[Client] = [Librdkafka(bootstrap), KafkaPython(bootstrap), Aiokafka(bootstrap, loop)]
    try:
        yield {client.name: client for client in found}
    finally:
        loop.close()


@pytest.fixture(scope="session")
def clients(bootstrap: str) -> Iterator[dict[str, Client]]:
    with all_clients(bootstrap) as found:
        yield found


@pytest.fixture(params=LIBRARIES)
def client(request: pytest.FixtureRequest, clients: dict[str, Client]) -> Client:
    return clients[request.param]


@pytest.fixture
def new_topic(bootstrap: str) -> Callable[..., str]:
    """Makes a topic of its own for a test and returns its name."""
    admin = AdminClient({"bootstrap.servers": bootstrap})

    def create(partitions: int = 1, **config: str) -> str:
        name = f"topic-{next(NUMBERS)}"
        settings = {key.replace("_", "."): value for key, value in config.items()}
        topic = NewTopic(name, num_partitions=partitions, replication_factor=1, config=settings)
        futures = admin.create_topics([topic])
        futures[name].result(timeout=30)
        return name

    return create


@pytest.fixture
def new_group() -> Callable[[], str]:
    return lambda: f"group-{next(NUMBERS)}"


@pytest.fixture
def new_name() -> Callable[[], str]:
    """A name that no topic has."""
    return lambda: f"named-{next(NUMBERS)}"
