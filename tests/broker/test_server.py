"""What `odradek start` refuses or warns of before it serves anybody."""

import logging
from pathlib import Path

import pytest

from odradek.broker.options import StartOptions
from odradek.broker.server import metrics_address, warn_of_open_listeners
from odradek.broker.settings import load_config
from odradek.config import BrokerConfig, ConfigError
from odradek.config.listener import address_of


def config(*listeners: str) -> BrokerConfig:
    return BrokerConfig.parse(
        {"listeners": ",".join(listeners), "advertised.listeners": "PLAINTEXT://broker.example:9092"}
    )


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.7", "[::]", "broker.example"])
def test_a_listener_that_others_can_reach_is_warned_of(host: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        warn_of_open_listeners(config(f"PLAINTEXT://{host}:9092"))
    assert "clients are not authenticated" in caplog.text


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "127.1.2.3"])
def test_a_loopback_listener_is_not_warned_of(host: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        warn_of_open_listeners(config(f"PLAINTEXT://{host}:9092"))
    assert caplog.text == ""


@pytest.mark.parametrize("address", ["foo", "host:", ":9", "host:x"])
def test_a_metrics_address_that_is_none_is_refused_in_one_line(address: str) -> None:
    with pytest.raises(ConfigError, match=r"^--metrics .*: must be HOST:PORT$"):
        metrics_address(address)


def test_a_metrics_port_that_is_none_is_refused_as_a_port() -> None:
    with pytest.raises(ConfigError, match=r"^--metrics host:70000: the port must be from 0 to 65535$"):
        metrics_address("host:70000")


def test_a_metrics_address_is_split_at_its_last_colon() -> None:
    assert metrics_address("[::1]:9100") == ("[::1]", 9100)


def test_an_address_is_shown_as_clients_take_it() -> None:
    assert address_of("127.0.0.1", 9092) == "127.0.0.1:9092"
    assert address_of("::1", 9092) == "[::1]:9092"


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (StartOptions(data_dir=""), "--data-dir: must name a directory"),
        (StartOptions(cluster="we/ird"), "--cluster 'we/ird': must be 1 to 100 of a-z A-Z 0-9 . _ -"),
    ],
)
def test_names_that_cannot_be_are_refused_in_one_line(options: StartOptions, problem: str) -> None:
    with pytest.raises(ConfigError) as refused:
        load_config(options)
    assert str(refused.value) == problem


def test_a_key_that_a_file_gives_twice_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "broker.toml"
    file.write_text('"log.retention.ms" = 1\nlog.retention.ms = 2\n')
    with pytest.raises(ConfigError, match=r"log\.retention\.ms is there twice, with and without quotes"):
        load_config(StartOptions(config_file=str(file)))


def test_a_log_directory_that_is_named_twice_is_refused() -> None:
    with pytest.raises(ConfigError, match="Each directory may be named once"):
        load_config(StartOptions(overrides={"log.dirs": "/a,/b,/a/"}))
