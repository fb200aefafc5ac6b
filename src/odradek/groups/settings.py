"""The coordinator's configuration, read once from the broker's."""

from dataclasses import dataclass, field
from typing import Any, Protocol

from odradek.groups.group import GroupSettings

_MINUTE_MS = 60_000


class ConfigSource(Protocol):
    """`config.BrokerConfig`."""

    def get(self, key: str) -> Any: ...


@dataclass(frozen=True, slots=True)
class CoordinatorSettings:
    """Defaults are Kafka's."""

    group: GroupSettings = field(default_factory=GroupSettings)
    session_timeout_ms_min: int = 6_000
    session_timeout_ms_max: int = 1_800_000
    offset_metadata_bytes_max: int = 4_096
    offsets_retention_ms: int = 7 * 24 * 60 * _MINUTE_MS
    offsets_check_interval_ms: int = 10 * _MINUTE_MS
    commit_timeout_ms: int = 5_000
    topic_partitions: int = 50
    topic_segment_bytes: int = 100 << 20
    topic_replication_factor: int = 3
    topic_codec: int = 0

    @classmethod
    def of(cls, config: ConfigSource) -> "CoordinatorSettings":
        """Every one of these needs a restart to change, as in Kafka."""
        return cls(
            GroupSettings(config.get("group.initial.rebalance.delay.ms"), config.get("group.max.size")),
            config.get("group.min.session.timeout.ms"),
            config.get("group.max.session.timeout.ms"),
            config.get("offset.metadata.max.bytes"),
            config.get("offsets.retention.minutes") * _MINUTE_MS,
            config.get("offsets.retention.check.interval.ms"),
            config.get("offsets.commit.timeout.ms"),
            config.get("offsets.topic.num.partitions"),
            config.get("offsets.topic.segment.bytes"),
            config.get("offsets.topic.replication.factor"),
            config.get("offsets.topic.compression.codec"),
        )
