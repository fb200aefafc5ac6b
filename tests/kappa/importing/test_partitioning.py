"""Records go where Kafka's default partitioner sends them."""

import pytest
from confluent_kafka import Producer

from odradek.kappa.importing.partitioning import murmur2, partition_of
from odradek.testing import BrokerProcess
from tests.kappa.support.topics import Settings, make

# What Kafka's own clients give for these, as signed numbers.
KNOWN = [
    (b"21", -973932308),
    (b"foobar", -790332482),
    (b"a-little-bit-long-string", -985981536),
    (b"a-little-bit-longer-string", -1486304829),
    (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
    (b"abc", 479470107),
]


@pytest.mark.parametrize(("key", "expected"), KNOWN)
def test_the_hash_is_that_of_kafkas_clients(key: bytes, expected: int) -> None:
    assert murmur2(key) == expected & 0xFFFFFFFF


def test_records_without_a_key_take_turns() -> None:
    assert [partition_of(None, sequence, 3) for sequence in range(6)] == [0, 1, 2, 0, 1, 2]


@pytest.mark.real_broker
def test_another_client_with_the_same_partitioner_agrees(odradek_broker: BrokerProcess) -> None:
    settings: Settings = {"bootstrap.servers": odradek_broker.bootstrap}
    make(settings, "partitioned", 7)
    placed: dict[bytes, int] = {}

    def note(error: object, message: object) -> None:
        assert error is None
        placed[message.key()] = message.partition()  # type: ignore[attr-defined]

    producer = Producer({**settings, "partitioner": "murmur2"})
    keys = [bytes(range(length)) for length in range(1, 40)]
    for key in keys:
        producer.produce("partitioned", b"", key, on_delivery=note)
    assert producer.flush(30) == 0
    assert placed == {key: partition_of(key, 0, 7) for key in keys}
