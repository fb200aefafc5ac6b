"""What DescribeConfigs says of each option: its value, where the value comes from, and what it would be otherwise.

A value's synonyms are all keys and levels that could have given it, the strongest first (KIP-226). A key that is set
nowhere has none, even when a weaker key of the same meaning (`log.retention.hours` for `log.retention.ms`) is set.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum

from odradek.config.broker import BROKER_OPTIONS
from odradek.config.broker_config import BrokerConfig
from odradek.config.errors import ConfigError
from odradek.config.group import GROUP_OPTIONS
from odradek.config.option import Option
from odradek.config.topic import TOPIC_OPTIONS
from odradek.config.topic_config import default_of
from odradek.config.values import render


class Source(IntEnum):
    """Levels a value comes from, numbered as in the DescribeConfigs response."""

    TOPIC = 1
    DYNAMIC_BROKER = 2
    DYNAMIC_DEFAULT_BROKER = 3
    STATIC_BROKER = 4
    DEFAULT = 5
    GROUP = 8


@dataclass(frozen=True, slots=True)
class DescribedSynonym:
    name: str
    value: str | None
    source: Source


@dataclass(frozen=True, slots=True)
class Described:
    """One option of one resource; `synonyms` begins with the value that counts when that is set anywhere."""

    option: Option
    value: str | None
    synonyms: tuple[DescribedSynonym, ...]
    read_only: bool

    @property
    def source(self) -> Source:
        return self.synonyms[0].source if self.synonyms else Source.DEFAULT


def describe_topic(config: BrokerConfig, overrides: Mapping[str, str]) -> list[Described]:
    """Every option of a topic with these overrides, by name."""
    return [_topic_option(config, overrides, TOPIC_OPTIONS[name]) for name in sorted(TOPIC_OPTIONS)]


def describe_broker(config: BrokerConfig) -> list[Described]:
    """Every option of the broker itself, by name."""
    return [
        Described(
            option,
            _visible(option, render(config.get(option.name))),
            tuple(_broker_synonyms(config, option.name)),
            not option.dynamic,
        )
        for _, option in sorted(BROKER_OPTIONS.items())
    ]


def describe_cluster_default(config: BrokerConfig) -> list[Described]:
    """What is set for all brokers at once."""
    return [
        Described(
            BROKER_OPTIONS[name],
            value,
            (DescribedSynonym(name, value, Source.DYNAMIC_DEFAULT_BROKER),),
            not BROKER_OPTIONS[name].dynamic,
        )
        for name, value in sorted(config.cluster_dynamic.items())
        if name in BROKER_OPTIONS
    ]


def describe_group(overrides: Mapping[str, str]) -> list[Described]:
    """Every option of a group with these overrides."""
    described = []
    for name, option in sorted(GROUP_OPTIONS.items()):
        synonyms = (DescribedSynonym(name, overrides[name], Source.GROUP),) if name in overrides else ()
        described.append(Described(option, overrides.get(name, render(option.default)), synonyms, False))
    return described


def _topic_option(config: BrokerConfig, overrides: Mapping[str, str], option: Option) -> Described:
    synonyms = _broker_synonyms(config, option.synonyms[0].name) if option.synonyms else []
    if option.name in overrides:
        value = _as_read(option, overrides[option.name])
        synonyms.insert(0, DescribedSynonym(option.name, value, Source.TOPIC))
    else:
        value = render(default_of(option, config))
    return Described(option, value, tuple(synonyms), False)


def _as_read(option: Option, text: str) -> str | None:
    try:
        return render(option.parse(text))
    except ConfigError:
        return text


def _broker_synonyms(config: BrokerConfig, name: str) -> list[DescribedSynonym]:
    """By level, then by strength of the key; what stands before the key itself does not explain its value."""
    found = list(_settings(config, _equivalent_keys(name)))
    first = next((index for index, each in enumerate(found) if each.name == name), len(found))
    return found[first:]


def _settings(config: BrokerConfig, names: tuple[str, ...]) -> Iterator[DescribedSynonym]:
    levels = (
        (config.broker_dynamic, Source.DYNAMIC_BROKER),
        (config.cluster_dynamic, Source.DYNAMIC_DEFAULT_BROKER),
        (config.static, Source.STATIC_BROKER),
    )
    for values, source in levels:
        for name in names:
            if name in values:
                yield DescribedSynonym(name, _visible(BROKER_OPTIONS[name], values[name]), source)
    for name in names:
        default = render(BROKER_OPTIONS[name].default)
        if default:
            yield DescribedSynonym(name, default, Source.DEFAULT)


def _equivalent_keys(name: str) -> tuple[str, ...]:
    for option in TOPIC_OPTIONS.values():
        names = tuple(synonym.name for synonym in option.synonyms)
        if name in names:
            return names
    return (name,)


def _visible(option: Option, value: str | None) -> str | None:
    return None if option.sensitive else value
