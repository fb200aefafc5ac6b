"""Short requests by a real client, with the broker's own answer instead of a retry."""

from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]

TIMEOUT_S = 30


def produce(bootstrap: str, topic: str, value: bytes, partition: int = 0) -> Any:
    """One record, once: None when it was acknowledged, else the broker's KafkaError."""
    outcome: list[Any] = []
    producer = Producer(
        {"bootstrap.servers": bootstrap, "acks": "all", "retries": 0, "linger.ms": 0, "message.timeout.ms": 10_000}
    )
    producer.produce(topic, value, partition=partition, on_delivery=lambda error, _: outcome.append(error))
    assert producer.flush(TIMEOUT_S) == 0
    return outcome[0]


def produce_until_refused(bootstrap: str, topic: str, size: int = 20_000, records_max: int = 10_000) -> tuple[int, Any]:
    """How many records were acknowledged before the first refusal, and the refusal."""
    outcome: list[Any] = []
    producer = Producer(
        {"bootstrap.servers": bootstrap, "acks": "all", "retries": 0, "linger.ms": 0, "message.timeout.ms": 10_000}
    )
    for number in range(records_max):
        value = f"{topic}:{number}:".encode().ljust(size, b".")
        producer.produce(topic, value, partition=0, on_delivery=lambda error, _: outcome.append(error))
        assert producer.flush(TIMEOUT_S) == 0
        if (error := outcome.pop()) is not None:
            return number, error
    raise AssertionError(f"{records_max} records were taken")


def create(bootstrap: str, topic: str, partitions: int = 1, **config: str) -> KafkaError | None:
    """None when the topic was made, else the broker's error."""
    settings = {key.replace("_", "."): value for key, value in config.items()}
    wanted = NewTopic(topic, num_partitions=partitions, replication_factor=1, config=settings)
    admin = AdminClient({"bootstrap.servers": bootstrap})
    return _error_of(lambda: admin.create_topics([wanted])[topic].result(timeout=TIMEOUT_S))


def topics(bootstrap: str) -> set[str]:
    return set(AdminClient({"bootstrap.servers": bootstrap}).list_topics(timeout=TIMEOUT_S).topics)


def commit(bootstrap: str, group: str, topic: str, offset: int) -> KafkaError | None:
    """None when the offset was committed, else the broker's error."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": group, "enable.auto.commit": False})
    wanted = [TopicPartition(topic, 0, offset)]
    try:
        error = _error_of(lambda: consumer.commit(offsets=wanted, asynchronous=False))
    finally:
        consumer.close()
    return error


def committed(bootstrap: str, group: str, topic: str) -> int:
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": group})
    try:
        return int(consumer.committed([TopicPartition(topic, 0)], timeout=TIMEOUT_S)[0].offset)
    finally:
        consumer.close()


def _error_of(call: Any) -> KafkaError | None:
    try:
        call()
    except KafkaException as error:
        found: KafkaError = error.args[0]
        return found
    return None
