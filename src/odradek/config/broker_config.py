"""A broker's configuration at one moment: built-in defaults, what it was started with, what was set since."""

from collections.abc import Mapping
from os.path import normpath
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from odradek.config.broker import BROKER_OPTIONS
from odradek.config.broker_network import QUEUED_REQUEST_BYTES
from odradek.config.errors import ConfigError
from odradek.config.explain import check_known, check_value
from odradek.config.listener import Listener, check_listeners, parse_listeners, parse_protocol_map
from odradek.config.metadata import metadata_access
from odradek.config.values import Type, Value, text_of

if TYPE_CHECKING:
    from odradek.config.topic_config import TopicConfig

NONE: Mapping[str, str] = MappingProxyType({})
ALIASES = {"broker.id": "node.id"}
"""Names of an older Kafka that its configuration files still carry."""


class BrokerConfig:
    """Immutable. The four levels, weakest first: default, `static`, `cluster_dynamic`, `broker_dynamic`."""

    __slots__ = (
        "_values",
        "advertised_listeners",
        "broker_dynamic",
        "cluster_dynamic",
        "listeners",
        "static",
        "topic_configs",
    )

    def __init__(self, static: Mapping[str, str], cluster: Mapping[str, str] = NONE, broker: Mapping[str, str] = NONE):
        self.static = MappingProxyType(dict(static))
        self.cluster_dynamic = MappingProxyType(dict(cluster))
        self.broker_dynamic = MappingProxyType(dict(broker))
        self._values: dict[str, Value] = {name: option.default for name, option in BROKER_OPTIONS.items()}
        for level in (self.static, self.cluster_dynamic, self.broker_dynamic):
            self._values.update({key: BROKER_OPTIONS[key].parse(text) for key, text in level.items()})
        self.listeners, self.advertised_listeners = _listeners(self._values)
        _check_together(self._values)
        self.topic_configs: dict[tuple[tuple[str, str], ...], TopicConfig] = {}
        """Kept by `TopicConfig.of`, per set of overrides."""

    @classmethod
    def parse(cls, values: Mapping[str, object]) -> "BrokerConfig":
        """From keys and values as files and command lines give them. Raises ConfigError: one line for whoever starts
        the broker, not Kafka's words for its clients."""
        static: dict[str, str] = {}
        for given, value in values.items():
            key, text = ALIASES.get(given, given), text_of(value)
            check_known(key, text)
            if isinstance(value, list | tuple) and BROKER_OPTIONS[key].type is not Type.LIST:
                raise ConfigError(f"{given} = {list(value)}: must be one value, not a list")
            check_value(BROKER_OPTIONS[key], text)
            static[key] = text
        return cls(static)

    def with_dynamic(self, overrides: Mapping[str, str], cluster: Mapping[str, str] = NONE) -> "BrokerConfig":
        """The same start configuration under other dynamic values; `overrides` are this broker's own, `cluster` those
        of all brokers. Raises ConfigError in Kafka's words."""
        return BrokerConfig(self.static, cluster, overrides)

    def get(self, key: str) -> Any:
        """The value that counts, typed; None when it is not set and has no default. KeyError: no such option."""
        return self._values[key]


def _listeners(values: Mapping[str, Any]) -> tuple[tuple[Listener, ...], tuple[Listener, ...]]:
    listeners = parse_listeners("listeners", values["listeners"])
    given = values["advertised.listeners"]
    advertised = parse_listeners("advertised.listeners", given) if given else listeners
    check_listeners(listeners, advertised, parse_protocol_map(values["listener.security.protocol.map"]))
    between = values["inter.broker.listener.name"]
    if between is not None and all(each.name != between.upper() for each in advertised):
        raise ConfigError(
            f"Invalid value {between} for configuration inter.broker.listener.name: "
            "Value must be the name of an advertised listener"
        )
    return listeners, advertised


def _check_together(values: Mapping[str, Any]) -> None:
    """Rules between two keys, or the parts of one. Raises ConfigError."""
    directories = values["log.dirs"]
    if len({normpath(each) for each in directories}) < len(directories):
        raise ConfigError(
            f"Invalid value {','.join(directories)} for configuration log.dirs: Each directory may be named once"
        )
    metadata_access(values.__getitem__)
    queued, request = values["queued.max.request.bytes"], values["socket.request.max.bytes"]
    if 0 < queued < request and queued != QUEUED_REQUEST_BYTES:
        raise ConfigError(
            f"Invalid value {queued} for configuration queued.max.request.bytes: "
            f"Value must be at least socket.request.max.bytes ({request})"
        )
    if values["max.connections.per.ip"] == 0 and not values["max.connections.per.ip.overrides"]:
        raise ConfigError(
            "Invalid value 0 for configuration max.connections.per.ip: "
            "Value can be zero only if max.connections.per.ip.overrides is set"
        )
    wait, timeout = values["replica.fetch.wait.max.ms"], values["replica.socket.timeout.ms"]
    if wait > timeout:
        raise ConfigError(
            f"Invalid value {wait} for configuration replica.fetch.wait.max.ms: "
            f"Value must be no more than replica.socket.timeout.ms ({timeout})"
        )
    shortest, longest = values["group.min.session.timeout.ms"], values["group.max.session.timeout.ms"]
    if shortest > longest:
        raise ConfigError(
            f"Invalid value {shortest} for configuration group.min.session.timeout.ms: "
            f"Value must be no more than group.max.session.timeout.ms ({longest})"
        )
