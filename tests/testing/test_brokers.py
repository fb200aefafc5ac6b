"""Brokers for tests: they start, keep their address and data, and go away with everything they made."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from odradek.testing import BrokerFailedError, BrokerProcess, InProcessBroker

Kind = type[BrokerProcess] | type[InProcessBroker]


def store(bootstrap: str, value: str) -> None:
    producer = Producer({"bootstrap.servers": bootstrap, "log_level": 0})
    failures: list[Any] = []
    producer.produce("t", value, on_delivery=lambda error, _: failures.append(error) if error else None)
    assert producer.flush(30) == 0
    assert not failures


def stored(bootstrap: str, count: int) -> list[bytes | None]:
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "reader", "log_level": 0})
    consumer.assign([TopicPartition("t", 0, 0)])
    try:
        return [message.value() for message in consumer.consume(count, 30)]
    finally:
        consumer.close()


@pytest.fixture(params=[BrokerProcess, InProcessBroker])
def kind(request: pytest.FixtureRequest) -> Kind:
    chosen: Kind = request.param
    return chosen


def test_a_client_is_served_at_once(kind: Kind) -> None:
    with kind() as broker:
        store(broker.bootstrap, "hello")
        assert stored(broker.bootstrap, 1) == [b"hello"]


def test_after_a_restart_address_and_data_are_the_same(kind: Kind) -> None:
    with kind() as broker:
        before = broker.bootstrap
        store(before, "kept")
        broker.restart()
        assert broker.bootstrap == before
        assert stored(before, 1) == [b"kept"]


def test_temporary_data_goes_away_with_the_broker(kind: Kind) -> None:
    with kind() as broker:
        assert broker.data_dir.exists()
    assert not broker.data_dir.exists()
    assert not broker.is_running


def test_kept_data_is_there_for_the_next_broker(kind: Kind, tmp_path: Path) -> None:
    with kind(data_dir=tmp_path / "data") as broker:
        store(broker.bootstrap, "kept")
    with kind(data_dir=tmp_path / "data") as broker:
        assert stored(broker.bootstrap, 1) == [b"kept"]


def test_settings_reach_the_broker(kind: Kind) -> None:
    with kind(settings={"num.partitions": 3, "auto.create.topics.enable": True}) as broker:
        store(broker.bootstrap, "x")
        metadata = Producer({"bootstrap.servers": broker.bootstrap}).list_topics("t", timeout=30)
        assert len(metadata.topics["t"].partitions) == 3


def test_a_broker_that_cannot_start_says_why(kind: Kind) -> None:
    with pytest.raises(BrokerFailedError, match=r"no\.such\.key"), kind(settings={"no.such.key": 1}):
        pass


def test_both_kinds_serve_async_with() -> None:
    async def main() -> tuple[bool, bool]:
        async with BrokerProcess() as one, InProcessBroker() as other:
            assert one.bootstrap != other.bootstrap
            return one.is_running, other.is_running

    assert asyncio.run(main()) == (True, True)


def test_what_was_acknowledged_survives_a_kill() -> None:
    with BrokerProcess() as broker:
        store(broker.bootstrap, "kept")
        broker.kill()
        assert not broker.is_running
        broker.start()
        assert stored(broker.bootstrap, 1) == [b"kept"]


def test_the_end_of_the_log_is_shown_when_the_test_fails(capsys: pytest.CaptureFixture[str]) -> None:
    def failing_test() -> None:
        with BrokerProcess():
            raise ValueError("the test failed")

    with pytest.raises(ValueError, match="the test failed"):
        failing_test()
    assert "log of the broker at 127.0.0.1:" in capsys.readouterr().err


def test_starting_twice_is_a_mistake(kind: Kind) -> None:
    with kind() as broker:
        with pytest.raises(BrokerFailedError, match="running already"):
            broker.start()
        store(broker.bootstrap, "still served")


def test_the_factory_starts_brokers_of_its_own(
    odradek_broker: BrokerProcess, odradek_broker_factory: Callable[..., BrokerProcess]
) -> None:
    assert odradek_broker_factory().bootstrap != odradek_broker.bootstrap


def test_an_address_before_the_first_start_is_a_mistake(kind: Kind) -> None:
    broker = kind()
    with pytest.raises(BrokerFailedError, match="never started"):
        print(broker.bootstrap)
    broker.close()


def test_a_closed_broker_does_not_start_again(kind: Kind) -> None:
    with kind() as broker:
        pass
    with pytest.raises(BrokerFailedError, match="closed"):
        broker.start()
