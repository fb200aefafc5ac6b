"""Requests of the scripted runs that the tests' client has no method for; each answers with what the script needs.

What is to be tried again raises ConnectionError.
"""

from datetime import timedelta
from typing import Any

from kio.schema.errors import ErrorCode

from odradek.wire.record_codec import decode_batch
from odradek.wire.records import batches, crc_is_valid
from tests.support.wire_client import WireClient, schema

TOPIC_RESOURCE, SET = 2, 0
READ_BYTES = 3000
TIMEOUT = timedelta(seconds=3)
Records = list[tuple[int, str]]


async def delete_records(client: WireClient, topic: str, partition: int, offset: int) -> ErrorCode:
    api = schema("delete_records", 2)
    part = api.DeleteRecordsPartition(partition_index=partition, offset=offset)
    topics = (api.DeleteRecordsTopic(name=topic, partitions=(part,)),)
    answer = await client.request(api.DeleteRecordsRequest(topics=topics, timeout=TIMEOUT))
    error: ErrorCode = answer.topics[0].partitions[0].error_code
    return error


async def set_config(client: WireClient, topic: str, key: str, value: str) -> ErrorCode:
    api = schema("incremental_alter_configs", 1)
    config = api.AlterableConfig(name=key, config_operation=SET, value=value)
    resource = api.AlterConfigsResource(resource_type=TOPIC_RESOURCE, resource_name=topic, configs=(config,))
    answer = await client.request(api.IncrementalAlterConfigsRequest(resources=(resource,), validate_only=False))
    error: ErrorCode = answer.responses[0].error_code
    return error


async def configs(client: WireClient, topic: str, keys: tuple[str, ...]) -> dict[str, str]:
    api = schema("describe_configs", 4)
    resource = api.DescribeConfigsResource(
        resource_type=TOPIC_RESOURCE, resource_name=topic, configuration_keys=keys or None
    )
    answer = await client.request(api.DescribeConfigsRequest(resources=(resource,)))
    require(answer.results[0].error_code)
    return {each.name: each.value for each in answer.results[0].configs if each.name in keys}


async def create_partitions(client: WireClient, topic: str, count: int) -> ErrorCode:
    api = schema("create_partitions", 3)
    topics = (api.CreatePartitionsTopic(name=topic, count=count, assignments=None),)
    answer = await client.request(api.CreatePartitionsRequest(topics=topics, timeout=TIMEOUT, validate_only=False))
    error: ErrorCode = answer.results[0].error_code
    return error


async def delete_offset(client: WireClient, group: str, topic: str) -> ErrorCode:
    api = schema("offset_delete", 0)
    part = api.OffsetDeleteRequestPartition(partition_index=0)
    topics = (api.OffsetDeleteRequestTopic(name=topic, partitions=(part,)),)
    answer = await client.request(api.OffsetDeleteRequest(group_id=group, topics=topics))
    error: ErrorCode = answer.error_code
    return error if error is not ErrorCode.none else answer.topics[0].partitions[0].error_code


async def delete_group(client: WireClient, group: str) -> ErrorCode:
    api = schema("delete_groups", 2)
    answer = await client.request(api.DeleteGroupsRequest(groups_names=(group,)))
    error: ErrorCode = answer.results[0].error_code
    return error


async def find_coordinator(client: WireClient, group: str) -> None:
    require((await client.find_coordinator(group)).error_code)


async def committed(client: WireClient, group: str, topic: str) -> int:
    """Of partition 0; -1 for none."""
    await find_coordinator(client, group)
    answer = await client.committed_offset(group, topic, 0)
    require(answer.error_code)
    require(answer.topics[0].partitions[0].error_code)
    offset: int = answer.topics[0].partitions[0].committed_offset
    return offset


async def bounds(client: WireClient, topic: str, partition: int) -> tuple[int, int]:
    """Log start offset and high watermark."""
    found = [await client.list_offset(topic, partition, which) for which in (-2, -1)]
    for each in found:
        require(each.error_code)
    return found[0].offset, found[1].offset


async def read(client: WireClient, topic: str, partition: int, start: int, end: int) -> Records:
    """Everything from one offset to before another; the next piece is asked for before the last one is here."""
    records: Records = []
    position = start
    while position < end:
        first, second = (client.fetch(topic, partition, position, max_bytes=READ_BYTES, timeout=3.0) for _ in range(2))
        answer = await first
        require((await second).error_code)
        require(answer.error_code)
        found = [record for record in decoded(answer.records) if record[0] >= position]
        assert found, f"nothing can be read of {topic}-{partition} at offset {position}, before its end at {end}"
        records += found
        position = found[-1][0] + 1
    return records


def decoded(data: Any) -> Records:
    view = memoryview(data or b"")
    found: Records = []
    for at, header in batches(view):
        assert crc_is_valid(view, at, header), f"the batch at offset {header.base_offset} is damaged"
        found += [(each.offset, text(each.value)) for each in decode_batch(view[at : at + header.size])]
    return found


def text(value: bytes | None) -> str:
    return (value or b"").decode().rstrip(".")


def require(error: ErrorCode) -> None:
    if error is not ErrorCode.none:
        raise ConnectionError(error.name)
