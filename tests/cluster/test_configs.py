"""Configuration is changed as Kafka does it, by the same rules and in the same words."""

import pytest
from kio.schema.errors import ErrorCode

from odradek.cluster.cluster import Cluster
from odradek.cluster.results import ConfigChange, ConfigOp, NewTopic
from odradek.metastore.memory import MemoryServer
from tests.cluster.clusters import play, start, until

SET, DELETE, APPEND, SUBTRACT = ConfigOp.SET, ConfigOp.DELETE, ConfigOp.APPEND, ConfigOp.SUBTRACT


async def cluster_with_topic() -> Cluster:
    cluster = await start(MemoryServer())
    await cluster.create_topics([NewTopic("a", 2, 1, configs={"retention.ms": "5"})])
    return cluster


def test_overrides_are_set_and_deleted() -> None:
    async def scenario() -> None:
        cluster = await cluster_with_topic()
        changes = [ConfigChange("segment.ms", SET, "60000"), ConfigChange("retention.ms", DELETE)]
        assert (await cluster.alter_configs("topic", "a", changes)).error is ErrorCode.none
        assert cluster.image.topics["a"].configs == {"segment.ms": "60000"}
        await cluster.stop()

    play(scenario)


def test_lists_are_appended_to_and_subtracted_from() -> None:
    async def scenario() -> None:
        cluster = await cluster_with_topic()
        await cluster.alter_configs("topic", "a", [ConfigChange("cleanup.policy", APPEND, "compact,delete")])
        assert cluster.image.topics["a"].configs["cleanup.policy"] == "delete,compact"
        await cluster.alter_configs("topic", "a", [ConfigChange("cleanup.policy", SUBTRACT, "delete")])
        assert cluster.image.topics["a"].configs["cleanup.policy"] == "compact"
        await cluster.stop()

    play(scenario)


def test_replacing_leaves_only_what_is_given() -> None:
    async def scenario() -> None:
        cluster = await cluster_with_topic()
        assert (await cluster.replace_configs("topic", "a", {"segment.ms": "60000"})).error is ErrorCode.none
        assert cluster.image.topics["a"].configs == {"segment.ms": "60000"}
        await cluster.replace_configs("topic", "a", {})
        assert cluster.image.topics["a"].configs == {}
        await cluster.stop()

    play(scenario)


def test_validate_only_and_unchanged_values_write_nothing() -> None:
    async def scenario() -> None:
        cluster = await cluster_with_topic()
        revision = cluster.image.revision
        await cluster.alter_configs("topic", "a", [ConfigChange("segment.ms", SET, "60000")], validate_only=True)
        await cluster.alter_configs("topic", "a", [ConfigChange("retention.ms", SET, "5")])
        assert cluster.image.revision == revision
        await cluster.stop()

    play(scenario)


REFUSED = [
    ("topic", "none", "retention.ms", SET, "5", "unknown_topic_or_partition", "The topic 'none' does not exist."),
    ("topic", "", "retention.ms", SET, "5", "invalid_request", "Default topic resources are not allowed."),
    ("topic", "a", "no.such", SET, "5", "invalid_config", "Unknown topic config name: no.such"),
    (
        "topic", "a", "retention.ms", SET, "x", "invalid_config",
        "Invalid value x for configuration retention.ms: Not a number of type LONG",
    ),
    (
        "topic", "a", "retention.ms", APPEND, "5", "invalid_config",
        "Can't APPEND to key retention.ms because its type is not LIST.",
    ),
    ("topic", "a", "retention.ms", SET, None, "invalid_request", "Null value not supported for : retention.ms"),
    ("broker", "x", "log.retention.ms", SET, "5", "invalid_request", "Node id must be an integer, but it is: x"),
    ("broker", "7", "log.retention.ms", SET, "5", "broker_id_not_registered", "No broker with id 7 found."),
    (
        "broker", "0", "log.dirs", SET, "/x", "invalid_request",
        "Cannot update these configs dynamically: [log.dirs]",
    ),
    ("group", "", "x", SET, "5", "invalid_request", "Default group resources are not allowed."),
    ("group", "g", "no.such", SET, "5", "invalid_config", "Unknown group config name: no.such"),
    ("client_metrics", "m", "x", SET, "5", "invalid_request", "Unknown resource type client_metrics"),
]  # fmt: skip


@pytest.mark.parametrize(("resource_type", "name", "key", "op", "value", "error", "message"), REFUSED)
def test_what_is_refused_is_refused_in_the_words_of_kafka(
    resource_type: str, name: str, key: str, op: ConfigOp, value: str | None, error: str, message: str
) -> None:
    async def scenario() -> None:
        cluster = await cluster_with_topic()
        revision = cluster.image.revision
        result = await cluster.alter_configs(resource_type, name, [ConfigChange(key, op, value)])
        assert (result.error.name, result.message) == (error, message)
        assert cluster.image.revision == revision
        await cluster.stop()

    play(scenario)


def test_brokers_to_be_drained_are_set_for_the_whole_cluster_alone() -> None:
    async def scenario() -> None:
        cluster = await cluster_with_topic()
        key = "odradek.draining.brokers"
        one = await cluster.alter_configs("broker", "0", [ConfigChange(key, SET, "0")])
        assert one.message == f"Cannot update these configs for one broker, only at default cluster level: [{key}]"
        bad = await cluster.alter_configs("broker", "", [ConfigChange(key, SET, "0,x")])
        assert bad.message == f"Invalid value x for configuration {key}: must be a broker id, a number from 0 on"
        assert (await cluster.alter_configs("broker", "", [ConfigChange(key, APPEND, "3")])).error is ErrorCode.none
        assert (await cluster.alter_configs("broker", "", [ConfigChange(key, APPEND, "1")])).error is ErrorCode.none
        assert cluster.image.draining_brokers() == {1, 3}
        await cluster.stop()

    play(scenario)


def test_a_key_given_twice_is_refused() -> None:
    async def scenario() -> None:
        cluster = await cluster_with_topic()
        changes = [ConfigChange("retention.ms", SET, "5"), ConfigChange("retention.ms", DELETE)]
        result = await cluster.alter_configs("topic", "a", changes)
        assert (result.error, result.message) == (ErrorCode.invalid_request, "Error due to duplicate config keys")
        await cluster.stop()

    play(scenario)


def test_broker_configuration_takes_effect_and_one_brokers_own_wins() -> None:
    async def scenario() -> None:
        cluster = await cluster_with_topic()
        await cluster.alter_configs("broker", "", [ConfigChange("log.retention.ms", SET, "11")])
        assert cluster.config.get("log.retention.ms") == 11
        await cluster.alter_configs("broker", "0", [ConfigChange("log.retention.ms", SET, "12")])
        assert cluster.config.get("log.retention.ms") == 12
        await cluster.alter_configs("broker", "0", [ConfigChange("log.retention.ms", DELETE)])
        assert cluster.config.get("log.retention.ms") == 11
        await cluster.stop()

    play(scenario)


def test_a_change_of_min_isr_reaches_every_partition() -> None:
    async def scenario() -> None:
        cluster = await cluster_with_topic()
        await cluster.alter_configs("topic", "a", [ConfigChange("min.insync.replicas", SET, "2")])
        image = await until(cluster, lambda image: all(p.min_isr == 2 for p in image.topics["a"].partitions))
        assert [part.leader_epoch for part in image.topics["a"].partitions] == [0, 0]
        await cluster.stop()

    play(scenario)
