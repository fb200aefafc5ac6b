"""What the topic of the groups' offsets is to become as brokers join: pure functions.

It is made by whoever asks for a coordinator first, perhaps when there was one broker only. What groups have committed
must not be worth less than the records they read: it gets its copies, and then the guarantee of a replicated topic.
"""

from collections.abc import Mapping

from odradek.cluster.image import ClusterImage
from odradek.cluster.reassignments import is_reassigning
from odradek.cluster.results import ConfigChange, ConfigOp
from odradek.cluster.topic_defaults import REPLICATION_FACTOR, replicated_configs
from odradek.config import BrokerConfig
from odradek.config.broker_groups import OFFSETS_TOPIC


def wanted_copies(config: BrokerConfig) -> Mapping[str, int]:
    """By topic, for those that are to grow with the cluster."""
    return {OFFSETS_TOPIC: config.get("offsets.topic.replication.factor")}


def missing_configs(image: ClusterImage, config: BrokerConfig) -> list[ConfigChange]:
    """Overrides that the topic lacks now that all of its partitions have three copies."""
    topic = image.topics.get(OFFSETS_TOPIC)
    if topic is None:
        return []
    for partition in topic.partitions:
        if len(partition.replicas) < REPLICATION_FACTOR or is_reassigning(partition):
            return []
    missing = {key: value for key, value in replicated_configs(config).items() if key not in topic.configs}
    return [ConfigChange(key, ConfigOp.SET, value) for key, value in missing.items()]
