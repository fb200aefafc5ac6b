"""The broker under test, the tools that are tried on it, and the table of what they did."""

import itertools
import os
from collections.abc import Callable, Iterator

import pytest
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]

from interop import table
from interop.kafka import Kafka
from interop.runner import ToolRunner
from interop.waiting import wait_until
from odradek.testing import BrokerProcess

SETTINGS = {
    "group.initial.rebalance.delay.ms": 0,
    "log.retention.check.interval.ms": 500,
    "auto.create.topics.enable": True,
}
NUMBERS = itertools.count(1)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--write-table", action="store_true", help="write docs/interop.md instead of comparing with it")


def pytest_configure(config: pytest.Config) -> None:
    for marker in (table.ANSWERS_AS_KAFKA, table.NOT_SUPPORTED):
        config.addinivalue_line("markers", f"{marker}(why): what docs/interop.md says of the test's tool and options")
    config.pluginmanager.register(table.TableCheck(config), "interop-table")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What is not supported here is there in the broker that INTEROP_BOOTSTRAP names."""
    if os.environ.get("INTEROP_BOOTSTRAP"):
        ours = [item for item in items if item.get_closest_marker(table.NOT_SUPPORTED)]
        items[:] = [item for item in items if item not in ours]
        config.hook.pytest_deselected(items=ours)


@pytest.fixture(scope="session")
def bootstrap() -> Iterator[str]:
    """A broker for every test that needs no files of it; INTEROP_BOOTSTRAP names one that runs already, such as a real
    Kafka, to see whether what the tests expect is what Kafka does."""
    given = os.environ.get("INTEROP_BOOTSTRAP")
    if given:
        yield given
        return
    with BrokerProcess(settings=SETTINGS) as broker:
        yield broker.bootstrap


@pytest.fixture(scope="session")
def tool_runner() -> Iterator[ToolRunner]:
    with ToolRunner() as runner:
        yield runner


@pytest.fixture
def tried(request: pytest.FixtureRequest) -> table.Tried:
    """Notes which tools and options a test used, for the table."""
    return table.Tried(request.node)


@pytest.fixture
def kafka(bootstrap: str, tool_runner: ToolRunner, tried: table.Tried) -> Kafka:
    return Kafka(bootstrap, tool_runner, tried)


@pytest.fixture
def new_topic(bootstrap: str) -> Callable[..., str]:
    """Makes a topic of its own for a test and returns its name."""

    def create(partitions: int = 1, *, at: str | None = None, **config: str) -> str:
        name = f"topic-{os.getpid()}-{next(NUMBERS)}"
        settings = {key.replace("_", "."): value for key, value in config.items()}
        topic = NewTopic(name, num_partitions=partitions, replication_factor=1, config=settings)
        admin = AdminClient({"bootstrap.servers": at or bootstrap})
        admin.create_topics([topic])[name].result(timeout=30)
        wait_until(lambda: name in admin.list_topics(timeout=30).topics, "the broker knows the topic it created")
        return name

    return create


@pytest.fixture
def new_name() -> Callable[[str], str]:
    """A name that nothing has yet, beginning as asked."""
    return lambda prefix: f"{prefix}-{os.getpid()}-{next(NUMBERS)}"
