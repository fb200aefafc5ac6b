"""Every group API in every version: the whole life of a group, through the bytes of requests and responses."""

from datetime import timedelta
from typing import Any

import pytest
from kio.schema.errors import ErrorCode

from tests.groups.script import subscription
from tests.support.groups import VERSIONS, GroupWorld

SESSION = timedelta(seconds=10)
REBALANCE = timedelta(seconds=60)


def join_fields(member_id: str = "", **more: Any) -> dict[str, Any]:
    protocols = [{"name": "range", "metadata": subscription("t")}]
    fields = {"group_id": "g", "session_timeout": SESSION, "rebalance_timeout": REBALANCE, "member_id": member_id}
    return {**fields, "protocol_type": "consumer", "protocols": protocols, **more}


async def join(world: GroupWorld, version: int = 9, **more: Any) -> Any:
    joined = await world.ask("join_group", version, **join_fields(**more))
    if joined.error_code is ErrorCode.member_id_required:
        joined = await world.ask("join_group", version, **join_fields(joined.member_id, **more))
    return joined


async def sync(world: GroupWorld, member_id: str, version: int = 5, assignment: bytes = b"all", **more: Any) -> Any:
    assignments = [{"member_id": member_id, "assignment": assignment}]
    fields = {"group_id": "g", "generation_id": 1, "member_id": member_id, "assignments": assignments}
    return await world.ask(
        "sync_group", version, **{**fields, "protocol_type": "consumer", "protocol_name": "range", **more}
    )


async def stable(world: GroupWorld) -> str:
    """The only member of a stable group."""
    joined = await join(world)
    await sync(world, joined.member_id)
    return str(joined.member_id)


def topics_to_commit(
    world: GroupWorld, *partitions: int, offset: int = 42, metadata: str | None = "m"
) -> list[dict[str, Any]]:
    fields = {"committed_offset": offset, "committed_leader_epoch": 3, "committed_metadata": metadata}
    return [
        {
            "name": "t",
            "topic_id": world.topic_ids["t"],
            "partitions": [{"partition_index": each, **fields} for each in partitions],
        }
    ]


async def commit(world: GroupWorld, version: int = 9, **more: Any) -> Any:
    fields = {
        "group_id": "g",
        "generation_id_or_member_epoch": -1,
        "member_id": "",
        "retention_time": timedelta(0, 0, -1000),
    }
    return await world.ask("offset_commit", version, **{**fields, "topics": topics_to_commit(world, 0), **more})


async def fetch(world: GroupWorld, version: int = 9, partitions: tuple[int, ...] = (0, 1), **more: Any) -> Any:
    """The topics of the group's answer."""
    topics = [{"name": "t", "topic_id": world.topic_ids["t"], "partition_indexes": list(partitions)}]
    group = {"group_id": "g", "topics": topics, **more}
    response = await world.ask("offset_fetch", version, groups=[group], **group)
    return response.groups[0] if version >= 8 else response


def errors(response: Any) -> list[str]:
    return [each.error_code.name for topic in response.topics for each in topic.partitions]


@pytest.mark.parametrize("version", VERSIONS["join_group"])
def test_a_member_joins(version: int) -> None:
    async def scenario(world: GroupWorld) -> None:
        joined = await join(world, version)
        assert (joined.error_code, joined.generation_id) == (ErrorCode.none, 1)
        assert (joined.leader, joined.protocol_name) == (joined.member_id, "range")
        assert [member.metadata for member in joined.members] == [subscription("t")]
        assert joined.member_id.startswith("client-")

    GroupWorld().run(scenario)


@pytest.mark.parametrize("version", VERSIONS["join_group"])
def test_a_join_that_fails_can_be_answered(version: int) -> None:
    async def scenario(world: GroupWorld) -> None:
        refused = await world.ask("join_group", version, **join_fields("stranger"))
        assert (refused.error_code, refused.member_id) == (ErrorCode.unknown_member_id, "stranger")

    GroupWorld().run(scenario)


@pytest.mark.parametrize("version", VERSIONS["sync_group"])
def test_a_member_syncs(version: int) -> None:
    async def scenario(world: GroupWorld) -> None:
        joined = await join(world)
        synced = await sync(world, joined.member_id, version)
        assert (synced.error_code, synced.assignment) == (ErrorCode.none, b"all")

    GroupWorld().run(scenario)


def test_from_version_5_on_a_sync_must_name_its_protocol() -> None:
    async def scenario(world: GroupWorld) -> None:
        joined = await join(world)
        typeless = await sync(world, joined.member_id, protocol_type=None)
        nameless = await sync(world, joined.member_id, protocol_name=None)
        assert typeless.error_code is nameless.error_code is ErrorCode.inconsistent_group_protocol

    GroupWorld().run(scenario)


@pytest.mark.parametrize("version", VERSIONS["heartbeat"])
def test_a_member_heartbeats(version: int) -> None:
    async def scenario(world: GroupWorld) -> None:
        member_id = await stable(world)
        beat = await world.ask("heartbeat", version, group_id="g", generation_id=1, member_id=member_id)
        assert beat.error_code is ErrorCode.none
        late = await world.ask("heartbeat", version, group_id="g", generation_id=0, member_id=member_id)
        assert late.error_code is ErrorCode.illegal_generation
        stranger = await world.ask("heartbeat", version, group_id="x", generation_id=1, member_id=member_id)
        assert stranger.error_code is ErrorCode.unknown_member_id

    GroupWorld().run(scenario)


@pytest.mark.parametrize("version", VERSIONS["leave_group"])
def test_a_member_leaves(version: int) -> None:
    async def scenario(world: GroupWorld) -> None:
        member_id = await stable(world)
        fields: dict[str, Any] = {"group_id": "g", "member_id": member_id, "members": [{"member_id": member_id}]}
        left = await world.ask("leave_group", version, **fields)
        assert left.error_code is ErrorCode.none
        again = await world.ask("leave_group", version, **fields)
        error = again.error_code if version < 3 else again.members[0].error_code
        assert error is ErrorCode.unknown_member_id
        elsewhere = await world.ask("leave_group", version, **{**fields, "group_id": "x"})
        error = elsewhere.error_code if version < 3 else elsewhere.members[0].error_code
        assert error is ErrorCode.unknown_member_id

    GroupWorld().run(scenario)


@pytest.mark.parametrize("version", VERSIONS["offset_commit"])
def test_an_offset_is_committed_outside_of_any_generation(version: int) -> None:
    async def scenario(world: GroupWorld) -> None:
        assert errors(await commit(world, version)) == ["none"]
        (found, missing) = (await fetch(world)).topics[0].partitions
        assert (found.committed_offset, found.metadata) == (42, "m")
        assert found.committed_leader_epoch == (3 if version >= 6 else -1)
        assert (missing.committed_offset, missing.metadata, missing.error_code) == (-1, "", ErrorCode.none)

    GroupWorld().run(scenario)


@pytest.mark.parametrize("version", VERSIONS["offset_commit"])
def test_an_offset_is_committed_by_a_member(version: int) -> None:
    async def scenario(world: GroupWorld) -> None:
        member_id = await stable(world)
        assert errors(await commit(world, version, generation_id_or_member_epoch=1, member_id=member_id)) == ["none"]
        late = await commit(world, version, generation_id_or_member_epoch=0, member_id=member_id)
        assert errors(late) == ["illegal_generation"]
        outside = await commit(world, version)
        assert errors(outside) == ["unknown_member_id"]

    GroupWorld().run(scenario)


@pytest.mark.parametrize(("version", "error"), [(8, "illegal_generation"), (9, "group_id_not_found")])
def test_a_generation_of_a_group_nobody_knows_is_refused(version: int, error: str) -> None:
    async def scenario(world: GroupWorld) -> None:
        assert errors(await commit(world, version, generation_id_or_member_epoch=1, member_id="m")) == [error]

    GroupWorld().run(scenario)


def test_partitions_that_do_not_exist_are_refused_and_the_others_committed() -> None:
    async def scenario(world: GroupWorld) -> None:
        partial = await commit(world, topics=topics_to_commit(world, 0, 4, -1))
        assert errors(partial) == ["none", "unknown_topic_or_partition", "unknown_topic_or_partition"]
        unknown = [{**topics_to_commit(world, 0)[0], "name": "x"}]
        assert errors(await commit(world, topics=unknown)) == ["unknown_topic_or_partition"]
        world.cluster.delete("t")
        assert errors(await commit(world, 10)) == ["unknown_topic_id"]

    GroupWorld().run(scenario)


def test_metadata_counts_in_utf_16_units() -> None:
    async def scenario(world: GroupWorld) -> None:
        for metadata, error in [("x" * 16, "none"), ("x" * 17, "offset_metadata_too_large"),
                                ("😀" * 8, "none"), ("😀" * 9, "offset_metadata_too_large")]:  # fmt: skip
            response = await commit(world, topics=topics_to_commit(world, 0, metadata=metadata))
            assert errors(response) == [error]

    GroupWorld(offset_metadata_max_bytes=16).run(scenario)


def test_no_metadata_is_empty_metadata() -> None:
    async def scenario(world: GroupWorld) -> None:
        await commit(world, topics=topics_to_commit(world, 0, metadata=None))
        assert (await fetch(world)).topics[0].partitions[0].metadata == ""

    GroupWorld().run(scenario)


@pytest.mark.parametrize("version", VERSIONS["offset_fetch"])
def test_offsets_are_fetched(version: int) -> None:
    async def scenario(world: GroupWorld) -> None:
        await commit(world)
        group = await fetch(world, version)
        found, missing = group.topics[0].partitions
        assert (found.committed_offset, missing.committed_offset) == (42, -1)
        unknown = await fetch(world, version, group_id="x")
        assert [each.committed_offset for each in unknown.topics[0].partitions] == [-1, -1]

    GroupWorld().run(scenario)


@pytest.mark.parametrize("version", [each for each in VERSIONS["offset_fetch"] if each >= 2])
def test_all_offsets_of_a_group_are_fetched(version: int) -> None:
    async def scenario(world: GroupWorld) -> None:
        await commit(world, topics=topics_to_commit(world, 0, 2))
        group = await fetch(world, version, topics=None)
        assert [each.partition_index for each in group.topics[0].partitions] == [0, 2]
        assert (await fetch(world, version, group_id="x", topics=None)).topics == ()

    GroupWorld().run(scenario)


@pytest.mark.parametrize("version", VERSIONS["offset_fetch"])
def test_offsets_cannot_be_fetched_from_another_coordinator(version: int) -> None:
    async def scenario(world: GroupWorld) -> None:
        world.replicas.resign(world.partition)
        group = await fetch(world, version)
        if version < 2:
            assert errors(group) == ["not_coordinator", "not_coordinator"]
        else:
            assert (group.error_code, group.topics) == (ErrorCode.not_coordinator, ())

    GroupWorld().run(scenario)


def test_an_offset_of_a_topic_made_again_is_not_that_of_the_new_one() -> None:
    async def scenario(world: GroupWorld) -> None:
        unknown = [{"topic_id": world.topic_ids["u"], "partition_indexes": [0]}]
        await commit(world)
        world.cluster.delete("u")
        assert errors(await fetch(world, 10, topics=unknown)) == ["unknown_topic_id"]

    GroupWorld().run(scenario)


@pytest.mark.parametrize("version", VERSIONS["describe_groups"])
def test_groups_are_described(version: int) -> None:
    async def scenario(world: GroupWorld) -> None:
        member_id = await stable(world)
        await commit(world, group_id="simple")
        fields: dict[str, Any] = {"groups": ["g", "simple", "x"], "include_authorized_operations": False}
        group, simple, unknown = (await world.ask("describe_groups", version, **fields)).groups
        assert (group.group_state, group.protocol_type, group.protocol_data) == ("Stable", "consumer", "range")
        (member,) = group.members
        assert (member.member_id, member.client_id, member.client_host) == (member_id, "client", "/127.0.0.1")
        assert (member.member_metadata, member.member_assignment) == (subscription("t"), b"all")
        assert (simple.group_state, simple.protocol_type, simple.members) == ("Empty", "", ())
        assert unknown.group_state == "Dead"
        assert unknown.error_code is (ErrorCode.group_id_not_found if version >= 6 else ErrorCode.none)
        if version >= 6:
            assert unknown.error_message == "Group x not found."
        if version >= 3:
            assert group.authorized_operations == -(2**31)

    GroupWorld().run(scenario)


def test_authorized_operations_are_answered_when_asked_for() -> None:
    async def scenario(world: GroupWorld) -> None:
        await stable(world)
        (group,) = (await world.ask("describe_groups", 6, groups=["g"], include_authorized_operations=True)).groups
        assert group.authorized_operations == 1 << 3 | 1 << 6 | 1 << 8 | 1 << 10 | 1 << 11

    GroupWorld().run(scenario)


def test_metadata_of_members_is_shown_only_while_the_group_is_stable() -> None:
    async def scenario(world: GroupWorld) -> None:
        await join(world)
        (group,) = (await world.ask("describe_groups", 5, groups=["g"], include_authorized_operations=False)).groups
        assert (group.group_state, group.protocol_data) == ("CompletingRebalance", "")
        assert group.members[0].member_metadata == b""

    GroupWorld().run(scenario)


def test_groups_of_another_coordinator_cannot_be_described() -> None:
    async def scenario(world: GroupWorld) -> None:
        world.replicas.resign(world.partition)
        (group,) = (await world.ask("describe_groups", 5, groups=["g"], include_authorized_operations=False)).groups
        assert group.error_code is ErrorCode.not_coordinator

    GroupWorld().run(scenario)


@pytest.mark.parametrize("version", VERSIONS["list_groups"])
def test_groups_are_listed(version: int) -> None:
    async def scenario(world: GroupWorld) -> None:
        await stable(world)
        await commit(world, group_id="simple")
        listed = await world.ask("list_groups", version, states_filter=(), types_filter=())
        assert {(each.group_id, each.protocol_type) for each in listed.groups} == {("g", "consumer"), ("simple", "")}
        if version >= 4:
            assert [each.group_state for each in listed.groups] == ["Stable", "Empty"]
        if version >= 5:
            assert {each.group_type for each in listed.groups} == {"classic"}

    GroupWorld().run(scenario)


@pytest.mark.parametrize(
    ("states", "types", "found"),
    [
        ((), (), ["g", "simple"]),
        (("stable",), (), ["g"]),
        ((" EMPTY ", "Stable"), (), ["g", "simple"]),
        (("Nonsense",), (), []),
        ((), ("Classic",), ["g", "simple"]),
        ((), ("consumer",), []),
        (("Empty",), ("classic", "consumer"), ["simple"]),
    ],
)
def test_lists_of_groups_are_filtered(states: tuple[str, ...], types: tuple[str, ...], found: list[str]) -> None:
    async def scenario(world: GroupWorld) -> None:
        await stable(world)
        await commit(world, group_id="simple")
        listed = await world.ask("list_groups", 5, states_filter=states, types_filter=types)
        assert [each.group_id for each in listed.groups] == found

    GroupWorld().run(scenario)


@pytest.mark.parametrize("version", VERSIONS["delete_groups"])
def test_groups_are_deleted(version: int) -> None:
    async def scenario(world: GroupWorld) -> None:
        await stable(world)
        await commit(world, group_id="simple")
        deleted = await world.ask("delete_groups", version, groups_names=["g", "simple", "x", "simple"])
        assert [(each.group_id, each.error_code.name) for each in deleted.results] == [
            ("g", "non_empty_group"),
            ("simple", "none"),
            ("x", "group_id_not_found"),
        ]
        listed = await world.ask("list_groups", 0)
        assert [each.group_id for each in listed.groups] == ["g"]
        assert (await fetch(world, group_id="simple", topics=None)).topics == ()

    GroupWorld().run(scenario)


def offsets_to_delete(*names: str) -> dict[str, Any]:
    return {
        "topics": [{"name": name, "partitions": [{"partition_index": 0}, {"partition_index": 9}]} for name in names]
    }


def test_offsets_are_deleted_unless_the_group_reads_the_topic() -> None:
    async def scenario(world: GroupWorld) -> None:
        member_id = await stable(world)
        more: dict[str, Any] = {"generation_id_or_member_epoch": 1, "member_id": member_id}
        await commit(world, **more)
        await commit(world, topics=[{**topics_to_commit(world, 0)[0], "name": "u"}], **more)
        deleted = await world.ask("offset_delete", 0, group_id="g", **offsets_to_delete("t", "u"))
        assert errors(deleted) == [
            "group_subscribed_to_topic",
            "unknown_topic_or_partition",
            "none",
            "unknown_topic_or_partition",
        ]
        assert [topic.name for topic in (await fetch(world, topics=None)).topics] == ["t"]

    GroupWorld().run(scenario)


def test_offsets_of_no_group_or_of_a_busy_group_of_another_type_cannot_be_deleted() -> None:
    async def scenario(world: GroupWorld) -> None:
        unknown = await world.ask("offset_delete", 0, group_id="x", **offsets_to_delete("t"))
        assert (unknown.error_code, unknown.topics) == (ErrorCode.group_id_not_found, ())
        nameless = await world.ask("offset_delete", 0, group_id="", **offsets_to_delete("t"))
        assert nameless.error_code is ErrorCode.invalid_group_id
        await join(world, protocol_type="connect")
        busy = await world.ask("offset_delete", 0, group_id="g", **offsets_to_delete("t"))
        assert busy.error_code is ErrorCode.non_empty_group

    GroupWorld().run(scenario)


def test_groups_need_a_name_where_they_have_members() -> None:
    async def scenario(world: GroupWorld) -> None:
        assert (await join(world, group_id="")).error_code is ErrorCode.invalid_group_id
        assert (await sync(world, "m", group_id="")).error_code is ErrorCode.invalid_group_id
        beat = await world.ask("heartbeat", 4, group_id="", generation_id=1, member_id="m")
        assert beat.error_code is ErrorCode.invalid_group_id
        left = await world.ask("leave_group", 5, group_id="", members=[{"member_id": "m"}])
        assert left.error_code is ErrorCode.invalid_group_id
        assert errors(await commit(world, group_id="")) == ["none"]
        assert (await fetch(world, group_id="")).topics[0].partitions[0].committed_offset == 42

    GroupWorld().run(scenario)


@pytest.mark.parametrize(
    ("seconds", "error"), [(5.999, "invalid_session_timeout"), (1800.001, "invalid_session_timeout")]
)
def test_session_timeouts_have_limits(seconds: float, error: str) -> None:
    async def scenario(world: GroupWorld) -> None:
        refused = await world.ask("join_group", 9, **join_fields(session_timeout=timedelta(seconds=seconds)))
        assert refused.error_code.name == error

    GroupWorld().run(scenario)


@pytest.mark.parametrize("version", VERSIONS["find_coordinator"])
def test_the_coordinator_is_found(version: int) -> None:
    async def scenario(world: GroupWorld) -> None:
        found = await world.ask("find_coordinator", version, key="g", key_type=0, coordinator_keys=["g"])
        single = found.coordinators[0] if version >= 4 else found
        assert (single.error_code, single.node_id, single.host, single.port) == (ErrorCode.none, 1, "localhost", 9092)

    GroupWorld().run(scenario)


def test_coordinators_of_several_groups_are_found_at_once() -> None:
    async def scenario(world: GroupWorld) -> None:
        found = await world.ask("find_coordinator", 6, key_type=0, coordinator_keys=["a", "b"])
        assert [(each.key, each.node_id) for each in found.coordinators] == [("a", 1), ("b", 1)]

    GroupWorld().run(scenario)


@pytest.mark.parametrize(
    ("key_type", "error"),
    [
        (1, ErrorCode.transactional_id_authorization_failed),
        (2, ErrorCode.invalid_request),
        (9, ErrorCode.invalid_request),
    ],
)
@pytest.mark.parametrize("version", [each for each in VERSIONS["find_coordinator"] if each >= 1])
def test_other_coordinators_are_refused_for_good(version: int, key_type: int, error: ErrorCode) -> None:
    async def scenario(world: GroupWorld) -> None:
        found = await world.ask("find_coordinator", version, key="x", key_type=key_type, coordinator_keys=["x"])
        single = found.coordinators[0] if version >= 4 else found
        assert (single.error_code, single.node_id, single.port) == (error, -1, -1)
        assert not single.error_code.retriable
        assert single.error_message

    GroupWorld().run(scenario)
