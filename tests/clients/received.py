"""Records as each library hands them out, in the scenarios' words."""

from typing import Any

from tests.clients.vocabulary import Received


def from_librdkafka(message: Any) -> Received:
    headers = tuple((str(name), value) for name, value in message.headers() or ())
    timestamp_ms = message.timestamp()[1]
    return Received(message.partition(), message.offset(), timestamp_ms, message.key(), message.value(), headers)


def from_python(record: Any) -> Received:
    """kafka-python's and aiokafka's ConsumerRecord."""
    headers = tuple(record.headers or ())
    return Received(record.partition, record.offset, record.timestamp, record.key, record.value, headers)
