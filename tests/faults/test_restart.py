"""A restart, clean or not, keeps everything a client has been told."""

from collections.abc import Callable

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourceType,
)

from odradek.testing import BrokerProcess
from tests.faults.clients import TIMEOUT_S, commit, committed, create, topics
from tests.faults.reading import values

Restart = Callable[[BrokerProcess], None]


def cleanly(broker: BrokerProcess) -> None:
    broker.restart()


def by_kill(broker: BrokerProcess) -> None:
    broker.kill()
    broker.start()


@pytest.fixture(params=[cleanly, by_kill])
def restart(request: pytest.FixtureRequest) -> Restart:
    chosen: Restart = request.param
    return chosen


def config_of(broker: BrokerProcess, topic: str) -> dict[str, str | None]:
    resource = ConfigResource(ResourceType.TOPIC, topic)
    admin = AdminClient({"bootstrap.servers": broker.bootstrap})
    entries = admin.describe_configs([resource])[resource].result(timeout=TIMEOUT_S)
    return {name: entry.value for name, entry in entries.items()}


def set_config(broker: BrokerProcess, topic: str, name: str, value: str) -> None:
    entry = ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry])
    admin = AdminClient({"bootstrap.servers": broker.bootstrap})
    admin.incremental_alter_configs([resource])[resource].result(timeout=TIMEOUT_S)


def test_topics_configs_groups_and_offsets_are_kept(restart: Restart) -> None:
    with BrokerProcess() as broker:
        bootstrap = broker.bootstrap
        for number in range(20):
            assert create(bootstrap, f"t-{number}", partitions=3, retention_ms=str(10_000_000 + number)) is None
        set_config(broker, "t-7", "max.message.bytes", "54321")
        deleting = AdminClient({"bootstrap.servers": bootstrap})
        deleting.delete_topics(["t-3"])["t-3"].result(timeout=TIMEOUT_S)
        for number in range(10):
            assert commit(bootstrap, f"group-{number}", "t-1", number) is None
        before = topics(bootstrap)
        restart(broker)
        assert topics(bootstrap) == before
        assert "t-3" not in before
        assert config_of(broker, "t-7")["max.message.bytes"] == "54321"
        assert config_of(broker, "t-9")["retention.ms"] == "10000009"
        assert [committed(bootstrap, f"group-{number}", "t-1") for number in range(10)] == list(range(10))


def test_an_idempotent_producer_goes_on_over_restarts(restart: Restart) -> None:
    with BrokerProcess() as broker:
        assert create(broker.bootstrap, "t") is None
        producer = Producer(
            {"bootstrap.servers": broker.bootstrap, "enable.idempotence": True, "reconnect.backoff.max.ms": 200}
        )
        failures: list[object] = []
        for life in range(3):
            for number in range(200):
                value = f"{life}:{number}"
                producer.produce("t", value, on_delivery=lambda error, _: failures.append(error) if error else None)
                producer.poll(0)
            if life == 1:
                assert producer.flush(TIMEOUT_S) == 0
            restart(broker)
        assert producer.flush(TIMEOUT_S) == 0
        assert failures == []
        assert values(broker.bootstrap, "t") == [f"{life}:{number}" for life in range(3) for number in range(200)]
