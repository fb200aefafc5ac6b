"""A topic's configuration as the log reads it: its own overrides over the broker's defaults, typed."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from odradek.config.broker_config import BrokerConfig
from odradek.config.errors import ConfigError
from odradek.config.option import Option
from odradek.config.topic import TOPIC_OPTIONS
from odradek.config.values import LONG_MAX, Value

CACHED_MAX = 4096
"""Different sets of overrides that are kept; topics that share one share one object."""


@dataclass(frozen=True, slots=True)
class TopicConfig:
    """Fields are the keys with dots replaced. Sizes in bytes, times in ms, -1: no limit."""

    segment_bytes: int
    segment_ms: int
    segment_jitter_ms: int
    segment_index_bytes: int
    index_interval_bytes: int
    preallocate: bool
    cleanup_policy: frozenset[str]
    retention_ms: int
    retention_bytes: int
    file_delete_delay_ms: int
    delete_retention_ms: int
    min_compaction_lag_ms: int
    max_compaction_lag_ms: int
    min_cleanable_dirty_ratio: float
    max_message_bytes: int
    message_timestamp_type: str
    message_timestamp_before_max_ms: int
    message_timestamp_after_max_ms: int
    compression_type: str
    compression_gzip_level: int
    compression_lz4_level: int
    compression_zstd_level: int
    flush_messages: int
    flush_ms: int
    min_insync_replicas: int
    unclean_leader_election_enable: bool
    leader_replication_throttled_replicas: tuple[str, ...]
    follower_replication_throttled_replicas: tuple[str, ...]

    @property
    def counts_flushed_only(self) -> bool:
        """flush.messages or flush.ms ask for durability: what is not on stable storage does not count."""
        return self.flush_messages != LONG_MAX or self.flush_ms != LONG_MAX

    @classmethod
    def of(cls, broker: BrokerConfig, overrides: Mapping[str, str]) -> "TopicConfig":
        """Overrides this version does not know, or no longer accepts, give way to the broker's default."""
        key = tuple(sorted(overrides.items()))
        cached = broker.topic_configs.get(key)
        if cached is None:
            cached = cls(**{_field(name): value for name, value in effective_values(broker, overrides).items()})
            if len(broker.topic_configs) >= CACHED_MAX:
                broker.topic_configs.clear()
            broker.topic_configs[key] = cached
        return cached


def effective_values(broker: BrokerConfig, overrides: Mapping[str, str]) -> dict[str, Any]:
    """By key of topic options, cleanup.policy as a frozenset."""
    values: dict[str, Any] = {name: _value(option, broker, overrides) for name, option in TOPIC_OPTIONS.items()}
    values["cleanup.policy"] = frozenset(values["cleanup.policy"])
    return values


def default_of(option: Option, broker: BrokerConfig) -> Value:
    """What the broker's keys say: the strongest that is set at any level, else the option's own default."""
    for synonym in option.synonyms:
        value = broker.get(synonym.name)
        if value is not None:
            return _scale(value, synonym.factor)
    return option.default


def validate_topic_overrides(broker: BrokerConfig, overrides: Mapping[str, str | None]) -> None:
    """Before they are stored. Raises ConfigError with Kafka's message for the first that is wrong."""
    for key, text in overrides.items():
        if key not in TOPIC_OPTIONS:
            raise ConfigError(f"Unknown topic config name: {key}")
        if text is None:
            raise ConfigError(f"Null value not supported for topic configs: {key}")
        TOPIC_OPTIONS[key].parse(text)
    low, high = (_checked(key, broker, overrides) for key in ("min.compaction.lag.ms", "max.compaction.lag.ms"))
    if low > high:
        raise ConfigError(
            f"conflict topic config setting min.compaction.lag.ms ({low}) > max.compaction.lag.ms ({high})"
        )


def _checked(key: str, broker: BrokerConfig, overrides: Mapping[str, str | None]) -> Any:
    text = overrides.get(key)
    return default_of(TOPIC_OPTIONS[key], broker) if text is None else TOPIC_OPTIONS[key].parse(text)


def _value(option: Option, broker: BrokerConfig, overrides: Mapping[str, str]) -> Value:
    text = overrides.get(option.name)
    if text is None:
        return default_of(option, broker)
    try:
        return option.parse(text)
    except ConfigError:
        return default_of(option, broker)


def _scale(value: Value, factor: int) -> Value:
    """Hours and minutes to ms; a negative number is no limit in any unit."""
    return value * factor if factor > 1 and isinstance(value, int) and value >= 0 else (-1 if factor > 1 else value)


def _field(name: str) -> str:
    return name.replace(".", "_")
