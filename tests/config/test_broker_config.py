"""What a broker's configuration accepts, and what it says about what it does not."""

from collections.abc import Mapping

import pytest

from odradek.config import BrokerConfig, ConfigError, Listener


def test_what_nobody_sets_has_its_default() -> None:
    config = BrokerConfig.parse({})

    assert config.get("log.segment.bytes") == 1 << 30
    assert config.get("auto.create.topics.enable") is True
    assert config.get("broker.rack") is None
    assert config.listeners == (Listener("PLAINTEXT", "127.0.0.1", 9092),)


def test_values_come_as_text_and_as_what_a_toml_parser_makes_of_them() -> None:
    as_text = BrokerConfig.parse({"num.partitions": "3", "delete.topic.enable": "false", "log.dirs": "/a, /b"})
    as_values = BrokerConfig.parse({"num.partitions": 3, "delete.topic.enable": False, "log.dirs": ["/a", "/b"]})

    for config in (as_text, as_values):
        assert config.get("num.partitions") == 3
        assert config.get("delete.topic.enable") is False
        assert config.get("log.dirs") == ("/a", "/b")


def test_the_old_name_of_the_node_id_is_understood() -> None:
    assert BrokerConfig.parse({"broker.id": 7}).get("node.id") == 7


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            {"log.segmnt.bytes": 5},
            'unknown configuration key "log.segmnt.bytes" (value 5); did you mean "log.segment.bytes"?',
        ),
        ({"zookeeper.connect": "z:1"}, 'unknown configuration key "zookeeper.connect" (value z:1)'),
        ({"num.partitions": "x"}, "Invalid value x for configuration num.partitions: Not a number of type INT"),
        ({"num.partitions": 0}, "Invalid value 0 for configuration num.partitions: Value must be at least 1"),
        ({"num.partitions": 1.5}, "Invalid value 1.5 for configuration num.partitions: Not a number of type INT"),
        ({"num.partitions": "1_000"}, "Invalid value 1_000 for configuration num.partitions: Not a number of type INT"),
        (
            {"log.segment.bytes": 1 << 31},
            "Invalid value 2147483648 for configuration log.segment.bytes: Not a number of type INT",
        ),
        (
            {"delete.topic.enable": "yes"},
            "Invalid value yes for configuration delete.topic.enable: Expected value to be either true or false",
        ),
        (
            {"log.cleanup.policy": "delete,shred"},
            "Invalid value shred for configuration log.cleanup.policy: String must be one of: compact, delete",
        ),
        (
            {"log.retention.ms": 0},
            "Invalid value 0 for configuration log.retention.ms: Value must be -1 (no limit) or at least 1",
        ),
        (
            {"queued.max.request.bytes": 1000},
            "Invalid value 1000 for configuration queued.max.request.bytes: "
            "Value must be at least socket.request.max.bytes (104857600)",
        ),
        (
            {"group.min.session.timeout.ms": 10, "group.max.session.timeout.ms": 9},
            "Invalid value 10 for configuration group.min.session.timeout.ms: "
            "Value must be no more than group.max.session.timeout.ms (9)",
        ),
    ],
)  # fmt: skip
def test_a_mistake_is_named_in_one_line(values: Mapping[str, object], message: str) -> None:
    with pytest.raises(ConfigError) as raised:
        BrokerConfig.parse(values)
    assert str(raised.value) == message


def test_a_value_for_one_broker_wins_over_one_for_all_and_that_over_the_file() -> None:
    started = BrokerConfig.parse({"max.connections": 10})
    for_all = started.with_dynamic({}, {"max.connections": "20"})
    for_one = started.with_dynamic({"max.connections": "30"}, {"max.connections": "20"})

    assert [config.get("max.connections") for config in (started, for_all, for_one)] == [10, 20, 30]
    assert for_one.with_dynamic({}).get("max.connections") == 10


def test_a_dynamic_value_is_checked_like_any_other() -> None:
    with pytest.raises(ConfigError, match=r"max\.connections"):
        BrokerConfig.parse({}).with_dynamic({"max.connections": "-1"})
