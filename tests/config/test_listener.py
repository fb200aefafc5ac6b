"""Listeners: what is an address, and which addresses can be told to clients."""

import pytest

from odradek.config import BrokerConfig, ConfigError, Listener


def test_a_listener_is_advertised_as_itself_unless_something_else_is_said() -> None:
    config = BrokerConfig.parse({"listeners": "PLAINTEXT://localhost:9093"})
    assert config.advertised_listeners == config.listeners == (Listener("PLAINTEXT", "localhost", 9093),)


def test_an_ipv6_address_stands_in_brackets() -> None:
    (listener,) = BrokerConfig.parse({"listeners": "PLAINTEXT://[::1]:9092"}).listeners
    assert (listener.host, str(listener)) == ("::1", "PLAINTEXT://[::1]:9092")


def test_several_listeners_have_names_with_a_protocol_each() -> None:
    config = BrokerConfig.parse(
        {
            "listeners": "INSIDE://10.0.0.1:9092,OUTSIDE://0.0.0.0:9093",
            "advertised.listeners": "INSIDE://10.0.0.1:9092,OUTSIDE://example.org:19093",
            "listener.security.protocol.map": "INSIDE:PLAINTEXT,OUTSIDE:PLAINTEXT",
        }
    )
    assert [listener.name for listener in config.listeners] == ["INSIDE", "OUTSIDE"]
    assert config.advertised_listeners[1] == Listener("OUTSIDE", "example.org", 19093)


@pytest.mark.parametrize("host", ["0.0.0.0", "[::]", ""])
def test_listening_on_every_address_requires_one_to_advertise(host: str) -> None:
    listeners = f"PLAINTEXT://{host}:9092"
    with pytest.raises(ConfigError, match=r"set advertised\.listeners to the address that clients connect to"):
        BrokerConfig.parse({"listeners": listeners})

    config = BrokerConfig.parse({"listeners": listeners, "advertised.listeners": "PLAINTEXT://example.org:9092"})
    assert config.advertised_listeners == (Listener("PLAINTEXT", "example.org", 9092),)


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        ("listeners", "localhost:9092", "must be NAME://HOST:PORT"),
        ("listeners", "PLAINTEXT://localhost", "must be NAME://HOST:PORT"),
        ("listeners", "PLAINTEXT://localhost:70000", "the port must be from 0 to 65535"),
        ("listeners", "PLAINTEXT://local host:70", "must be NAME://HOST:PORT"),
        ("listeners", "", "not empty"),
        ("listeners", "PLAINTEXT://a:1,PLAINTEXT://b:2", "each listener needs its own name"),
        ("listeners", "SSL://localhost:9092", "no security protocol is defined for listener SSL"),
        ("advertised.listeners", "OTHER://localhost:9092", "must be one of the names in listeners: PLAINTEXT"),
        ("listener.security.protocol.map", "PLAINTEXT:SSL", "with a protocol of: PLAINTEXT"),
    ],
)
def test_what_is_no_listener_is_refused_with_its_key(key: str, value: str, reason: str) -> None:
    with pytest.raises(ConfigError) as raised:
        BrokerConfig.parse({key: value})
    assert key in str(raised.value)
    assert reason in str(raised.value)
