"""Every API the broker answers: what ApiVersions advertises and what the router accepts.

`min_version` and `max_version` are those of Apache Kafka for ordinary and admin clients. `flexible_from` is the first
version with compact strings and tagged fields (KIP-482), which also decides the header's version.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

NEVER = 32767
"""`flexible_from` of an API without a flexible version."""


class Api(NamedTuple):
    """One API. `name` is that of kio's schema package and of the handler's module."""

    key: int
    name: str
    min_version: int
    max_version: int
    flexible_from: int

    def has(self, version: int) -> bool:
        """Whether the version is advertised."""
        return self.min_version <= version <= self.max_version

    def is_flexible(self, version: int) -> bool:
        """Whether requests of this version carry a version 2 header."""
        return version >= self.flexible_from


PRODUCE = 0
FETCH = 1
API_VERSIONS = 18

FIRST_PRODUCE_VERSION = 3
"""Produce 0-2 is advertised for old librdkafka, which needs to see it, and refused when used (KAFKA-18659)."""

APIS = (
    Api(PRODUCE, "produce", 0, 13, 9),
    Api(FETCH, "fetch", 4, 18, 12),
    Api(2, "list_offsets", 1, 11, 6),
    Api(3, "metadata", 0, 13, 9),
    Api(8, "offset_commit", 2, 10, 8),
    Api(9, "offset_fetch", 1, 10, 6),
    Api(10, "find_coordinator", 0, 6, 3),
    Api(11, "join_group", 0, 9, 6),
    Api(12, "heartbeat", 0, 4, 4),
    Api(13, "leave_group", 0, 5, 4),
    Api(14, "sync_group", 0, 5, 4),
    Api(15, "describe_groups", 0, 6, 5),
    Api(16, "list_groups", 0, 5, 3),
    Api(API_VERSIONS, "api_versions", 0, 4, 3),
    Api(19, "create_topics", 2, 7, 5),
    Api(20, "delete_topics", 1, 6, 4),
    Api(21, "delete_records", 0, 2, 2),
    Api(22, "init_producer_id", 0, 5, 2),
    Api(23, "offset_for_leader_epoch", 2, 4, 4),
    Api(32, "describe_configs", 1, 4, 4),
    Api(33, "alter_configs", 0, 2, 2),
    Api(35, "describe_log_dirs", 1, 5, 2),
    Api(37, "create_partitions", 0, 3, 2),
    Api(42, "delete_groups", 0, 2, 2),
    Api(43, "elect_leaders", 0, 2, 2),
    Api(44, "incremental_alter_configs", 0, 1, 1),
    Api(45, "alter_partition_reassignments", 0, 1, 0),
    Api(46, "list_partition_reassignments", 0, 0, 0),
    Api(47, "offset_delete", 0, 0, NEVER),
    Api(60, "describe_cluster", 0, 2, 0),
    Api(61, "describe_producers", 0, 0, 0),
    Api(64, "unregister_broker", 0, 0, 0),
    Api(74, "list_config_resources", 0, 1, 0),
    Api(75, "describe_topic_partitions", 0, 0, 0),
)

BY_KEY: Mapping[int, Api] = MappingProxyType({api.key: api for api in APIS})
