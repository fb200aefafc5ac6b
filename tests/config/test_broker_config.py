"""What a broker's configuration accepts, and what it says about what it does not."""

import re
from collections.abc import Mapping

import pytest

from odradek.config import BrokerConfig, ConfigError, Listener
from odradek.config.broker import BROKER_OPTIONS
from odradek.config.values import Type


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
        (
            {"zookeeper.connect": "z:1"},
            'unknown configuration key "zookeeper.connect" (value z:1); docs/configuration.md lists all keys',
        ),
        (
            {"segment.ms": 5},
            'unknown configuration key "segment.ms" (value 5); topics have it, and "log.roll.ms" is their default',
        ),
        ({"num.partitions": "x"}, 'num.partitions cannot be "x": allowed is a whole number from 1 to 2147483647'),
        ({"num.partitions": 0}, 'num.partitions cannot be "0": allowed is a whole number from 1 to 2147483647'),
        ({"broker.id": "x"}, 'node.id cannot be "x": allowed is a whole number from 0 to 2147483647'),
        ({"delete.topic.enable": "yes"}, 'delete.topic.enable cannot be "yes": allowed is true or false'),
        (
            {"log.cleaner.min.cleanable.ratio": 2},
            'log.cleaner.min.cleanable.ratio cannot be "2": allowed is a number, 0 to 1',
        ),
        ({"log.dirs": ""}, 'log.dirs cannot be "": allowed is a list separated by commas, not empty'),
        (
            {"log.cleanup.policy": "delete,shred"},
            'log.cleanup.policy cannot be "delete,shred": allowed is a list of compact, delete',
        ),
        (
            {"log.message.timestamp.type": "Now"},
            'log.message.timestamp.type cannot be "Now": allowed is one of CreateTime, LogAppendTime',
        ),
        (
            {"log.retention.ms": 0},
            'log.retention.ms cannot be "0": '
            "allowed is a whole number up to 9223372036854775807, -1 (no limit) or at least 1",
        ),
    ],
)  # fmt: skip
def test_whoever_starts_a_broker_is_told_what_is_allowed(values: Mapping[str, object], message: str) -> None:
    with pytest.raises(ConfigError) as raised:
        BrokerConfig.parse(values)
    assert str(raised.value) == message


@pytest.mark.parametrize("name", BROKER_OPTIONS)
def test_a_value_that_no_option_has_is_told_with_what_it_has(name: str) -> None:
    option = BROKER_OPTIONS[name]
    if option.type is Type.STRING and not option.check.allowed:
        return
    with pytest.raises(ConfigError, match=f"{re.escape(name)}.*(allowed is .|must be .)"):
        BrokerConfig.parse({name: ","})


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"num.partitions": "x"}, "Invalid value x for configuration num.partitions: Not a number of type INT"),
        ({"num.partitions": "0"}, "Invalid value 0 for configuration num.partitions: Value must be at least 1"),
        ({"num.partitions": "1.5"}, "Invalid value 1.5 for configuration num.partitions: Not a number of type INT"),
        ({"num.partitions": "1_000"}, "Invalid value 1_000 for configuration num.partitions: Not a number of type INT"),
        (
            {"log.segment.bytes": "2147483648"},
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
            {"log.retention.ms": "0"},
            "Invalid value 0 for configuration log.retention.ms: Value must be -1 (no limit) or at least 1",
        ),
        (
            {"queued.max.request.bytes": "1000"},
            "Invalid value 1000 for configuration queued.max.request.bytes: "
            "Value must be at least socket.request.max.bytes (104857600)",
        ),
        (
            {"group.min.session.timeout.ms": "10", "group.max.session.timeout.ms": "9"},
            "Invalid value 10 for configuration group.min.session.timeout.ms: "
            "Value must be no more than group.max.session.timeout.ms (9)",
        ),
    ],
)  # fmt: skip
def test_clients_are_answered_in_kafkas_words(values: Mapping[str, str], message: str) -> None:
    with pytest.raises(ConfigError) as raised:
        BrokerConfig.parse({}).with_dynamic(values)
    assert str(raised.value) == message


def test_brokers_reach_each_other_over_a_listener_that_is_advertised() -> None:
    listeners = {
        "listeners": "CLIENTS://a:1,BROKERS://a:2",
        "listener.security.protocol.map": "CLIENTS:PLAINTEXT,BROKERS:PLAINTEXT",
    }
    BrokerConfig.parse({**listeners, "inter.broker.listener.name": "brokers"})
    with pytest.raises(ConfigError, match=r"(?i)must be the name of an advertised listener"):
        BrokerConfig.parse({**listeners, "inter.broker.listener.name": "OTHERS"})
    with pytest.raises(ConfigError, match=r"(?i)must be the name of an advertised listener"):
        BrokerConfig.parse(
            {**listeners, "advertised.listeners": "CLIENTS://a:1", "inter.broker.listener.name": "BROKERS"}
        )


def test_a_leader_must_not_wait_longer_than_its_replicas_wait_for_it() -> None:
    with pytest.raises(ConfigError, match=r"replica.fetch.wait.max.ms: Value must be no more than .* \(400\)"):
        BrokerConfig.parse({"replica.socket.timeout.ms": 400})


def test_a_list_is_for_settings_that_are_lists() -> None:
    assert BrokerConfig.parse({"log.dirs": ["/one", "/two"]}).get("log.dirs") == ("/one", "/two")
    with pytest.raises(ConfigError, match="must be one value, not a list"):
        BrokerConfig.parse({"num.partitions": [3]})


def test_digits_are_those_of_ascii() -> None:
    with pytest.raises(ConfigError):
        BrokerConfig.parse({"num.partitions": "\uff11"})


def test_a_limit_that_would_lock_everybody_out_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"max\.connections cannot be"):
        BrokerConfig.parse({"max.connections": "0"})
    with pytest.raises(ConfigError, match=r"zero only if max\.connections\.per\.ip\.overrides is set"):
        BrokerConfig.parse({"max.connections.per.ip": "0"})
    BrokerConfig.parse({"max.connections.per.ip": "0", "max.connections.per.ip.overrides": "127.0.0.1:5"})
