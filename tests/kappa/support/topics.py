"""Topics of a real broker, made and filled."""

from collections.abc import Iterable
from typing import Any

from confluent_kafka import Producer, TopicPartition
from confluent_kafka import admin as _admin

admin: Any = _admin
Settings = dict[str, str | int | float | bool]


def make(settings: Settings, topic: str, partitions: int = 1, **config: str) -> None:
    """A new topic."""
    client = admin.AdminClient(settings)  # Kept: collected, it would take what was asked with it.
    for made in client.create_topics([admin.NewTopic(topic, partitions, config=config)]).values():
        made.result()


def fill(settings: Settings, topic: str, records: Iterable[tuple[str | None, str | bytes | None, int]]) -> None:
    """Of key, value and partition."""
    producer = Producer(settings)
    for number, (key, value, partition) in enumerate(records):
        producer.produce(topic, value, key, partition, timestamp=1000 + number, headers=[("h", b"x")])
    assert producer.flush(30) == 0


def delete_topic(settings: Settings, topic: str) -> None:
    client = admin.AdminClient(settings)
    for deleted in client.delete_topics([topic]).values():
        deleted.result()


def delete_before(settings: Settings, topic: str, offsets: dict[int, int]) -> None:
    """The log begins there from now on."""
    parts = [TopicPartition(topic, partition, offset) for partition, offset in offsets.items()]
    client = admin.AdminClient(settings)
    for deleted in client.delete_records(parts).values():
        deleted.result()
