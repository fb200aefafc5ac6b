"""Groups, their members and their offsets. The member of a group is static: `INSTANCE_ID`."""

from datetime import timedelta
from typing import Any

from kio.schema.errors import ErrorCode

from tests.golden.case import CLIENT_ID, MEMBER_ID, TOPIC_ID, Case, Place, Values, make_topic
from tests.golden.data_cases import NO_TIME
from tests.golden.frames import containing
from tests.groups.script import subscription
from tests.support.wire_client import WireClient

INSTANCE_ID = "golden"
GROUP_OPERATIONS = sum(1 << operation for operation in (3, 6, 8, 10, 11))
"""Read, Delete, Describe, DescribeConfigs, AlterConfigs."""
SUBSCRIPTION, OTHER_SUBSCRIPTION = subscription("a"), subscription("a", "b")
ASSIGNMENT = b"assignment"


async def joined(client: WireClient, place: Place) -> None:
    """A group in generation 1 whose only member has yet to hand out assignments."""
    await make_topic(client, place, partitions=2)
    await client.find_coordinator(place.name)
    entered = await client.join_group(
        place.name, protocols={"range": SUBSCRIPTION}, session_timeout_ms=60_000, instance_id=INSTANCE_ID
    )
    assert entered.error_code is ErrorCode.none, entered
    place.member_id = entered.member_id


async def stable(client: WireClient, place: Place) -> None:
    """A stable group with one member."""
    await joined(client, place)
    assignments = {place.member_id: ASSIGNMENT}
    synced = await client.sync_group(place.name, 1, place.member_id, assignments, protocol="range")
    assert synced.error_code is ErrorCode.none


async def with_offsets(client: WireClient, place: Place) -> None:
    """A group without members that has committed 40 and 41."""
    await make_topic(client, place, partitions=2)
    await client.find_coordinator(place.name)
    for partition in (0, 1):
        assert await client.commit_offset(place.name, place.name, partition, 40 + partition) is ErrorCode.none


async def stable_with_offsets(client: WireClient, place: Place) -> None:
    """A stable group whose member has committed 40 and 41."""
    await stable(client, place)
    for partition in (0, 1):
        await client.commit_offset(
            place.name, place.name, partition, 40 + partition, generation=1, member_id=place.member_id
        )


def member_fields(place: Place, **more: Any) -> Values:
    identity = {"member_id": MEMBER_ID, "group_instance_id": INSTANCE_ID}
    return {"group_id": place.name, "generation_id": 1, **identity, **more}


# FindCoordinator


def find_coordinator(place: Place) -> Values:
    return {"key": place.name, "key_type": 0, "coordinator_keys": [place.name, f"{place.name}-too"]}


def found_coordinator(place: Place) -> Values:
    node = {
        "error_code": ErrorCode.none, "node_id": 1, "host": place.host, "port": place.port, "error_message": "",
    }  # fmt: skip
    coordinators = [{"key": key, **node} for key in (place.name, f"{place.name}-too")]
    return {"throttle_time": NO_TIME, **node, "error_message": "NONE", "coordinators": coordinators}


# Membership


def join_group(place: Place) -> Values:
    protocols = [{"name": "range", "metadata": OTHER_SUBSCRIPTION}, {"name": "sticky", "metadata": SUBSCRIPTION}]
    return member_fields(
        place, session_timeout=timedelta(seconds=40), rebalance_timeout=timedelta(seconds=50), reason="golden reason",
        protocol_type="consumer", protocols=protocols,
    )  # fmt: skip


def joined_group(place: Place) -> Values:
    member = {"member_id": place.member_id, "group_instance_id": INSTANCE_ID, "metadata": OTHER_SUBSCRIPTION}
    return {
        "throttle_time": NO_TIME, "error_code": ErrorCode.none, "generation_id": 2, "protocol_type": "consumer",
        "protocol_name": "range", "leader": place.member_id, "skip_assignment": False, "member_id": place.member_id,
        "members": [member],
    }  # fmt: skip


def sync_group(place: Place) -> Values:
    assignments = [{"member_id": MEMBER_ID, "assignment": ASSIGNMENT}]
    return member_fields(place, protocol_type="consumer", protocol_name="range", assignments=assignments)


def synced_group(_: Place) -> Values:
    return {
        "throttle_time": NO_TIME, "error_code": ErrorCode.none, "protocol_type": "consumer", "protocol_name": "range",
        "assignment": ASSIGNMENT,
    }  # fmt: skip


def heartbeat(place: Place) -> Values:
    return member_fields(place)


def heartbeat_heard(_: Place) -> Values:
    return {"throttle_time": NO_TIME, "error_code": ErrorCode.none}


def leave_group(place: Place) -> Values:
    member = {"member_id": MEMBER_ID, "group_instance_id": INSTANCE_ID, "reason": "golden reason"}
    return member_fields(place, members=[member])


def left_group(place: Place) -> Values:
    member = {"member_id": place.member_id, "group_instance_id": INSTANCE_ID, "error_code": ErrorCode.none}
    return {"throttle_time": NO_TIME, "error_code": ErrorCode.none, "members": [member]}


# Offsets


def offset_commit(place: Place) -> Values:
    partitions = [
        {
            "partition_index": index, "committed_offset": 7 + index, "committed_leader_epoch": 0,
            "committed_metadata": f"metadata {index}",
        }
        for index in (0, 1)
    ]  # fmt: skip
    topic = {"name": place.name, "topic_id": TOPIC_ID, "partitions": partitions}
    more = {"generation_id_or_member_epoch": 1, "retention_time": timedelta(days=1), "topics": [topic]}
    return member_fields(place, **more)


def committed_offsets(place: Place) -> Values:
    partitions = [{"partition_index": index, "error_code": ErrorCode.none} for index in (0, 1)]
    topic = {"name": place.name, "topic_id": place.topic_id, "partitions": partitions}
    return {"throttle_time": NO_TIME, "topics": [topic]}


async def offsets_are_stored(client: WireClient, place: Place) -> None:
    for partition in (0, 1):
        (topic,) = (await client.committed_offset(place.name, place.name, partition)).topics
        found = topic.partitions[0]
        assert (found.committed_offset, found.metadata) == (7 + partition, f"metadata {partition}")


def offset_fetch(place: Place) -> Values:
    topics = [{"name": place.name, "topic_id": TOPIC_ID, "partition_indexes": [0, 1]}]
    group = {"group_id": place.name, "member_id": MEMBER_ID, "member_epoch": 1, "topics": topics}
    return {"group_id": place.name, "topics": topics, "groups": [group], "require_stable": True}


def fetch_all_offsets(place: Place) -> Values:
    group = {"group_id": place.name, "member_id": MEMBER_ID, "member_epoch": 1, "topics": None}
    return {"group_id": place.name, "topics": None, "groups": [group], "require_stable": True}


def fetched_offsets(place: Place) -> Values:
    partitions = [
        {
            "partition_index": index, "committed_offset": 40 + index, "committed_leader_epoch": -1, "metadata": "",
            "error_code": ErrorCode.none,
        }
        for index in (0, 1)
    ]  # fmt: skip
    topics = [{"name": place.name, "topic_id": place.topic_id, "partitions": partitions}]
    group = {"group_id": place.name, "topics": topics, "error_code": ErrorCode.none}
    return {"throttle_time": NO_TIME, "topics": topics, "error_code": ErrorCode.none, "groups": [group]}


def offset_delete(place: Place) -> Values:
    topic = {"name": place.name, "partitions": [{"partition_index": 1}]}
    return {"group_id": place.name, "topics": [topic]}


def deleted_offsets(place: Place) -> Values:
    topic = {"name": place.name, "partitions": [{"partition_index": 1, "error_code": ErrorCode.none}]}
    return {"error_code": ErrorCode.none, "throttle_time": NO_TIME, "topics": [topic]}


async def one_offset_is_left(client: WireClient, place: Place) -> None:
    for partition, offset in ((0, 40), (1, -1)):
        (topic,) = (await client.committed_offset(place.name, place.name, partition)).topics
        assert topic.partitions[0].committed_offset == offset


# Groups


def describe_groups(place: Place) -> Values:
    return {"groups": [place.name], "include_authorized_operations": True}


def described_groups(place: Place) -> Values:
    member = {
        "member_id": place.member_id, "group_instance_id": INSTANCE_ID, "client_id": CLIENT_ID,
        "client_host": "/127.0.0.1", "member_metadata": SUBSCRIPTION, "member_assignment": ASSIGNMENT,
    }  # fmt: skip
    group = {
        "error_code": ErrorCode.none, "error_message": None, "group_id": place.name, "group_state": "Stable",
        "protocol_type": "consumer", "protocol_data": "range", "members": [member],
        "authorized_operations": GROUP_OPERATIONS,
    }  # fmt: skip
    return {"throttle_time": NO_TIME, "groups": [group]}


def list_groups(_: Place) -> Values:
    return {"states_filter": ["Stable", "CompletingRebalance"], "types_filter": ["classic"]}


def listed_groups(place: Place) -> Values:
    group = {
        "group_id": place.name, "protocol_type": "consumer", "group_state": "Stable", "group_type": "classic",
    }  # fmt: skip
    return {"throttle_time": NO_TIME, "error_code": ErrorCode.none, "groups": containing(group)}


def delete_groups(place: Place) -> Values:
    return {"groups_names": [place.name]}


def deleted_groups(place: Place) -> Values:
    result = {"group_id": place.name, "error_code": ErrorCode.none}
    return {"throttle_time": NO_TIME, "results": [result]}


async def no_offset_is_left(client: WireClient, place: Place) -> None:
    (topic,) = (await client.committed_offset(place.name, place.name, 0)).topics
    assert topic.partitions[0].committed_offset == -1


GROUP_CASES = [
    Case("find_coordinator", find_coordinator, found_coordinator),
    Case("join_group", join_group, joined_group, stable),
    Case("sync_group", sync_group, synced_group, joined),
    Case("heartbeat", heartbeat, heartbeat_heard, stable),
    Case("leave_group", leave_group, left_group, stable),
    Case("offset_commit", offset_commit, committed_offsets, stable, offsets_are_stored),
    Case("offset_fetch", offset_fetch, fetched_offsets, stable_with_offsets),
    Case("offset_fetch", fetch_all_offsets, fetched_offsets, stable_with_offsets, variant="all", first_version=2),
    Case("offset_delete", offset_delete, deleted_offsets, with_offsets, one_offset_is_left),
    Case("describe_groups", describe_groups, described_groups, stable),
    Case("list_groups", list_groups, listed_groups, stable),
    Case("delete_groups", delete_groups, deleted_groups, with_offsets, no_offset_is_left),
]
