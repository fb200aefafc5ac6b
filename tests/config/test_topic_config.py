"""A topic's configuration: its own values over the broker's, in the units the log uses."""

from collections.abc import Mapping

import pytest

from odradek.config import BrokerConfig, ConfigError, TopicConfig
from odradek.config.topic_config import validate_topic_overrides

HOUR_MS = 3_600_000


def test_a_topic_has_the_brokers_values_and_its_own_over_them() -> None:
    broker = BrokerConfig.parse({"log.segment.bytes": 2 << 20, "log.index.interval.bytes": 100})
    config = TopicConfig.of(broker, {"segment.bytes": "1048576", "cleanup.policy": "compact,delete"})

    assert (config.segment_bytes, config.index_interval_bytes) == (1 << 20, 100)
    assert config.cleanup_policy == {"compact", "delete"}


@pytest.mark.parametrize(
    ("static", "retention_ms"),
    [
        ({}, 168 * HOUR_MS),
        ({"log.retention.hours": 2}, 2 * HOUR_MS),
        ({"log.retention.hours": 2, "log.retention.minutes": 5}, 300_000),
        ({"log.retention.hours": 2, "log.retention.minutes": 5, "log.retention.ms": 7}, 7),
        ({"log.retention.hours": -1}, -1),
    ],
)
def test_the_key_with_the_finest_unit_wins(static: Mapping[str, object], retention_ms: int) -> None:
    assert TopicConfig.of(BrokerConfig.parse(static), {}).retention_ms == retention_ms


@pytest.mark.parametrize(
    ("overrides", "expected"), [({}, False), ({"flush.messages": "1"}, True), ({"flush.ms": "9"}, True)]
)
def test_only_flushed_offsets_count_where_durability_is_asked_for(overrides: Mapping[str, str], expected: bool) -> None:
    assert TopicConfig.of(BrokerConfig.parse({}), overrides).counts_flushed_only is expected


def test_topics_with_equal_overrides_share_one_object() -> None:
    broker = BrokerConfig.parse({})
    one = TopicConfig.of(broker, {"retention.ms": "1", "segment.ms": "2"})
    other = TopicConfig.of(broker, {"segment.ms": "2", "retention.ms": "1"})
    assert one is other
    assert TopicConfig.of(broker, {"retention.ms": "1"}) is not one


def test_a_new_default_of_the_broker_reaches_the_topics() -> None:
    broker = BrokerConfig.parse({})
    changed = broker.with_dynamic({"log.retention.ms": "1000"})
    assert TopicConfig.of(broker, {}).retention_ms == 168 * HOUR_MS
    assert TopicConfig.of(changed, {}).retention_ms == 1000


def test_a_stored_value_nobody_can_read_any_more_gives_way_to_the_default() -> None:
    config = TopicConfig.of(BrokerConfig.parse({}), {"retention.ms": "soon", "of.a.later.version": "1"})
    assert config.retention_ms == 168 * HOUR_MS


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"nope": "1"}, "Unknown topic config name: nope"),
        ({"retention.ms": None}, "Null value not supported for topic configs: retention.ms"),
        ({"retention.ms": "-2"}, "Invalid value -2 for configuration retention.ms: Value must be at least -1"),
        (
            {"compression.gzip.level": "17"},
            "Invalid value 17 for configuration compression.gzip.level: Value must be between 1 and 9 or equal to -1",
        ),
        (
            {"follower.replication.throttled.replicas": "0:1,2"},
            "Invalid value 0:1,2 for configuration follower.replication.throttled.replicas: must be the literal '*' "
            "or a list of replicas in the following format: [partitionId]:[brokerId],[partitionId]:[brokerId],...",
        ),
        (
            {"min.compaction.lag.ms": "10", "max.compaction.lag.ms": "5"},
            "conflict topic config setting min.compaction.lag.ms (10) > max.compaction.lag.ms (5)",
        ),
    ],
)
def test_overrides_are_refused_in_the_words_kafka_uses(overrides: Mapping[str, str | None], message: str) -> None:
    with pytest.raises(ConfigError) as raised:
        validate_topic_overrides(BrokerConfig.parse({}), overrides)
    assert str(raised.value) == message


@pytest.mark.parametrize(
    "overrides",
    [
        {"cleanup.policy": ""},
        {"cleanup.policy": "compact,compact"},
        {"segment.bytes": " 2000000 "},
        {"unclean.leader.election.enable": "TRUE"},
        {"retention.bytes": "-5"},
        {"follower.replication.throttled.replicas": "*"},
        {"follower.replication.throttled.replicas": "0:1,12:3"},
        {"follower.replication.throttled.replicas": ""},
    ],
)
def test_what_kafka_lets_pass_passes(overrides: Mapping[str, str]) -> None:
    validate_topic_overrides(BrokerConfig.parse({}), overrides)
    TopicConfig.of(BrokerConfig.parse({}), overrides)
