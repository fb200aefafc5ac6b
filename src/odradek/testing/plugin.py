"""The pytest plugin: fixtures that give a test a broker of its own.

Installed with the package, so it is loaded in every pytest run of the environment: nothing is imported here that a
test without a broker would pay for.

Fixtures:
    odradek_broker: One broker process for the whole session (session scope), with temporary data.
    odradek_topic: The name of a new topic with one partition, one for each test (function scope).
    odradek_broker_factory: `factory(**arguments of BrokerProcess)` starts more brokers for one test; each is
        stopped when the test ends.
    odradek_cluster: Three brokers that are one cluster, for the whole session (session scope), with temporary data.
    odradek_cluster_factory: `factory(**arguments of ClusterProcess)` starts more clusters for one test, which may then
        kill their brokers.

`odradek_settings` (session scope) returns the settings of all these brokers; override it in a conftest.py to change
them. The factory's own `settings` come on top.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from odradek.testing.cluster import ClusterProcess
    from odradek.testing.process import BrokerProcess


@pytest.fixture(scope="session")
def odradek_settings() -> dict[str, str | int | bool]:
    """Kafka configuration of the fixtures' brokers. A test's group should not wait 3 s for more members."""
    return {"group.initial.rebalance.delay.ms": "0"}


@pytest.fixture(scope="session")
def odradek_broker(odradek_settings: dict[str, str | int | bool]) -> Iterator[BrokerProcess]:
    """A broker process shared by the whole session."""
    from odradek.testing.process import BrokerProcess

    with BrokerProcess(settings=odradek_settings) as broker:
        yield broker


@pytest.fixture
def odradek_topic(odradek_broker: BrokerProcess, request: pytest.FixtureRequest) -> str:
    """The name of a new, empty topic with one partition, told after the test that uses it."""
    from odradek.testing.topics import create_topic, unique_name

    return create_topic(odradek_broker.bootstrap, unique_name(request.node.name))


@pytest.fixture
def odradek_broker_factory(odradek_settings: dict[str, str | int | bool]) -> Iterator[Callable[..., BrokerProcess]]:
    """Starts brokers that live until the end of the test."""
    from contextlib import ExitStack

    from odradek.testing.process import BrokerProcess

    with ExitStack() as stack:

        def start(*, settings: Mapping[str, str | int | bool] | None = None, **arguments: Any) -> BrokerProcess:
            return stack.enter_context(BrokerProcess(settings={**odradek_settings, **(settings or {})}, **arguments))

        yield start


@pytest.fixture(scope="session")
def odradek_cluster(odradek_settings: dict[str, str | int | bool]) -> Iterator[ClusterProcess]:
    """Three brokers that are one cluster, shared by the whole session."""
    from odradek.testing.cluster import ClusterProcess

    with ClusterProcess(settings=odradek_settings) as cluster:
        yield cluster


@pytest.fixture
def odradek_cluster_factory(odradek_settings: dict[str, str | int | bool]) -> Iterator[Callable[..., ClusterProcess]]:
    """Starts clusters that live until the end of the test."""
    from contextlib import ExitStack

    from odradek.testing.cluster import ClusterProcess

    with ExitStack() as stack:

        def start(*, settings: Mapping[str, str | int | bool] | None = None, **arguments: Any) -> ClusterProcess:
            return stack.enter_context(ClusterProcess(settings={**odradek_settings, **(settings or {})}, **arguments))

        yield start
