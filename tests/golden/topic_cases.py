"""What a cluster is and what topics it has."""

from datetime import timedelta
from typing import Any

from kio.schema.errors import ErrorCode

from odradek.wire.apis import APIS
from tests.golden.case import TOPIC_ID, Case, Place, Values, make_topic
from tests.golden.data_cases import NO_TIME, two_partitions
from tests.golden.frames import containing
from tests.support.wire_client import WireClient

CLUSTER_OPERATIONS = sum(1 << operation for operation in (5, 7, 8, 9, 10, 11, 12))
"""Create, Alter, Describe, ClusterAction, DescribeConfigs, AlterConfigs, IdempotentWrite."""
TOPIC_OPERATIONS = sum(1 << operation for operation in (3, 4, 5, 6, 7, 8, 10, 11))
"""Read, Write, Create, Delete, Alter, Describe, DescribeConfigs, AlterConfigs."""
NOT_ASKED_FOR = -(2**31)
TIMEOUT = timedelta(seconds=15)
PREFERRED = 0


def node(place: Place) -> Values:
    return {
        "node_id": 1, "broker_id": 1, "host": place.host, "port": place.port, "rack": None, "is_fenced": False,
    }  # fmt: skip


def partition(index: int) -> Values:
    return {
        "error_code": ErrorCode.none, "partition_index": index, "leader_id": 1, "leader_epoch": 0,
        "replica_nodes": [1], "isr_nodes": [1], "offline_replicas": [], "eligible_leader_replicas": [],
        "last_known_elr": [],
    }  # fmt: skip


def topic(place: Place, *partitions: int, operations: int = TOPIC_OPERATIONS) -> Values:
    return {
        "error_code": ErrorCode.none, "name": place.name, "topic_id": place.topic_id, "is_internal": False,
        "partitions": [partition(index) for index in partitions], "topic_authorized_operations": operations,
    }  # fmt: skip


async def partitions_of(client: WireClient, name: str) -> int | None:
    """How many partitions a topic has; None for one that is not there."""
    (found,) = (await client.metadata([name])).topics
    return None if found.error_code is ErrorCode.unknown_topic_or_partition else len(found.partitions)


# ApiVersions, DescribeCluster, Metadata, DescribeTopicPartitions


def api_versions(_: Place) -> Values:
    return {"client_software_name": "golden-frames", "client_software_version": "1.2.3"}


def told_api_versions(_: Place) -> Values:
    advertised = [{"api_key": api.key, "min_version": api.min_version, "max_version": api.max_version} for api in APIS]
    return {
        "error_code": ErrorCode.none, "api_keys": advertised, "throttle_time": NO_TIME, "supported_features": [],
        "finalized_features_epoch": lambda epoch: epoch >= 0, "finalized_features": [], "zk_migration_ready": False,
    }  # fmt: skip


def describe_cluster(_: Place) -> Values:
    return {"include_cluster_authorized_operations": True, "endpoint_type": 1, "include_fenced_brokers": True}


def described_cluster(place: Place) -> Values:
    return {
        "throttle_time": NO_TIME, "error_code": ErrorCode.none, "error_message": None, "endpoint_type": 1,
        "cluster_id": place.cluster_id, "controller_id": 1, "brokers": [node(place)],
        "cluster_authorized_operations": CLUSTER_OPERATIONS,
    }  # fmt: skip


def metadata(place: Place, *, topic_id: Any = None, name: str | None = "") -> Values:
    return {
        "topics": [{"name": place.name if name == "" else name, "topic_id": topic_id}],
        "allow_auto_topic_creation": False, "include_cluster_authorized_operations": True,
        "include_topic_authorized_operations": True,
    }  # fmt: skip


def metadata_by_id(place: Place) -> Values:
    return metadata(place, topic_id=TOPIC_ID, name=None)


def metadata_of_all(place: Place) -> Values:
    return {**metadata(place), "topics": [] if place.version == 0 else None}


def told_metadata(place: Place) -> Values:
    return {
        "throttle_time": NO_TIME, "brokers": [node(place)], "cluster_id": place.cluster_id, "controller_id": 1,
        "topics": [topic(place, 0, 1)], "cluster_authorized_operations": CLUSTER_OPERATIONS,
        "error_code": ErrorCode.none,
    }  # fmt: skip


def told_metadata_of_all(place: Place) -> Values:
    return {**told_metadata(place), "topics": containing(topic(place, 0, 1))}


async def three_partitions(client: WireClient, place: Place) -> None:
    await make_topic(client, place, partitions=3)


def describe_topic_partitions(place: Place) -> Values:
    cursor = {"topic_name": place.name, "partition_index": 1}
    return {"topics": [{"name": place.name}], "response_partition_limit": 1, "cursor": cursor}


def described_topic_partitions(place: Place) -> Values:
    cursor = {"topic_name": place.name, "partition_index": 2}
    return {"throttle_time": NO_TIME, "topics": [topic(place, 1)], "next_cursor": cursor}


# CreateTopics, CreatePartitions, DeleteTopics


def create_topics(place: Place, *, validate_only: bool = False) -> Values:
    counted = {
        "name": f"{place.name}.counted", "num_partitions": 2, "replication_factor": 1, "assignments": [],
        "configs": [{"name": "retention.ms", "value": "1234567"}],
    }  # fmt: skip
    assigned = {
        "name": f"{place.name}.assigned", "num_partitions": -1, "replication_factor": -1, "configs": [],
        "assignments": [{"partition_index": index, "broker_ids": [1]} for index in range(3)],
    }  # fmt: skip
    return {"topics": [counted, assigned], "timeout": TIMEOUT, "validate_only": validate_only}


def validate_topics(place: Place) -> Values:
    return create_topics(place, validate_only=True)


def setting(name: str, value: str, source: int) -> Values:
    return {"name": name, "value": value, "read_only": False, "config_source": source, "is_sensitive": False}


def created_topics(place: Place) -> Values:
    def result(name: str, partitions: int, *configs: Values) -> Values:
        return {
            "name": f"{place.name}.{name}", "topic_id": lambda topic_id: (topic_id is None) == validated,
            "error_code": ErrorCode.none, "error_message": None, "topic_config_error_code": ErrorCode.none,
            "num_partitions": partitions, "replication_factor": 1, "configs": containing(*configs),
        }  # fmt: skip

    validated = "validate" in place.name
    counted = result("counted", 2, setting("retention.ms", "1234567", 1), setting("cleanup.policy", "delete", 5))
    assigned = result("assigned", 3, setting("retention.ms", "604800000", 5))
    return {"throttle_time": NO_TIME, "topics": [counted, assigned]}


async def topics_are_there(client: WireClient, place: Place) -> None:
    assert await partitions_of(client, f"{place.name}.counted") == 2
    assert await partitions_of(client, f"{place.name}.assigned") == 3


async def topics_are_not_there(client: WireClient, place: Place) -> None:
    assert await partitions_of(client, f"{place.name}.counted") is None
    assert await partitions_of(client, f"{place.name}.assigned") is None


def create_partitions(place: Place, *, validate_only: bool = False) -> Values:
    grown = {"name": place.name, "count": 4, "assignments": [{"broker_ids": [1]}, {"broker_ids": [1]}]}
    return {"topics": [grown], "timeout": TIMEOUT, "validate_only": validate_only}


def validate_partitions(place: Place) -> Values:
    return create_partitions(place, validate_only=True)


def created_partitions(place: Place) -> Values:
    result = {"name": place.name, "error_code": ErrorCode.none, "error_message": None}
    return {"throttle_time": NO_TIME, "results": [result]}


async def has_four_partitions(client: WireClient, place: Place) -> None:
    assert await partitions_of(client, place.name) == 4


async def has_two_partitions(client: WireClient, place: Place) -> None:
    assert await partitions_of(client, place.name) == 2


def delete_topics(place: Place) -> Values:
    named = {"name": place.name, "topic_id": None}
    return {"topic_names": [place.name], "topics": [named], "timeout": TIMEOUT}


def delete_topics_by_id(place: Place) -> Values:
    return {"topics": [{"name": None, "topic_id": TOPIC_ID}], "timeout": TIMEOUT}


def deleted_topics(place: Place) -> Values:
    result = {
        "name": place.name, "topic_id": place.topic_id, "error_code": ErrorCode.none, "error_message": None,
    }  # fmt: skip
    return {"throttle_time": NO_TIME, "responses": [result]}


async def topic_is_gone(client: WireClient, place: Place) -> None:
    assert await partitions_of(client, place.name) is None


# ElectLeaders, DescribeLogDirs


def elect_leaders(place: Place) -> Values:
    wanted = {"topic": place.name, "partitions": [0, 1]}
    return {"topic_partitions": [wanted], "timeout": TIMEOUT, "election_type": PREFERRED}


def elected_leaders(place: Place) -> Values:
    results = [
        {
            "partition_id": index, "error_code": ErrorCode.election_not_needed,
            "error_message": "Leader election not needed for topic partition.",
        }
        for index in (0, 1)
    ]  # fmt: skip
    topics = [{"topic": place.name, "partition_result": results}]
    return {"throttle_time": NO_TIME, "error_code": ErrorCode.none, "replica_election_results": topics}


# AlterPartitionReassignments, ListPartitionReassignments, UnregisterBroker


def alter_reassignments(place: Place) -> Values:
    partitions = [{"partition_index": 0, "replicas": [1]}, {"partition_index": 1, "replicas": None}]
    topics = [{"name": place.name, "partitions": partitions}]
    return {"timeout": TIMEOUT, "allow_replication_factor_change": False, "topics": topics}


def altered_reassignments(place: Place) -> Values:
    begun = {"partition_index": 0, "error_code": ErrorCode.none, "error_message": None}
    cancelled = {
        "partition_index": 1, "error_code": ErrorCode.no_reassignment_in_progress,
        "error_message": "No partition reassignment is in progress.",
    }  # fmt: skip
    return {
        "throttle_time": NO_TIME, "allow_replication_factor_change": False, "error_code": ErrorCode.none,
        "error_message": None, "responses": [{"name": place.name, "partitions": [begun, cancelled]}],
    }  # fmt: skip


def list_reassignments(place: Place) -> Values:
    return {"timeout": TIMEOUT, "topics": [{"name": place.name, "partition_indexes": [0, 1]}]}


def list_all_reassignments(_: Place) -> Values:
    return {"timeout": TIMEOUT, "topics": None}


def listed_reassignments(_: Place) -> Values:
    return {"throttle_time": NO_TIME, "error_code": ErrorCode.none, "error_message": None, "topics": []}


def unregister_broker(_: Place) -> Values:
    return {"broker_id": 4711}


def unregistered_broker(_: Place) -> Values:
    return {
        "throttle_time": NO_TIME, "error_code": ErrorCode.broker_id_not_registered,
        "error_message": "Broker ID 4711 is not currently registered",
    }  # fmt: skip


def describe_log_dirs(place: Place) -> Values:
    return {"topics": [{"topic": place.name, "partitions": [0, 1]}]}


def described_log_dirs(place: Place) -> Values:
    partitions = [
        {"partition_index": index, "partition_size": lambda size: size > 0, "offset_lag": 0, "is_future_key": False}
        for index in (0, 1)
    ]
    directory = {
        "error_code": ErrorCode.none, "log_dir": lambda path: path.startswith("/"),
        "topics": [{"name": place.name, "partitions": partitions}], "total_bytes": lambda size: size > 0,
        "usable_bytes": lambda size: size > 0, "is_cordoned": False,
    }  # fmt: skip
    return {"throttle_time": NO_TIME, "error_code": ErrorCode.none, "results": [directory]}


TOPIC_CASES = [
    Case("api_versions", api_versions, told_api_versions),
    Case("describe_cluster", describe_cluster, described_cluster),
    Case("metadata", metadata, told_metadata, two_partitions),
    Case("metadata", metadata_by_id, told_metadata, two_partitions, variant="by-id", first_version=12),
    Case("metadata", metadata_of_all, told_metadata_of_all, two_partitions, variant="all"),
    Case("describe_topic_partitions", describe_topic_partitions, described_topic_partitions, three_partitions),
    Case("create_topics", create_topics, created_topics, verify=topics_are_there),
    Case("create_topics", validate_topics, created_topics, verify=topics_are_not_there, variant="validate"),
    Case("create_partitions", create_partitions, created_partitions, two_partitions, has_four_partitions),
    Case("create_partitions", validate_partitions, created_partitions, two_partitions, has_two_partitions, "validate"),
    Case("delete_topics", delete_topics, deleted_topics, two_partitions, topic_is_gone),
    Case("delete_topics", delete_topics_by_id, deleted_topics, two_partitions, topic_is_gone, "by-id", 6),
    Case("elect_leaders", elect_leaders, elected_leaders, two_partitions),
    Case("alter_partition_reassignments", alter_reassignments, altered_reassignments, two_partitions),
    Case("list_partition_reassignments", list_reassignments, listed_reassignments, two_partitions),
    Case("list_partition_reassignments", list_all_reassignments, listed_reassignments, variant="all"),
    Case("unregister_broker", unregister_broker, unregistered_broker),
    Case("describe_log_dirs", describe_log_dirs, described_log_dirs, two_partitions),
]
