"""What a topic gets that nobody has decided for it: one replica alone; in a cluster three, two of them in sync.

Kafka's defaults are one and one everywhere. A cluster of three or more is there so that any broker may die; so unless
an operator has said otherwise, its topics survive that without losing an acknowledged record.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from odradek.config import BrokerConfig

CLUSTER_SIZE = 3
"""Brokers from which on topics are replicated by default ..."""
REPLICATION_FACTOR = 3
MIN_INSYNC_REPLICAS = "2"


@dataclass(frozen=True, slots=True)
class Defaults:
    """What -1 stands for, and the random place where placement starts.

    `configs` are overrides of topics that are made with the default replication factor.
    """

    num_partitions: int
    replication_factor: int
    placement_start: int
    configs: Mapping[str, str] = field(default_factory=dict)


def topic_defaults(config: BrokerConfig, active_brokers: int, placement_start: int) -> Defaults:
    """For a cluster of so many active brokers."""
    partitions, factor = config.get("num.partitions"), config.get("default.replication.factor")
    if active_brokers < CLUSTER_SIZE or _is_decided(config, "default.replication.factor"):
        return Defaults(partitions, factor, placement_start)
    return Defaults(partitions, REPLICATION_FACTOR, placement_start, replicated_configs(config))


def replicated_configs(config: BrokerConfig) -> Mapping[str, str]:
    """Overrides of a topic with three copies for which nobody has decided otherwise."""
    return {} if _is_decided(config, "min.insync.replicas") else {"min.insync.replicas": MIN_INSYNC_REPLICAS}


def _is_decided(config: BrokerConfig, key: str) -> bool:
    return any(key in level for level in (config.static, config.cluster_dynamic, config.broker_dynamic))
