"""What the commands use of confluent-kafka. Importing it costs 20 ms, so commands do that inside their functions.

The package does not mark what it re-exports; this is the one place where that is said to the type checker.
"""

from typing import Any

from confluent_kafka import (
    Consumer,
    ConsumerGroupTopicPartitions,
    KafkaError,
    KafkaException,
    Message,
    Producer,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka import admin as _admin
from confluent_kafka.admin import AdminClient

_untyped: Any = _admin
AlterConfigOpType = _untyped.AlterConfigOpType
ConfigEntry = _untyped.ConfigEntry
ConfigResource = _untyped.ConfigResource
ConfigSource = _untyped.ConfigSource
NewPartitions = _untyped.NewPartitions
NewTopic = _untyped.NewTopic
OffsetSpec = _untyped.OffsetSpec
ResourceType = _untyped.ResourceType

__all__ = [
    "AdminClient",
    "AlterConfigOpType",
    "ConfigEntry",
    "ConfigResource",
    "ConfigSource",
    "Consumer",
    "ConsumerGroupTopicPartitions",
    "KafkaError",
    "KafkaException",
    "Message",
    "NewPartitions",
    "NewTopic",
    "OffsetSpec",
    "Producer",
    "ResourceType",
    "TopicCollection",
    "TopicPartition",
]
