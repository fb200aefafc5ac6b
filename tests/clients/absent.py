"""What a library does not have, so that a scenario cannot run through it. Each entry carries its proof.

A scenario asks for `libraries_with(feature)`. `test_absent.py` fails when a library has learnt what is said to be
absent here: then the entry goes and the scenario runs.
"""

import inspect
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass

import aiokafka.coordinator.assignors
from aiokafka import AIOKafkaProducer
from aiokafka.protocol.group import HeartbeatRequest_v0, HeartbeatRequest_v1
from kafka import KafkaProducer

LIBRARIES = ("confluent-kafka", "kafka-python", "aiokafka")


@dataclass(frozen=True, slots=True)
class Absent:
    """`still` says whether the library lacks the feature to this day."""

    library: str
    feature: str
    reason: str
    still: Callable[[], bool]


def parameters(made: type) -> set[str]:
    return set(inspect.signature(made).parameters)


def aiokafka_assignors() -> set[str]:
    return {module.name for module in pkgutil.walk_packages(aiokafka.coordinator.assignors.__path__)}


ABSENT = (
    Absent(
        "aiokafka",
        "cooperative assignor",
        "it has range, roundrobin and (eager) sticky",
        lambda: not any("cooperative" in name for name in aiokafka_assignors()),
    ),
    Absent(
        "aiokafka",
        "compression level",
        "the producer takes a codec without a level",
        lambda: not any("level" in name for name in parameters(AIOKafkaProducer)),
    ),
    Absent(
        "kafka-python",
        "compression level",
        "the producer takes a codec without a level",
        lambda: not any("level" in name for name in KafkaProducer.DEFAULT_CONFIG),
    ),
    Absent(
        "aiokafka",
        "record without key and value",
        "the producer wants one of them",
        lambda: "Need at least one" in inspect.getsource(AIOKafkaProducer.send),
    ),
    Absent(
        "kafka-python",
        "record without key and value",
        "the producer wants one of them",
        lambda: "Need at least one" in inspect.getsource(KafkaProducer.send),
    ),
    Absent(
        "kafka-python",
        "header without a value",
        "the producer wants bytes; the consumer reads it as none",
        lambda: "must be (str, bytes) tuples" in inspect.getsource(KafkaProducer.send),
    ),
    Absent(
        "aiokafka",
        "fencing",
        "its heartbeats do not say whose double they meet, so that two of one name take the place from each other",
        lambda: all("instance" not in repr(kind.SCHEMA.names) for kind in (HeartbeatRequest_v0, HeartbeatRequest_v1)),
    ),
)


def libraries_with(feature: str) -> list[str]:
    """Names for a scenario's `client` parameter."""
    lacking = {entry.library for entry in ABSENT if entry.feature == feature}
    assert lacking, f"nobody lacks {feature!r}: take the fixture as it is"
    return [library for library in LIBRARIES if library not in lacking]
