"""Where a described value comes from, and what else could have given it."""

import pytest

from odradek.config import BrokerConfig
from odradek.config.describe import (
    Described,
    Source,
    describe_broker,
    describe_cluster_default,
    describe_topic,
)

STATIC = BrokerConfig.parse({"log.retention.hours": 2, "message.max.bytes": 5000})
DYNAMIC = STATIC.with_dynamic({"log.retention.ms": "2000"}, {"log.retention.ms": "1000", "log.roll.ms": "99"})


def one(described: list[Described], name: str) -> Described:
    return next(each for each in described if each.option.name == name)


def synonyms(described: Described) -> list[tuple[str, str | None, Source]]:
    return [(each.name, each.value, each.source) for each in described.synonyms]


def test_a_topics_own_value_comes_before_those_of_the_broker_level_by_level() -> None:
    described = one(describe_topic(DYNAMIC, {"retention.ms": "55"}), "retention.ms")

    assert (described.value, described.source) == ("55", Source.TOPIC)
    assert synonyms(described) == [
        ("retention.ms", "55", Source.TOPIC),
        ("log.retention.ms", "2000", Source.DYNAMIC_BROKER),
        ("log.retention.ms", "1000", Source.DYNAMIC_DEFAULT_BROKER),
        ("log.retention.hours", "2", Source.STATIC_BROKER),
        ("log.retention.hours", "168", Source.DEFAULT),
    ]


def test_a_value_from_a_weaker_key_is_told_without_synonyms_as_kafka_does() -> None:
    described = one(describe_topic(STATIC, {}), "retention.ms")
    assert (described.value, described.source, synonyms(described)) == ("7200000", Source.DEFAULT, [])


def test_a_topic_shows_what_the_broker_was_started_with() -> None:
    described = one(describe_topic(STATIC, {}), "max.message.bytes")
    assert (described.value, described.source) == ("5000", Source.STATIC_BROKER)


@pytest.mark.parametrize(
    ("name", "value", "source", "read_only"),
    [
        ("log.retention.ms", "2000", Source.DYNAMIC_BROKER, False),
        ("log.roll.ms", "99", Source.DYNAMIC_DEFAULT_BROKER, False),
        ("log.retention.hours", "2", Source.STATIC_BROKER, True),
        ("num.partitions", "1", Source.DEFAULT, True),
        ("broker.rack", None, Source.DEFAULT, True),
    ],
)
def test_a_brokers_value_has_its_level(name: str, value: str | None, source: Source, read_only: bool) -> None:
    described = one(describe_broker(DYNAMIC), name)
    assert (described.value, described.source, described.read_only) == (value, source, read_only)


def test_the_default_of_all_brokers_is_only_what_was_set_for_all() -> None:
    described = describe_cluster_default(DYNAMIC)
    assert [(each.option.name, each.value) for each in described] == [
        ("log.retention.ms", "1000"),
        ("log.roll.ms", "99"),
    ]
    assert synonyms(described[0]) == [("log.retention.ms", "1000", Source.DYNAMIC_DEFAULT_BROKER)]
