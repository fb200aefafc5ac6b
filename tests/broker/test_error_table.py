"""What a client is told when it asks for something that cannot be: one line for each way to go wrong.

Each expectation is what Apache Kafka 4.3.1 answers to the same request on a broker of its own, unless the line stands
under "Deliberately different". Where Kafka sends an error without words, ours may have some.
"""

# ruff: noqa: E501
import asyncio
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, NamedTuple
from uuid import UUID

import pytest
from kio.schema.errors import ErrorCode as E

from odradek.wire.record_codec import Record, encode_batch
from tests.support.requests import Answer, answer, request
from tests.support.wire_client import WireClient

NOW_MS = 1_750_000_000_000
MEMBER = "the member's id"
"""Stands in a request for the id of the one member of the group "busy", which is in generation 1."""
TOPICS: Mapping[str, Mapping[str, str]] = {
    "there": {},
    "small": {"max.message.bytes": "200"},
    "compacted": {"cleanup.policy": "compact"},
    "punctual": {"message.timestamp.before.max.ms": "1000"},
    "x.y": {},
}
"""What exists: each topic has two partitions, "there" three records in the first."""


def records(count: int = 1, *, key: bytes | None = b"k", timestamp: int = NOW_MS, **header: Any) -> bytes:
    return encode_batch([Record(index, timestamp, key, b"value") for index in range(count)], **header)


def patched(batch: bytes, position: int, value: bytes) -> bytes:
    """Other bytes at that position, the CRC as it was."""
    return batch[:position] + value + batch[position + len(value) :]


def produce(topic: str, batch: bytes | None, index: int = 0, acks: int = -1) -> dict[str, Any]:
    return {"acks": acks, "topic_data": [{"name": topic, "partition_data": [{"index": index, "records": batch}]}]}


def fetch(topic: str, partition: int = 0, offset: int = 0, **more: int) -> dict[str, Any]:
    where = {
        "partition": partition,
        "fetch_offset": offset,
        "partition_max_bytes": 1000,
        "current_leader_epoch": -1,
        **more,
    }
    return {"max_bytes": 1000, "session_epoch": -1, "topics": [{"topic": topic, "partitions": [where]}]}


def new_topic(name: str, partitions: int = 1, replicas: int = 1, **more: Any) -> dict[str, Any]:
    return {"topics": [{"name": name, "num_partitions": partitions, "replication_factor": replicas, **more}]}


def assigned(
    name: str, *assignments: tuple[int, list[int]], partitions: int = -1, replicas: int = -1
) -> dict[str, Any]:
    given = [{"partition_index": index, "broker_ids": brokers} for index, brokers in assignments]
    return new_topic(name, partitions, replicas, assignments=given)


def configured(**configs: str | None) -> dict[str, Any]:
    given = [{"name": key.replace("_", "."), "value": value} for key, value in configs.items()]
    return new_topic("configured", configs=given)


def grown(name: str, count: int, assignments: list[list[int]] | None = None) -> dict[str, Any]:
    given = None if assignments is None else [{"broker_ids": brokers} for brokers in assignments]
    return {"topics": [{"name": name, "count": count, "assignments": given}]}


def reassigned(topic: str, replicas: list[int] | None, partition: int = 0) -> dict[str, Any]:
    return {"topics": [{"name": topic, "partitions": [{"partition_index": partition, "replicas": replicas}]}]}


def described(kind: int, name: str) -> dict[str, Any]:
    return {"resources": [{"resource_type": kind, "resource_name": name, "configuration_keys": ["retention.ms"]}]}


def altered(kind: int, name: str, *configs: tuple[str, int, str | None]) -> dict[str, Any]:
    given = [{"name": key, "config_operation": operation, "value": value} for key, operation, value in configs]
    return {"resources": [{"resource_type": kind, "resource_name": name, "configs": given}]}


def replaced(kind: int, name: str, *configs: tuple[str, str | None]) -> dict[str, Any]:
    given = [{"name": key, "value": value} for key, value in configs]
    return {"resources": [{"resource_type": kind, "resource_name": name, "configs": given}]}


def joined(
    group: str,
    member: str = "",
    session_s: int = 10,
    protocol: str = "range",
    kind: str = "consumer",
    instance: str | None = None,
) -> dict[str, Any]:
    protocols = [{"name": protocol, "metadata": b"m"}] if protocol else []
    return {
        "group_id": group, "member_id": member, "session_timeout": seconds(session_s), "rebalance_timeout": seconds(10),
        "protocol_type": kind, "protocols": protocols, "group_instance_id": instance,
    }  # fmt: skip


def committed(
    group: str, member: str = "", generation: int = -1, topic: str = "there", partition: int = 0, metadata: str = ""
) -> dict[str, Any]:
    where = {"partition_index": partition, "committed_offset": 1, "committed_metadata": metadata}
    return {
        "group_id": group, "member_id": member, "generation_id_or_member_epoch": generation,
        "topics": [{"name": topic, "partitions": [where]}],
    }  # fmt: skip


def seconds(number: int) -> timedelta:
    return timedelta(seconds=number)


class Row(NamedTuple):
    what: str
    api: str
    version: int
    values: Mapping[str, Any]
    error: E
    message: str | None = None


GOOD = records()
TOO_LONG = "x" * 250

# fmt: off
TABLE = [
    # Produce
    Row("unknown topic", "produce", 9, produce("nope", GOOD), E.unknown_topic_or_partition),
    Row("partition beyond the last", "produce", 9, produce("there", GOOD, 99), E.unknown_topic_or_partition),
    Row("negative partition", "produce", 9, produce("there", GOOD, -1), E.unknown_topic_or_partition),
    Row("bytes that fail their CRC", "produce", 9, produce("there", patched(GOOD, 60, b"\xff")), E.corrupt_message),
    Row("batch of an old format", "produce", 9, produce("there", patched(GOOD, 16, b"\x01")), E.invalid_record),
    Row("batch cut short", "produce", 9, produce("there", GOOD[:-1]), E.invalid_record),
    Row("two batches for one partition", "produce", 9, produce("there", GOOD + GOOD), E.invalid_record),
    Row("no batch at all", "produce", 9, produce("there", b""), E.invalid_record),
    Row("batch larger than the topic allows", "produce", 9, produce("small", records(30)), E.message_too_large),
    Row("batch without an end to its count", "produce", 9, produce("there", patched(GOOD, 57, b"\x00\x00\x00\x09")), E.corrupt_message),
    Row("record far in the future", "produce", 9, produce("there", records(timestamp=NOW_MS * 2)), E.invalid_timestamp, "One or more records have been rejected due to invalid timestamp"),
    Row("record too old for its topic", "produce", 9, produce("punctual", records(timestamp=1000)), E.invalid_timestamp, "One or more records have been rejected due to invalid timestamp"),
    Row("acks that mean nothing", "produce", 9, produce("there", GOOD, acks=2), E.invalid_required_acks),
    Row("acks of -2", "produce", 9, produce("there", GOOD, acks=-2), E.invalid_required_acks),
    Row("control batch from a client", "produce", 9, produce("there", records(is_control=True)), E.invalid_record),
    Row("sequence that begins late, of an unknown producer", "produce", 9, produce("there", records(producer_id=987654, producer_epoch=0, base_sequence=7)), E.none),
    Row("batch of a producer without sequence", "produce", 9, produce("there", records(producer_id=5, producer_epoch=0, base_sequence=-1)), E.invalid_record),
    Row("unknown topic by id", "produce", 13, {"acks": -1, "topic_data": [{"topic_id": UUID(int=77), "partition_data": [{"index": 0, "records": GOOD}]}]}, E.unknown_topic_id),
    # Fetch
    Row("unknown topic", "fetch", 12, fetch("nope"), E.unknown_topic_or_partition),
    Row("partition beyond the last", "fetch", 12, fetch("there", 99), E.unknown_topic_or_partition),
    Row("offset beyond the end", "fetch", 12, fetch("there", offset=1000), E.offset_out_of_range),
    Row("negative offset", "fetch", 12, fetch("there", offset=-2), E.offset_out_of_range),
    Row("leader epoch not yet reached", "fetch", 12, fetch("there", current_leader_epoch=9), E.unknown_leader_epoch),
    Row("unknown topic by id", "fetch", 13, {"max_bytes": 1000, "session_epoch": -1, "topics": [{"topic_id": UUID(int=77), "partitions": [{"partition": 0, "partition_max_bytes": 1000, "current_leader_epoch": -1}]}]}, E.unknown_topic_id),
    Row("unknown session", "fetch", 12, {"session_id": 4711, "session_epoch": 3}, E.fetch_session_id_not_found),
    Row("session epoch without a session", "fetch", 12, {"session_id": 0, "session_epoch": 3}, E.fetch_session_id_not_found),
    # ListOffsets
    Row("unknown topic", "list_offsets", 5, {"replica_id": -1, "topics": [{"name": "nope", "partitions": [{"timestamp": -1, "current_leader_epoch": -1}]}]}, E.unknown_topic_or_partition),
    Row("partition beyond the last", "list_offsets", 5, {"replica_id": -1, "topics": [{"name": "there", "partitions": [{"partition_index": 9, "timestamp": -1, "current_leader_epoch": -1}]}]}, E.unknown_topic_or_partition),
    Row("leader epoch not yet reached", "list_offsets", 5, {"replica_id": -1, "topics": [{"name": "there", "partitions": [{"timestamp": -1, "current_leader_epoch": 9}]}]}, E.unknown_leader_epoch),
    Row("timestamp that has no meaning in this version", "list_offsets", 5, {"replica_id": -1, "topics": [{"name": "there", "partitions": [{"timestamp": -3, "current_leader_epoch": -1}]}]}, E.unsupported_version),
    Row("timestamp that means nothing", "list_offsets", 7, {"replica_id": -1, "topics": [{"name": "there", "partitions": [{"timestamp": -9, "current_leader_epoch": -1}]}]}, E.unsupported_version),
    Row("partition asked for twice", "list_offsets", 5, {"replica_id": -1, "topics": [{"name": "there", "partitions": [{"timestamp": -1, "current_leader_epoch": -1}, {"timestamp": -1, "current_leader_epoch": -1}]}]}, E.invalid_request),
    # OffsetForLeaderEpoch
    Row("unknown topic", "offset_for_leader_epoch", 3, {"replica_id": -1, "topics": [{"topic": "nope", "partitions": [{"current_leader_epoch": -1, "leader_epoch": 0}]}]}, E.unknown_topic_or_partition),
    Row("leader epoch not yet reached", "offset_for_leader_epoch", 3, {"replica_id": -1, "topics": [{"topic": "there", "partitions": [{"current_leader_epoch": 9, "leader_epoch": 0}]}]}, E.unknown_leader_epoch),
    # DeleteRecords
    Row("unknown topic", "delete_records", 1, {"topics": [{"name": "nope", "partitions": [{"partition_index": 0, "offset": 1}]}]}, E.unknown_topic_or_partition),
    Row("offset beyond the end", "delete_records", 1, {"topics": [{"name": "there", "partitions": [{"partition_index": 0, "offset": 100000}]}]}, E.offset_out_of_range),
    Row("negative offset", "delete_records", 1, {"topics": [{"name": "there", "partitions": [{"partition_index": 0, "offset": -2}]}]}, E.offset_out_of_range),
    Row("compacted topic", "delete_records", 1, {"topics": [{"name": "compacted", "partitions": [{"partition_index": 0, "offset": 0}]}]}, E.policy_violation),
    # InitProducerId
    Row("producer id without its epoch", "init_producer_id", 3, {"transactional_id": None, "producer_id": 5, "producer_epoch": -1}, E.invalid_request),
    Row("epoch without a producer id", "init_producer_id", 3, {"transactional_id": None, "producer_id": -1, "producer_epoch": 3}, E.invalid_request),
    # DescribeProducers
    Row("unknown topic", "describe_producers", 0, {"topics": [{"name": "nope", "partition_indexes": [0]}]}, E.unknown_topic_or_partition),
    Row("partition beyond the last", "describe_producers", 0, {"topics": [{"name": "there", "partition_indexes": [9]}]}, E.unknown_topic_or_partition),
    # Metadata
    Row("unknown topic", "metadata", 12, {"topics": [{"name": "nope"}], "allow_auto_topic_creation": False}, E.unknown_topic_or_partition),
    Row("unknown topic, oldest question", "metadata", 4, {"topics": [{"name": "nope"}], "allow_auto_topic_creation": False}, E.unknown_topic_or_partition),
    Row("name with a slash", "metadata", 12, {"topics": [{"name": "a/b"}], "allow_auto_topic_creation": True}, E.invalid_topic_exception),
    Row("name with a slash, not to be created", "metadata", 12, {"topics": [{"name": "a/b"}], "allow_auto_topic_creation": False}, E.invalid_topic_exception),
    Row("empty name", "metadata", 12, {"topics": [{"name": ""}], "allow_auto_topic_creation": True}, E.invalid_topic_exception),
    Row("unknown id", "metadata", 12, {"topics": [{"topic_id": UUID(int=77)}]}, E.unknown_topic_id),
    Row("id where only names can be", "metadata", 10, {"topics": [{"name": "there", "topic_id": UUID(int=77)}]}, E.invalid_request),
    Row("no name where there must be one", "metadata", 11, {"topics": [{"name": None}]}, E.invalid_request),
    # DescribeTopicPartitions
    Row("unknown topic", "describe_topic_partitions", 0, {"topics": [{"name": "nope"}]}, E.unknown_topic_or_partition),
    Row("name with a slash", "describe_topic_partitions", 0, {"topics": [{"name": "a/b"}]}, E.invalid_topic_exception),
    Row("cursor in a topic not asked for", "describe_topic_partitions", 0, {"topics": [{"name": "there"}], "cursor": {"topic_name": "small", "partition_index": 0}}, E.invalid_request),
    Row("cursor before the first partition", "describe_topic_partitions", 0, {"topics": [{"name": "there"}], "cursor": {"topic_name": "there", "partition_index": -1}}, E.invalid_request),
    # DescribeCluster
    Row("controllers asked for at a broker", "describe_cluster", 1, {"endpoint_type": 2}, E.mismatched_endpoint_type, "The request was sent to an endpoint of type BROKER, but we wanted an endpoint of type CONTROLLER"),
    Row("unknown type of endpoint", "describe_cluster", 1, {"endpoint_type": 9}, E.unsupported_endpoint_type, "Unsupported endpoint type 9"),
    # CreateTopics
    Row("topic that exists", "create_topics", 7, new_topic("there"), E.topic_already_exists, "Topic 'there' already exists."),
    Row("name with a slash", "create_topics", 7, new_topic("a/b"), E.invalid_topic_exception, "Topic name is invalid: 'a/b' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'"),
    Row("empty name", "create_topics", 7, new_topic(""), E.invalid_topic_exception, "Topic name is invalid: the empty string is not allowed"),
    Row("name of one dot", "create_topics", 7, new_topic("."), E.invalid_topic_exception, "Topic name is invalid: '.' is not allowed"),
    Row("name of two dots", "create_topics", 7, new_topic(".."), E.invalid_topic_exception, "Topic name is invalid: '..' is not allowed"),
    Row("name too long", "create_topics", 7, new_topic(TOO_LONG), E.invalid_topic_exception, f"Topic name is invalid: the length of '{TOO_LONG}' is longer than the max allowed length 249"),
    Row("name that collides in metrics", "create_topics", 7, new_topic("x_y"), E.invalid_topic_exception, "Topic 'x_y' collides with existing topic: x.y"),
    Row("name of the metadata topic", "create_topics", 7, new_topic("__cluster_metadata"), E.invalid_request, "Creation of internal topic __cluster_metadata is prohibited."),
    Row("no partitions", "create_topics", 7, new_topic("new", 0), E.invalid_partitions, "Number of partitions was set to an invalid non-positive value."),
    Row("negative number of partitions", "create_topics", 7, new_topic("new", -2), E.invalid_partitions, "Number of partitions was set to an invalid non-positive value."),
    Row("too many partitions", "create_topics", 7, new_topic("new", 10_001), E.policy_violation, "Excessively large number of partitions per request."),
    Row("no replicas", "create_topics", 7, new_topic("new", 1, 0), E.invalid_replication_factor, "Replication factor must be larger than 0, or -1 to use the default value."),
    Row("negative number of replicas", "create_topics", 7, new_topic("new", 1, -2), E.invalid_replication_factor, "Replication factor must be larger than 0, or -1 to use the default value."),
    Row("neither partitions nor replicas", "create_topics", 7, new_topic("new", 0, 0), E.invalid_replication_factor, "Replication factor must be larger than 0, or -1 to use the default value."),
    Row("the same topic twice", "create_topics", 7, {"topics": [new_topic("twice")["topics"][0], new_topic("twice")["topics"][0]]}, E.invalid_request, "Duplicate topic name."),
    Row("assignment and a number of partitions", "create_topics", 7, assigned("new", (0, [1]), partitions=1), E.invalid_request, "A manual partition assignment was specified, but numPartitions was not set to -1."),
    Row("assignment and a number of replicas", "create_topics", 7, assigned("new", (0, [1]), replicas=1), E.invalid_request, "A manual partition assignment was specified, but replication factor was not set to -1."),
    Row("assignment to the same broker twice", "create_topics", 7, assigned("new", (0, [1, 1])), E.invalid_replica_assignment, "The manual partition assignment includes the broker 1 more than once."),
    Row("assignment to an unknown broker", "create_topics", 7, assigned("new", (0, [99])), E.invalid_replica_assignment, "The manual partition assignment includes broker 99, but no such broker is registered."),
    Row("assignment to a negative broker", "create_topics", 7, assigned("new", (0, [-1])), E.invalid_replica_assignment, "The manual partition assignment includes broker -1, but no such broker is registered."),
    Row("assignment to nobody", "create_topics", 7, assigned("new", (0, [])), E.invalid_replica_assignment, "The manual partition assignment includes an empty replica list."),
    Row("assignment that begins at 1", "create_topics", 7, assigned("new", (1, [1])), E.invalid_replica_assignment, "partitions should be a consecutive 0-based integer sequence"),
    Row("assignment with a gap", "create_topics", 7, assigned("new", (0, [1]), (2, [1])), E.invalid_replica_assignment, "partitions should be a consecutive 0-based integer sequence"),
    Row("assignment of one partition twice", "create_topics", 7, assigned("new", (0, [1]), (0, [1])), E.invalid_replica_assignment, "Found multiple manual partition assignments for partition 0"),
    Row("unknown configuration", "create_topics", 7, configured(nope="1"), E.invalid_config, "Unknown topic config name: nope"),
    Row("null configuration", "create_topics", 7, configured(retention_ms=None), E.invalid_config, "Null value not supported for topic configs: retention.ms"),
    Row("text for a long", "create_topics", 7, configured(retention_ms="soon"), E.invalid_config, "Invalid value soon for configuration retention.ms: Not a number of type LONG"),
    Row("long below its minimum", "create_topics", 7, configured(retention_ms="-2"), E.invalid_config, "Invalid value -2 for configuration retention.ms: Value must be at least -1"),
    Row("int below its minimum", "create_topics", 7, configured(segment_bytes="5"), E.invalid_config, "Invalid value 5 for configuration segment.bytes: Value must be at least 1048576"),
    Row("int that does not fit", "create_topics", 7, configured(max_message_bytes="99999999999"), E.invalid_config, "Invalid value 99999999999 for configuration max.message.bytes: Not a number of type INT"),
    Row("nothing for an int", "create_topics", 7, configured(segment_bytes=""), E.invalid_config, "Invalid value  for configuration segment.bytes: Not a number of type INT"),
    Row("text for a double", "create_topics", 7, configured(min_cleanable_dirty_ratio="half"), E.invalid_config, "Invalid value half for configuration min.cleanable.dirty.ratio: Not a number of type DOUBLE"),
    Row("double above its maximum", "create_topics", 7, configured(min_cleanable_dirty_ratio="1.5"), E.invalid_config, "Invalid value 1.5 for configuration min.cleanable.dirty.ratio: Value must be no more than 1"),
    Row("text for a boolean", "create_topics", 7, configured(preallocate="maybe"), E.invalid_config, "Invalid value maybe for configuration preallocate: Expected value to be either true or false"),
    Row("unknown word for a string", "create_topics", 7, configured(message_timestamp_type="Now"), E.invalid_config, "Invalid value Now for configuration message.timestamp.type: String must be one of: CreateTime, LogAppendTime"),
    Row("unknown compression", "create_topics", 7, configured(compression_type="lzma"), E.invalid_config, "Invalid value lzma for configuration compression.type: String must be one of: uncompressed, zstd, lz4, snappy, gzip, producer"),
    Row("unknown word in a list", "create_topics", 7, configured(cleanup_policy="delete,shred"), E.invalid_config, "Invalid value shred for configuration cleanup.policy: String must be one of: compact, delete"),
    Row("compression level out of range", "create_topics", 7, configured(compression_gzip_level="17"), E.invalid_config, "Invalid value 17 for configuration compression.gzip.level: Value must be between 1 and 9 or equal to -1"),
    Row("lags that contradict each other", "create_topics", 7, configured(min_compaction_lag_ms="10", max_compaction_lag_ms="5"), E.invalid_config, "conflict topic config setting min.compaction.lag.ms (10) > max.compaction.lag.ms (5)"),
    Row("topic that exists, oldest version", "create_topics", 2, new_topic("there"), E.topic_already_exists, "Topic 'there' already exists."),
    # DeleteTopics
    Row("unknown topic", "delete_topics", 6, {"topics": [{"name": "nope"}]}, E.unknown_topic_or_partition, "This server does not host this topic-partition."),
    Row("unknown topic, without words", "delete_topics", 4, {"topic_names": ["nope"]}, E.unknown_topic_or_partition),
    Row("unknown topic, with words", "delete_topics", 5, {"topic_names": ["nope"]}, E.unknown_topic_or_partition, "This server does not host this topic-partition."),
    Row("unknown id", "delete_topics", 6, {"topics": [{"name": None, "topic_id": UUID(int=77)}]}, E.unknown_topic_id, "This server does not host this topic ID."),
    Row("neither name nor id", "delete_topics", 6, {"topics": [{"name": None}]}, E.invalid_request, "Neither topic name nor id were specified."),
    Row("name and id", "delete_topics", 6, {"topics": [{"name": "there", "topic_id": UUID(int=77)}]}, E.invalid_request, "You may not specify both topic name and topic id."),
    Row("the same name twice", "delete_topics", 6, {"topics": [{"name": "there"}, {"name": "there"}]}, E.invalid_request, "Duplicate topic name."),
    Row("the same id twice", "delete_topics", 6, {"topics": [{"topic_id": UUID(int=77)}, {"topic_id": UUID(int=77)}]}, E.invalid_request, "Duplicate topic id."),
    # CreatePartitions
    Row("unknown topic", "create_partitions", 3, grown("nope", 3), E.unknown_topic_or_partition),
    Row("as many as there are", "create_partitions", 3, grown("there", 2), E.invalid_partitions, "Topic already has 2 partition(s)."),
    Row("fewer than there are", "create_partitions", 3, grown("there", 1), E.invalid_partitions, "The topic there currently has 2 partition(s); 1 would not be an increase."),
    Row("negative number", "create_partitions", 3, grown("there", -1), E.invalid_partitions, "The topic there currently has 2 partition(s); -1 would not be an increase."),
    Row("more assignments than new partitions", "create_partitions", 3, grown("there", 3, [[1], [1]]), E.invalid_replica_assignment, "Attempted to add 1 additional partition(s), but only 2 assignment(s) were specified."),
    Row("no assignment for a new partition", "create_partitions", 3, grown("there", 3, []), E.invalid_replica_assignment, "Attempted to add 1 additional partition(s), but only 0 assignment(s) were specified."),
    Row("assignment to an unknown broker", "create_partitions", 3, grown("there", 3, [[99]]), E.invalid_replica_assignment, "The manual partition assignment includes broker 99, but no such broker is registered."),
    Row("assignment to the same broker twice", "create_partitions", 3, grown("there", 3, [[1, 1]]), E.invalid_replica_assignment, "The manual partition assignment includes the broker 1 more than once."),
    Row("assignment to nobody", "create_partitions", 3, grown("there", 3, [[]]), E.invalid_replica_assignment, "The manual partition assignment includes an empty replica list."),
    Row("the same topic twice", "create_partitions", 3, {"topics": [grown("there", 3)["topics"][0], grown("there", 4)["topics"][0]]}, E.invalid_request, "Duplicate topic name."),
    # DescribeConfigs
    Row("unknown topic", "describe_configs", 4, described(2, "nope"), E.unknown_topic_or_partition),
    Row("name with a slash", "describe_configs", 4, described(2, "a/b"), E.invalid_topic_exception, "Topic name is invalid: 'a/b' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'"),
    Row("topic without a name", "describe_configs", 4, described(2, ""), E.invalid_topic_exception, "Topic name is invalid: the empty string is not allowed"),
    Row("another broker", "describe_configs", 4, described(4, "99"), E.invalid_request, "Unexpected broker id, expected 1 or empty string, but received 99"),
    Row("broker that is no number", "describe_configs", 4, described(4, "x"), E.invalid_request, "Broker id must be an integer, but it is: x"),
    Row("group without a name", "describe_configs", 4, described(32, ""), E.invalid_request, "Group name must not be empty"),
    Row("type of resource that does not exist", "describe_configs", 4, described(99, "x"), E.invalid_request, "This most likely occurs because of a request being malformed by the client library or the message was sent to an incompatible broker. See the broker logs for more details."),
    Row("type of resource without a meaning", "describe_configs", 1, described(0, "x"), E.invalid_request, "This most likely occurs because of a request being malformed by the client library or the message was sent to an incompatible broker. See the broker logs for more details."),
    # IncrementalAlterConfigs
    Row("unknown topic", "incremental_alter_configs", 1, altered(2, "nope", ("retention.ms", 0, "5")), E.unknown_topic_or_partition, "The topic 'nope' does not exist."),
    Row("name with a slash", "incremental_alter_configs", 1, altered(2, "a/b", ("retention.ms", 0, "5")), E.invalid_topic_exception, "Topic name is invalid: 'a/b' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'"),
    Row("topic without a name", "incremental_alter_configs", 1, altered(2, "", ("retention.ms", 0, "5")), E.invalid_request, "Default topic resources are not allowed."),
    Row("null for a value", "incremental_alter_configs", 1, altered(2, "there", ("retention.ms", 0, None)), E.invalid_request, "Null value not supported for : retention.ms"),
    Row("unknown configuration", "incremental_alter_configs", 1, altered(2, "there", ("nope", 0, "5")), E.invalid_config, "Unknown topic config name: nope"),
    Row("text for a long", "incremental_alter_configs", 1, altered(2, "there", ("retention.ms", 0, "soon")), E.invalid_config, "Invalid value soon for configuration retention.ms: Not a number of type LONG"),
    Row("int below its minimum", "incremental_alter_configs", 1, altered(2, "there", ("min.insync.replicas", 0, "0")), E.invalid_config, "Invalid value 0 for configuration min.insync.replicas: Value must be at least 1"),
    Row("append to what is no list", "incremental_alter_configs", 1, altered(2, "there", ("retention.ms", 2, "5")), E.invalid_config, "Can't APPEND to key retention.ms because its type is not LIST."),
    Row("append of null", "incremental_alter_configs", 1, altered(2, "there", ("cleanup.policy", 2, None)), E.invalid_request, "Null value not supported for : cleanup.policy"),
    Row("append of an unknown word", "incremental_alter_configs", 1, altered(2, "there", ("cleanup.policy", 2, "shred")), E.invalid_config, "Invalid value shred for configuration cleanup.policy: String must be one of: compact, delete"),
    Row("the same key twice", "incremental_alter_configs", 1, altered(2, "there", ("retention.ms", 0, "5"), ("retention.ms", 0, "6")), E.invalid_request, "Error due to duplicate config keys"),
    Row("the same resource twice", "incremental_alter_configs", 1, {"resources": altered(2, "there")["resources"] * 2}, E.invalid_request, "Each resource must appear at most once."),
    Row("key of a broker that needs a restart", "incremental_alter_configs", 1, altered(4, "1", ("log.dirs", 0, "/elsewhere")), E.invalid_request, "Cannot update these configs dynamically: [log.dirs]"),
    Row("id of a broker", "incremental_alter_configs", 1, altered(4, "", ("node.id", 0, "3")), E.invalid_request, "Cannot update these configs dynamically: [node.id]"),
    Row("text for a long of a broker", "incremental_alter_configs", 1, altered(4, "1", ("log.retention.ms", 0, "soon")), E.invalid_request, "Invalid value soon for configuration log.retention.ms: Not a number of type LONG"),
    Row("int of all brokers below its minimum", "incremental_alter_configs", 1, altered(4, "", ("message.max.bytes", 0, "-4")), E.invalid_request, "Invalid value -4 for configuration message.max.bytes: Value must be at least 0"),
    Row("another broker", "incremental_alter_configs", 1, altered(4, "99", ("log.retention.ms", 0, "1")), E.invalid_request, "Unexpected broker id, expected 1, but received 99"),
    Row("negative broker", "incremental_alter_configs", 1, altered(4, "-1", ("log.retention.ms", 0, "1")), E.invalid_request, "Unexpected broker id, expected 1, but received -1"),
    Row("broker that is no number", "incremental_alter_configs", 1, altered(4, "x", ("log.retention.ms", 0, "1")), E.invalid_request, "Node id must be an integer, but it is: x"),
    Row("unknown configuration of a group", "incremental_alter_configs", 1, altered(32, "g", ("nope", 0, "1")), E.invalid_config, "Unknown group config name: nope"),
    Row("group without a name", "incremental_alter_configs", 1, altered(32, "", ("nope", 0, "1")), E.invalid_request, "Default group resources are not allowed."),
    Row("type of resource that does not exist", "incremental_alter_configs", 1, altered(99, "x", ("a", 0, "1")), E.invalid_request, "Unknown resource type 99"),
    Row("type of resource without a meaning", "incremental_alter_configs", 0, altered(0, "x", ("a", 0, "1")), E.invalid_request, "Unknown resource type 0"),
    # AlterConfigs
    Row("unknown topic", "alter_configs", 2, replaced(2, "nope", ("retention.ms", "5")), E.unknown_topic_or_partition, "The topic 'nope' does not exist."),
    Row("name with a slash", "alter_configs", 2, replaced(2, "a/b", ("retention.ms", "5")), E.invalid_topic_exception, "Topic name is invalid: 'a/b' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'"),
    Row("null for a value", "alter_configs", 2, replaced(2, "there", ("retention.ms", None)), E.invalid_request, "Null value not supported for : retention.ms"),
    Row("unknown configuration", "alter_configs", 2, replaced(2, "there", ("nope", "5")), E.invalid_config, "Unknown topic config name: nope"),
    Row("the same key twice", "alter_configs", 2, replaced(2, "there", ("retention.ms", "5"), ("retention.ms", "6")), E.invalid_request, "Error due to duplicate config keys"),
    Row("key of a broker that needs a restart", "alter_configs", 2, replaced(4, "1", ("log.dirs", "/elsewhere")), E.invalid_request, "Cannot update these configs dynamically: [log.dirs]"),
    Row("another broker", "alter_configs", 2, replaced(4, "99", ("log.retention.ms", "5")), E.invalid_request, "Unexpected broker id, expected 1, but received 99"),
    Row("broker that is no number", "alter_configs", 2, replaced(4, "x", ("log.retention.ms", "5")), E.invalid_request, "Node id must be an integer, but it is: x"),
    Row("type of resource that does not exist", "alter_configs", 2, replaced(99, "x", ("a", "1")), E.invalid_request, "Unknown resource type 99"),
    Row("loggers, which only the newer request can change", "alter_configs", 2, replaced(8, "1", ("root", "WARN")), E.invalid_request, "Unknown resource type 8"),
    # ElectLeaders
    Row("unknown topic", "elect_leaders", 2, {"election_type": 0, "topic_partitions": [{"topic": "nope", "partitions": [0]}]}, E.unknown_topic_or_partition, "No such topic as nope"),
    Row("partition beyond the last", "elect_leaders", 2, {"election_type": 0, "topic_partitions": [{"topic": "there", "partitions": [9]}]}, E.unknown_topic_or_partition, "No such partition as there-9"),
    Row("preferred leader that leads already", "elect_leaders", 2, {"election_type": 0, "topic_partitions": [{"topic": "there", "partitions": [0]}]}, E.election_not_needed, "Leader election not needed for topic partition."),
    Row("unclean election where there is a leader", "elect_leaders", 1, {"election_type": 1, "topic_partitions": [{"topic": "there", "partitions": [0]}]}, E.election_not_needed, "Leader election not needed for topic partition."),
    Row("unknown type of election", "elect_leaders", 2, {"election_type": 5, "topic_partitions": [{"topic": "there", "partitions": [0]}]}, E.invalid_request),
    # AlterPartitionReassignments
    Row("unknown topic", "alter_partition_reassignments", 1, reassigned("nope", [1]), E.unknown_topic_or_partition, "Unable to find a topic named nope."),
    Row("partition beyond the last", "alter_partition_reassignments", 0, reassigned("there", [1], 9), E.unknown_topic_or_partition, "Unable to find partition there:9."),
    Row("nothing to cancel", "alter_partition_reassignments", 1, reassigned("there", None), E.no_reassignment_in_progress, "No partition reassignment is in progress."),
    Row("unknown broker", "alter_partition_reassignments", 1, reassigned("there", [1, 99]), E.invalid_replica_assignment, "The manual partition assignment includes broker 99, but no such broker is registered."),
    Row("negative broker", "alter_partition_reassignments", 1, reassigned("there", [-1]), E.invalid_replica_assignment, "The manual partition assignment includes broker -1, but no such broker is registered."),
    Row("the same broker twice", "alter_partition_reassignments", 1, reassigned("there", [1, 1]), E.invalid_replica_assignment, "The manual partition assignment includes the broker 1 more than once."),
    Row("nobody", "alter_partition_reassignments", 1, reassigned("there", []), E.invalid_replica_assignment, "The manual partition assignment includes an empty replica list."),
    # UnregisterBroker
    Row("unknown broker", "unregister_broker", 0, {"broker_id": 99}, E.broker_id_not_registered, "Broker ID 99 is not currently registered"),
    # ListConfigResources
    Row("type that does not exist", "list_config_resources", 1, {"resource_types": [99]}, E.unsupported_version),
    # FindCoordinator
    Row("share group key without a partition", "find_coordinator", 6, {"key_type": 2, "coordinator_keys": ["g"]}, E.invalid_request),
    # JoinGroup
    Row("empty group id", "join_group", 5, joined(""), E.invalid_group_id),
    Row("session shorter than allowed", "join_group", 5, joined("g", session_s=1), E.invalid_session_timeout),
    Row("session longer than allowed", "join_group", 5, joined("g", session_s=4000), E.invalid_session_timeout),
    Row("first join without a member id", "join_group", 5, joined("g"), E.member_id_required),
    Row("unknown member of a new group", "join_group", 5, joined("never", "somebody"), E.unknown_member_id),
    Row("unknown member of a group", "join_group", 5, joined("busy", "somebody"), E.unknown_member_id),
    Row("other kind of protocol", "join_group", 5, joined("busy", MEMBER, kind="connect"), E.inconsistent_group_protocol),
    Row("no protocol", "join_group", 5, joined("g", protocol=""), E.inconsistent_group_protocol),
    Row("no kind of protocol", "join_group", 5, joined("g", kind=""), E.inconsistent_group_protocol),
    # SyncGroup
    Row("unknown group", "sync_group", 3, {"group_id": "never", "member_id": "somebody", "generation_id": 1}, E.unknown_member_id),
    Row("unknown member", "sync_group", 3, {"group_id": "busy", "member_id": "somebody", "generation_id": 1}, E.unknown_member_id),
    Row("generation that is over", "sync_group", 3, {"group_id": "busy", "member_id": MEMBER, "generation_id": 0}, E.illegal_generation),
    Row("other protocol", "sync_group", 5, {"group_id": "busy", "member_id": MEMBER, "generation_id": 1, "protocol_type": "consumer", "protocol_name": "sticky"}, E.inconsistent_group_protocol),
    Row("other kind of protocol", "sync_group", 5, {"group_id": "busy", "member_id": MEMBER, "generation_id": 1, "protocol_type": "connect", "protocol_name": "range"}, E.inconsistent_group_protocol),
    Row("empty group id", "sync_group", 3, {"group_id": "", "member_id": "somebody", "generation_id": 1}, E.invalid_group_id),
    Row("static member that never joined", "sync_group", 3, {"group_id": "busy", "member_id": "somebody", "generation_id": 1, "group_instance_id": "i"}, E.unknown_member_id),
    # Heartbeat
    Row("unknown group", "heartbeat", 3, {"group_id": "never", "member_id": "somebody", "generation_id": 1}, E.unknown_member_id),
    Row("unknown member", "heartbeat", 3, {"group_id": "busy", "member_id": "somebody", "generation_id": 1}, E.unknown_member_id),
    Row("generation that is over", "heartbeat", 3, {"group_id": "busy", "member_id": MEMBER, "generation_id": 0}, E.illegal_generation),
    Row("generation to come", "heartbeat", 3, {"group_id": "busy", "member_id": MEMBER, "generation_id": 9}, E.illegal_generation),
    Row("empty group id", "heartbeat", 3, {"group_id": "", "member_id": "somebody", "generation_id": 1}, E.invalid_group_id),
    Row("static member that never joined", "heartbeat", 3, {"group_id": "busy", "member_id": "somebody", "generation_id": 1, "group_instance_id": "i"}, E.unknown_member_id),
    # LeaveGroup
    Row("unknown group", "leave_group", 2, {"group_id": "never", "member_id": "somebody"}, E.unknown_member_id),
    Row("unknown member", "leave_group", 2, {"group_id": "busy", "member_id": "somebody"}, E.unknown_member_id),
    Row("unknown member among several", "leave_group", 4, {"group_id": "busy", "members": [{"member_id": "somebody"}]}, E.unknown_member_id),
    Row("unknown static member", "leave_group", 4, {"group_id": "busy", "members": [{"member_id": "", "group_instance_id": "i"}]}, E.unknown_member_id),
    Row("empty group id", "leave_group", 4, {"group_id": "", "members": [{"member_id": "somebody"}]}, E.invalid_group_id),
    # OffsetCommit
    Row("unknown topic", "offset_commit", 8, committed("loose", topic="nope"), E.unknown_topic_or_partition),
    Row("partition beyond the last", "offset_commit", 8, committed("loose", partition=99), E.unknown_topic_or_partition),
    Row("metadata too long", "offset_commit", 8, committed("loose", metadata="m" * 5000), E.offset_metadata_too_large),
    Row("from outside while the group is busy", "offset_commit", 8, committed("busy"), E.unknown_member_id),
    Row("unknown member", "offset_commit", 8, committed("busy", "somebody", 1), E.unknown_member_id),
    Row("generation that is over", "offset_commit", 8, committed("busy", MEMBER, 0), E.illegal_generation),
    Row("member of a group that never was", "offset_commit", 8, committed("never", "somebody", 1), E.illegal_generation),
    Row("empty group id", "offset_commit", 8, committed(""), E.none),
    Row("static member that never joined", "offset_commit", 8, committed("busy", "somebody", 1) | {"group_instance_id": "i"}, E.unknown_member_id),
    # OffsetFetch
    Row("empty group id", "offset_fetch", 7, {"group_id": "", "topics": [{"name": "there", "partition_indexes": [0]}]}, E.none),
    Row("unknown topic by id", "offset_fetch", 10, {"groups": [{"group_id": "loose", "member_epoch": -1, "topics": [{"topic_id": UUID(int=77), "partition_indexes": [0]}]}]}, E.unknown_topic_id),
    Row("unknown member", "offset_fetch", 9, {"groups": [{"group_id": "busy", "member_id": "somebody", "member_epoch": 1, "topics": [{"name": "there", "partition_indexes": [0]}]}]}, E.none),
    # DescribeGroups, DeleteGroups, OffsetDelete
    Row("unknown group described, older version", "describe_groups", 5, {"groups": ["never"]}, E.none),
    Row("unknown group described", "describe_groups", 6, {"groups": ["never"]}, E.group_id_not_found, "Group never not found."),
    Row("unknown group deleted", "delete_groups", 2, {"groups_names": ["never"]}, E.group_id_not_found),
    Row("busy group deleted", "delete_groups", 2, {"groups_names": ["busy"]}, E.non_empty_group),
    Row("offsets of an unknown group deleted", "offset_delete", 0, {"group_id": "never", "topics": [{"name": "there", "partitions": [{"partition_index": 0}]}]}, E.group_id_not_found),
    Row("offsets of an empty group id deleted", "offset_delete", 0, {"group_id": "", "topics": [{"name": "there", "partitions": [{"partition_index": 0}]}]}, E.invalid_group_id),
    Row("offsets a busy group reads deleted", "offset_delete", 0, {"group_id": "busy", "topics": [{"name": "there", "partitions": [{"partition_index": 0}]}]}, E.group_subscribed_to_topic),
    # Deliberately different: the same error, said more plainly than Kafka does
    Row("batch of a format to come", "produce", 9, produce("there", patched(GOOD, 16, b"\x03")), E.corrupt_message, "magic version 3 is unknown"),
    Row("batch with a negative length", "produce", 9, produce("there", patched(GOOD, 8, b"\xff\xff\xff\xff")), E.corrupt_message, "batch length -1 is below the smallest possible"),
    Row("record without a key in a compacted topic", "produce", 9, produce("compacted", records(key=None)), E.invalid_record),
    Row("unknown type of coordinator", "find_coordinator", 4, {"key_type": 9, "coordinator_keys": ["g"]}, E.invalid_request, "Coordinators of type 9 are not served."),
    Row("unknown type of coordinator, one key", "find_coordinator", 3, {"key_type": 9, "key": "g"}, E.invalid_request, "Coordinators of type 9 are not served."),
]
# fmt: on


@pytest.fixture(scope="module")
def prepared(broker_address: tuple[str, int]) -> tuple[tuple[str, int], str]:
    """The broker's address and the member of "busy"; everything in `TOPICS` is there."""
    return broker_address, asyncio.run(prepare(*broker_address))


async def prepare(host: str, port: int) -> str:
    async with await WireClient.connect(host, port) as client:
        for name, configs in TOPICS.items():
            await client.create_topics({name: 2}, configs=configs)
        await until_served(client)
        await client.find_coordinator("busy")
        return await enter_busy(client)


async def until_served(client: WireClient) -> None:
    """The records of "there" are accepted, at most 30 seconds from now."""
    async with asyncio.timeout(30):
        while True:
            produced = await client.produce("there", 0, records(3))
            if produced.error_code is E.none:
                return
            await asyncio.sleep(0.05)


async def enter_busy(client: WireClient) -> str:
    """Joins and syncs as the only member, with a session of five minutes; a coordinator that still loads is asked again."""
    async with asyncio.timeout(30):
        while True:
            asked = await client.join_group("busy", protocols={"range": b"m"}, session_timeout_ms=300_000)
            if asked.error_code is E.member_id_required:
                break
            await asyncio.sleep(0.05)
    member: str = asked.member_id
    entered = await client.join_group("busy", member, protocols={"range": b"m"}, session_timeout_ms=300_000)
    await client.sync_group("busy", entered.generation_id, member, {member: b"a"}, protocol="range")
    return member


@pytest.mark.parametrize("row", TABLE, ids=lambda row: f"{row.api} v{row.version}: {row.what}")
def test_what_goes_wrong_is_answered_as_kafka_does(prepared: tuple[tuple[str, int], str], row: Row) -> None:
    address, member = prepared
    error, message = asyncio.run(ask(address, row, member))
    assert error is row.error
    if row.message is not None:
        assert message == row.message


async def ask(address: tuple[str, int], row: Row, member: str) -> Answer:
    async with await WireClient.connect(*address) as client:
        values = {name: with_member(value, member) for name, value in row.values.items()}
        return answer(await client.request(request(row.api, row.version, **values)))


def with_member(value: Any, member: str) -> Any:
    if isinstance(value, Mapping):
        return {name: with_member(each, member) for name, each in value.items()}
    if isinstance(value, list):
        return [with_member(each, member) for each in value]
    return member if value == MEMBER else value
