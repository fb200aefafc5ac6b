"""The coordinator around its groups: loading, storing, failing, handing over."""

import asyncio
import errno
from typing import Any

import pytest
from kio.schema.errors import ErrorCode

from odradek.config.broker_groups import OFFSETS_TOPIC
from odradek.groups.coordinator import LOAD_RETRY_S
from odradek.groups.records import CommittedOffset, GroupKey, OffsetKey, group_key, offset_key, read_key
from odradek.groups.topic import CREATION_WAIT_S
from odradek.groups.vocabulary import JoinRequest, JoinResult, LeavingMember, SyncRequest, SyncResult
from odradek.groups.writer import TURN_CHANGES_MAX
from odradek.log.errors import DirectoryFailedError, DiskFullError
from odradek.wire.record_codec import Record, decode_batch, encode_batch
from tests.groups.script import subscription
from tests.support.groups import GroupWorld, MemoryPartition

PROTOCOLS = (("range", subscription("t")),)
SIMPLE = ("", None, -1)
MINUTE_S = 60


def join_request(world: GroupWorld, member_id: str = "", group_id: str = "g") -> JoinRequest:
    new_id = world.groups.new_member_id("c")
    return JoinRequest(group_id, member_id, new_id, None, "c", "/h", 10_000, 60_000, "consumer", PROTOCOLS)


def sync_request(joined: JoinResult) -> SyncRequest:
    return SyncRequest("g", joined.member_id, None, joined.generation_id, None, None, {joined.member_id: b"all"})


async def stable(world: GroupWorld) -> str:
    joined = await world.groups.join(join_request(world))
    synced = await world.groups.sync(sync_request(joined))
    assert synced.error is ErrorCode.none
    return joined.member_id


def offset(world: GroupWorld, value: int = 5, topic: str = "t") -> CommittedOffset:
    return CommittedOffset(value, -1, "", world.groups.wall_ms(), topic_id=world.topic_ids[topic])


def commit(world: GroupWorld, value: int = 5, *, group_id: str = "g", topic: str = "t", partition: int = 0,
           member: tuple[str, str | None, int] = SIMPLE) -> "asyncio.Future[ErrorCode]":  # fmt: skip
    commits = [(OffsetKey(group_id, topic, partition), offset(world, value, topic))]
    return world.groups.commit_offsets(group_id, member, 9, commits)


async def fetched(world: GroupWorld, group_id: str = "g", *, require_stable: bool = False) -> dict[str, dict[int, int]]:
    error, offsets = await world.groups.fetch_offsets(group_id, require_stable)
    assert error is ErrorCode.none
    return {topic: {index: each.offset for index, each in found.items()} for topic, found in offsets.items()}


def stored_keys(partition: MemoryPartition) -> list[Any]:
    return [read_key(record.key or b"") for record in partition.records()]


def test_commits_of_one_turn_of_the_loop_are_one_append() -> None:
    async def scenario(world: GroupWorld) -> None:
        errors = await asyncio.gather(*[commit(world, each, group_id=f"g{each}") for each in range(50)])
        assert set(errors) == {ErrorCode.none}
        assert len(world.partition.batches) == 1

    GroupWorld().run(scenario)


def test_batches_are_kept_below_the_largest_message_of_the_topic() -> None:
    async def scenario(world: GroupWorld) -> None:
        world.partition.log.config.max_message_bytes = 1_000
        await asyncio.gather(*[commit(world, each, group_id=f"g{each}") for each in range(50)])
        assert len(world.partition.batches) > 4
        assert max(len(batch) for batch in world.partition.batches) <= 1_000

    GroupWorld().run(scenario)


def test_a_write_too_large_for_any_batch_fails_alone() -> None:
    async def scenario(world: GroupWorld) -> None:
        world.partition.log.config.max_message_bytes = 1_000
        large = world.groups.commit_offsets(
            "g", SIMPLE, 9, [(OffsetKey("g", "t", each), offset(world)) for each in range(50)]
        )
        small = commit(world, group_id="h")
        assert [await large, await small] == [ErrorCode.unknown_server_error, ErrorCode.none]

    GroupWorld().run(scenario)


def test_a_request_of_many_offsets_is_stored_over_several_turns_and_answered_once() -> None:
    async def scenario(world: GroupWorld) -> None:
        keys = [OffsetKey("g", "t", each) for each in range(2 * TURN_CHANGES_MAX + 10)]
        large = world.groups.commit_offsets("g", SIMPLE, 9, [(key, offset(world)) for key in keys])
        later = commit(world, 9)
        assert [await large, await later] == [ErrorCode.none, ErrorCode.none]
        assert stored_keys(world.partition) == [*keys, keys[0]]
        assert max(len(decode_batch(each)) for each in world.partition.batches) < 2 * TURN_CHANGES_MAX
        found = (await fetched(world))["t"]
        assert found == {key.partition: 5 for key in keys} | {0: 9}

    GroupWorld().run(scenario)


def test_what_a_group_stores_after_a_large_commit_is_behind_all_of_it() -> None:
    """The commit was valid when it was taken, so the next generation's record must not come in between."""

    async def scenario(world: GroupWorld) -> None:
        member_id = await stable(world)
        before = len(stored_keys(world.partition))
        commits = [(OffsetKey("g", "t", each), offset(world)) for each in range(3 * TURN_CHANGES_MAX)]
        large = world.groups.commit_offsets("g", (member_id, None, 1), 9, commits)
        world.groups.leave("g", [LeavingMember(member_id, None)])
        assert await large is ErrorCode.none
        await asyncio.sleep(1)
        assert stored_keys(world.partition)[before:] == [*(key for key, _ in commits), GroupKey("g")]

    GroupWorld().run(scenario)


@pytest.mark.parametrize("held", ["holds_commits", "holds_appends"])
def test_a_large_commit_that_loses_its_partition_is_answered_once(held: str) -> None:
    async def scenario(world: GroupWorld) -> None:
        setattr(world.partition, held, True)
        commits = [(OffsetKey("g", "t", each), offset(world)) for each in range(3 * TURN_CHANGES_MAX)]
        large = world.groups.commit_offsets("g", SIMPLE, 9, commits)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        world.partition.release(ErrorCode.not_leader_or_follower)
        assert await large is ErrorCode.not_coordinator

    GroupWorld().run(scenario)


def test_a_name_longer_than_a_record_can_hold_fails_alone() -> None:
    async def scenario(world: GroupWorld) -> None:
        errors = [await each for each in (commit(world, group_id="x" * 40_000), commit(world))]
        assert errors == [ErrorCode.unknown_server_error, ErrorCode.none]

    GroupWorld().run(scenario)


def test_an_offset_is_neither_answered_nor_seen_before_it_is_committed() -> None:
    async def scenario(world: GroupWorld) -> None:
        await commit(world, 1)
        world.partition.holds_commits = True
        second = commit(world, 2)
        await asyncio.sleep(0.1)
        assert not second.done()
        assert await fetched(world) == {"t": {0: 1}}
        world.partition.release()
        assert await second is ErrorCode.none
        assert await fetched(world) == {"t": {0: 2}}

    GroupWorld().run(scenario)


def test_a_fetch_of_stable_offsets_waits_for_those_on_their_way() -> None:
    async def scenario(world: GroupWorld) -> None:
        world.partition.holds_commits = True
        commit(world, 2)
        waiting = asyncio.ensure_future(fetched(world, require_stable=True))
        await asyncio.sleep(0.1)
        assert not waiting.done()
        world.partition.release()
        assert await waiting == {"t": {0: 2}}

    GroupWorld().run(scenario)


def test_a_fetch_of_stable_offsets_does_not_wait_for_ever() -> None:
    async def scenario(world: GroupWorld) -> None:
        world.partition.holds_commits = True
        commit(world, 2)
        assert await world.groups.fetch_offsets("g", True) == (ErrorCode.not_coordinator, {})

    GroupWorld().run(scenario)


def test_commits_become_visible_in_the_order_of_the_log() -> None:
    async def scenario(world: GroupWorld) -> None:
        world.partition.holds_appends = True
        first = commit(world, 1)
        await asyncio.sleep(0.1)
        second = commit(world, 2)
        await asyncio.sleep(0.1)
        world.partition.release()
        assert [await first, await second] == [ErrorCode.none, ErrorCode.none]
        assert await fetched(world) == {"t": {0: 2}}

    GroupWorld().run(scenario)


@pytest.mark.parametrize("seed", range(5))
def test_a_commit_does_not_overtake_one_whose_end_is_not_known_yet(seed: int) -> None:
    async def scenario(world: GroupWorld) -> None:
        world.partition.holds_commits = True
        first = commit(world, 1)
        await asyncio.sleep(0.1)
        second = commit(world, 2)
        world.partition.release()
        assert [await first, await second] == [ErrorCode.none, ErrorCode.none]
        assert await fetched(world) == {"t": {0: 2}}

    GroupWorld(seed).run(scenario)


FAILURES = [
    (DiskFullError("full"), ErrorCode.not_coordinator),
    (DirectoryFailedError("broken"), ErrorCode.not_coordinator),
    (ErrorCode.not_enough_replicas, ErrorCode.coordinator_not_available),
    (ErrorCode.not_leader_or_follower, ErrorCode.not_coordinator),
    (ErrorCode.message_too_large, ErrorCode.unknown_server_error),
    (ErrorCode.invalid_required_acks, ErrorCode.invalid_required_acks),
]


@pytest.mark.parametrize(("failure", "error"), FAILURES)
def test_an_offset_that_cannot_be_stored_is_refused_and_not_seen(failure: Any, error: ErrorCode) -> None:
    async def scenario(world: GroupWorld) -> None:
        await commit(world, 1)
        world.partition.append_fails = failure
        assert await commit(world, 2) is error
        assert await fetched(world) == {"t": {0: 1}}
        world.partition.append_fails = None
        assert await commit(world, 3) is ErrorCode.none

    GroupWorld().run(scenario)


def test_a_failure_after_the_append_was_taken_is_told_too() -> None:
    async def scenario(world: GroupWorld) -> None:
        world.partition.holds_appends = True
        first = commit(world, 1)
        await asyncio.sleep(0.1)
        world.partition.release(ErrorCode.kafka_storage_error)
        world.partition.holds_commits = True
        second = commit(world, 2)
        await asyncio.sleep(0.1)
        world.partition.release(ErrorCode.not_enough_replicas_after_append)
        assert [await first, await second] == [ErrorCode.not_coordinator, ErrorCode.coordinator_not_available]
        assert await fetched(world) == {}

    GroupWorld().run(scenario)


def test_a_commit_that_takes_too_long_is_answered_and_counts_once_it_is_committed() -> None:
    async def scenario(world: GroupWorld) -> None:
        world.partition.holds_commits = True
        assert await commit(world, 1) is ErrorCode.coordinator_not_available
        assert await fetched(world) == {}
        world.partition.release()
        await asyncio.sleep(0.1)
        assert await fetched(world) == {"t": {0: 1}}

    GroupWorld().run(scenario)


def test_a_group_is_taken_over_with_its_members_and_offsets() -> None:
    async def scenario(world: GroupWorld) -> None:
        member_id = await stable(world)
        await commit(world, 7, member=(member_id, None, 1))
        await world.reload()
        assert world.groups.heartbeat("g", member_id, None, 1) is ErrorCode.none
        assert await fetched(world) == {"t": {0: 7}}
        again = await world.groups.sync(SyncRequest("g", member_id, None, 1, None, None, {}))
        assert again.assignment == b"all"

    GroupWorld().run(scenario)


def test_members_that_do_not_show_up_at_the_new_coordinator_are_out() -> None:
    async def scenario(world: GroupWorld) -> None:
        await stable(world)
        await world.reload()
        await asyncio.sleep(11)
        group = world.groups.group("g")
        assert not isinstance(group, ErrorCode)
        assert (group.state.value, group.generation_id) == ("Empty", 2)

    GroupWorld().run(scenario)


def test_while_a_partition_is_loaded_requests_are_told_so_and_heartbeats_are_trusted() -> None:
    async def scenario(world: GroupWorld) -> None:
        await commit(world)
        world.replicas.resign(world.partition)
        world.replicas.lead(world.partition)
        loading = ErrorCode.coordinator_load_in_progress
        assert (await world.groups.join(join_request(world))).error is loading
        assert await commit(world) is loading
        assert await world.groups.fetch_offsets("g", False) == (loading, {})
        assert world.groups.leave("g", [LeavingMember("m")]) == (loading, [])
        assert world.groups.group("g") is loading
        assert world.groups.groups() is loading
        assert await world.groups.delete_group("g") is loading
        assert world.groups.heartbeat("g", "m", None, 1) is ErrorCode.none
        await world.loaded()

    GroupWorld().run(scenario)


TOO_FEW = ErrorCode.not_enough_replicas_after_append
"""Committed it is, but too few replicas are in sync by now."""


@pytest.mark.parametrize("error", [ErrorCode.none, TOO_FEW])
def test_what_an_earlier_leader_left_uncommitted_is_waited_for(error: ErrorCode) -> None:
    async def scenario(world: GroupWorld) -> None:
        world.partition.holds_commits = True
        commit(world, 3)
        await asyncio.sleep(0.1)
        world.replicas.resign(world.partition)
        world.replicas.lead(world.partition)
        await asyncio.sleep(1)
        assert world.groups.groups() is ErrorCode.coordinator_load_in_progress
        world.partition.release(error)
        await world.loaded()
        assert await fetched(world) == {"t": {0: 3}}

    GroupWorld().run(scenario)


def test_requests_for_groups_of_other_partitions_are_sent_away() -> None:
    async def scenario(world: GroupWorld) -> None:
        member_id = await stable(world)
        world.replicas.resign(world.partition)
        away = ErrorCode.not_coordinator
        assert (await world.groups.join(join_request(world))).error is away
        assert (await world.groups.sync(sync_request(JoinResult(ErrorCode.none, member_id, 1)))).error is away
        assert world.groups.heartbeat("g", member_id, None, 1) is away
        assert world.groups.leave("g", [LeavingMember(member_id)]) == (away, [])
        assert await commit(world) is away
        assert await world.groups.delete_group("g") is away
        assert await world.groups.delete_offsets("g", []) == (away, frozenset())
        assert world.groups.groups() == []

    GroupWorld().run(scenario)


def test_everybody_who_waits_is_answered_when_the_partition_goes_elsewhere() -> None:
    async def scenario(world: GroupWorld) -> None:
        joining = asyncio.ensure_future(world.groups.join(join_request(world)))
        await asyncio.sleep(0.1)
        world.partition.holds_commits = True
        committing = commit(world, group_id="h")
        await asyncio.sleep(0.1)
        queued = commit(world, group_id="h")
        world.replicas.resign(world.partition)
        assert (await joining).error is ErrorCode.not_coordinator
        assert [await committing, await queued] == [ErrorCode.not_coordinator] * 2
        world.partition.release()

    GroupWorld().run(scenario)


def test_everybody_who_waits_is_answered_when_the_broker_stops() -> None:
    async def scenario(world: GroupWorld) -> None:
        joining = asyncio.ensure_future(world.groups.join(join_request(world)))
        await asyncio.sleep(0.1)
        await world.groups.stop()
        assert (await joining).error is ErrorCode.not_coordinator
        assert (await world.groups.join(join_request(world))).error is ErrorCode.coordinator_not_available
        assert world.groups.groups() is ErrorCode.coordinator_not_available

    GroupWorld().run(scenario)


def test_a_request_given_up_by_its_client_is_no_obstacle() -> None:
    async def scenario(world: GroupWorld) -> None:
        joining = asyncio.ensure_future(world.groups.join(join_request(world)))
        await asyncio.sleep(0.1)
        joining.cancel()
        assert (await world.groups.join(join_request(world))).generation_id == 1

    GroupWorld().run(scenario)


def test_a_group_that_could_not_be_stored_does_not_exist() -> None:
    async def scenario(world: GroupWorld) -> None:
        world.partition.append_fails = ErrorCode.not_enough_replicas
        assert (await world.groups.join(join_request(world))).error is ErrorCode.coordinator_not_available
        assert world.groups.group("g") is ErrorCode.group_id_not_found

    GroupWorld().run(scenario)


def test_an_assignment_that_could_not_be_stored_is_not_given_out() -> None:
    async def scenario(world: GroupWorld) -> None:
        joined = await world.groups.join(join_request(world))
        world.partition.append_fails = ErrorCode.not_enough_replicas
        assert await world.groups.sync(sync_request(joined)) == SyncResult(ErrorCode.coordinator_not_available)

    GroupWorld().run(scenario)


def test_a_partition_with_records_that_are_not_its_own_is_not_served() -> None:
    async def scenario(world: GroupWorld) -> None:
        world.partition.batches.append(encode_batch([Record(0, 0, b"\0\1garbage", b"garbage")]))
        await world.reload()
        assert await commit(world) is ErrorCode.not_coordinator

    GroupWorld().run(scenario)


def test_records_of_newer_group_types_and_without_key_are_skipped() -> None:
    async def scenario(world: GroupWorld) -> None:
        await commit(world, 4)
        foreign = [Record(0, 0, b"\0\3\0\1g", b"whatever"), Record(0, 0, None, b"whatever")]
        world.partition.batches.append(encode_batch(foreign))
        await world.reload()
        assert await fetched(world) == {"t": {0: 4}}

    GroupWorld().run(scenario)


def test_a_deleted_group_leaves_tombstones_for_everything_it_had() -> None:
    async def scenario(world: GroupWorld) -> None:
        await commit(world, 1)
        await commit(world, 1, topic="u", partition=2)
        assert await world.groups.delete_group("g") is ErrorCode.none
        tombstones = {record.key for record in world.partition.records() if record.value is None}
        assert tombstones == {offset_key("g", "t", 0), offset_key("g", "u", 2), group_key("g")}
        await world.reload()
        assert world.groups.groups() == []

    GroupWorld().run(scenario)


def test_a_group_is_deleted_with_the_commits_that_are_on_their_way() -> None:
    async def scenario(world: GroupWorld) -> None:
        await commit(world, 1)
        world.partition.holds_commits = True
        committing, deleting = commit(world, 2, partition=1), world.groups.delete_group("g")
        await asyncio.sleep(0.1)
        assert (await world.groups.join(join_request(world))).error is ErrorCode.coordinator_not_available
        assert await world.groups.delete_group("g") is ErrorCode.group_id_not_found
        world.partition.release()
        assert [await committing, await deleting] == [ErrorCode.none, ErrorCode.none]
        assert await fetched(world) == {}
        await world.reload()
        assert await fetched(world) == {}
        assert world.groups.groups() == []

    GroupWorld().run(scenario)


def test_a_group_whose_tombstone_could_not_be_stored_lives_on() -> None:
    async def scenario(world: GroupWorld) -> None:
        await commit(world, 1)
        world.partition.append_fails = DiskFullError("full")
        assert await world.groups.delete_group("g") is ErrorCode.not_coordinator
        world.partition.append_fails = None
        assert await fetched(world) == {"t": {0: 1}}
        assert await commit(world, 2) is ErrorCode.none

    GroupWorld().run(scenario)


MANY = 12_000
"""Tombstones of so many offsets are larger than the largest batch."""


async def commit_many(world: GroupWorld, count: int) -> None:
    commits = [(OffsetKey("g", "t", each), offset(world)) for each in range(count)]
    assert await world.groups.commit_offsets("g", SIMPLE, 9, commits) is ErrorCode.none


def test_a_group_of_more_offsets_than_a_batch_holds_is_deleted_with_all_of_them() -> None:
    async def scenario(world: GroupWorld) -> None:
        await commit_many(world, MANY)
        before = len(world.partition.records())
        assert await world.groups.delete_group("g") is ErrorCode.none
        tombstones = world.partition.records()[before:]
        assert len(tombstones) == MANY + 1
        assert tombstones[-1].key == group_key("g")
        assert max(len(decode_batch(each)) for each in world.partition.batches) < 2 * TURN_CHANGES_MAX
        await world.reload()
        assert world.groups.groups() == []
        assert await fetched(world) == {}

    GroupWorld().run(scenario)


def test_a_large_group_that_cannot_be_deleted_whole_lives_on_with_what_is_left_and_is_deleted_later() -> None:
    async def scenario(world: GroupWorld) -> None:
        await commit_many(world, 3 * TURN_CHANGES_MAX)
        batches = len(world.partition.batches)
        deleting = world.groups.delete_group("g")
        while len(world.partition.batches) == batches:  # noqa: ASYNC110
            await asyncio.sleep(0)
        world.partition.append_fails = DiskFullError("full")
        assert await deleting is ErrorCode.not_coordinator
        world.partition.append_fails = None
        left = (await fetched(world))["t"]
        assert 0 < len(left) < 3 * TURN_CHANGES_MAX
        assert group_key("g") not in {record.key for record in world.partition.records()}
        assert await commit(world, 2) is ErrorCode.none
        assert await world.groups.delete_group("g") is ErrorCode.none
        await world.reload()
        assert world.groups.groups() == []

    GroupWorld().run(scenario)


def test_a_large_group_whose_deletion_takes_too_long_is_answered_and_goes_once_it_is_committed() -> None:
    async def scenario(world: GroupWorld) -> None:
        await commit_many(world, 2 * TURN_CHANGES_MAX)
        world.partition.holds_commits = True
        assert await world.groups.delete_group("g") is ErrorCode.coordinator_not_available
        world.partition.release()
        await asyncio.sleep(0.1)
        assert world.groups.groups() == []

    GroupWorld().run(scenario)


def test_many_groups_are_taken_over_in_slices_and_served_together() -> None:
    async def scenario(world: GroupWorld) -> None:
        await asyncio.gather(*[commit(world, each, group_id=f"g{each}") for each in range(500)])
        world.replicas.resign(world.partition)
        world.replicas.lead(world.partition)
        found: list[int] = []
        while not found:
            await asyncio.sleep(0)
            groups = world.groups.groups()
            if not isinstance(groups, ErrorCode):
                found.append(len(groups))
        assert found == [500]

    GroupWorld().run(scenario)


def test_a_shard_that_is_lost_while_it_takes_over_its_groups_never_serves() -> None:
    async def scenario(world: GroupWorld) -> None:
        await asyncio.gather(*[commit(world, each, group_id=f"g{each}") for each in range(500)])
        for turns in range(40):
            world.replicas.resign(world.partition)
            world.replicas.lead(world.partition)
            await asyncio.sleep(0.002)
            for _ in range(turns):
                await asyncio.sleep(0)
            world.replicas.resign(world.partition)
            assert world.groups.groups() == []
            assert await commit(world) is ErrorCode.not_coordinator
            world.replicas.lead(world.partition)
            await world.loaded()
            assert await commit(world) is ErrorCode.none

    GroupWorld().run(scenario)


def test_a_deleted_topic_takes_its_offsets_along_also_those_on_their_way() -> None:
    async def scenario(world: GroupWorld) -> None:
        await commit(world, 1)
        await commit(world, 1, topic="u")
        world.partition.holds_commits = True
        committing = commit(world, 2, partition=3)
        world.cluster.delete("t")
        await asyncio.sleep(0.1)
        world.partition.release()
        assert await committing is ErrorCode.none
        assert await fetched(world) == {"u": {0: 1}}
        await world.reload()
        assert await fetched(world) == {"u": {0: 1}}

    GroupWorld().run(scenario)


def test_offsets_of_a_topic_deleted_while_nobody_led_are_removed_on_loading() -> None:
    async def scenario(world: GroupWorld) -> None:
        await commit(world, 1)
        await commit(world, 1, topic="u")
        world.replicas.resign(world.partition)
        world.cluster.delete("t")
        world.cluster.add("t", 4)
        world.replicas.lead(world.partition)
        await world.loaded()
        await asyncio.sleep(0.1)
        assert await fetched(world) == {"u": {0: 1}}
        assert stored_keys(world.partition)[-1] == OffsetKey("g", "t", 0)

    GroupWorld().run(scenario)


def test_a_partition_that_cannot_be_read_is_loaded_when_it_can_be() -> None:
    async def scenario(world: GroupWorld) -> None:
        await commit(world, 1)
        world.partition.replay_fails = OSError(errno.EIO, "a sector cannot be read")
        await world.reload()
        assert await commit(world, 2) is ErrorCode.not_coordinator
        await asyncio.sleep(3 * LOAD_RETRY_S)
        assert await commit(world, 2) is ErrorCode.not_coordinator
        world.partition.replay_fails = None
        await asyncio.sleep(LOAD_RETRY_S)
        await world.loaded()
        assert await fetched(world) == {"t": {0: 1}}

    GroupWorld().run(scenario)


def test_a_partition_that_could_not_be_read_is_left_to_whoever_leads_it_since() -> None:
    async def scenario(world: GroupWorld) -> None:
        world.partition.replay_fails = OSError(errno.EIO, "a sector cannot be read")
        await world.reload()
        world.replicas.resign(world.partition)
        world.partition.replay_fails = None
        await asyncio.sleep(2 * LOAD_RETRY_S)
        assert await commit(world) is ErrorCode.not_coordinator

    GroupWorld().run(scenario)


def test_offsets_expire_and_then_the_group_is_gone() -> None:
    async def scenario(world: GroupWorld) -> None:
        await commit(world, 1)
        await asyncio.sleep(9 * MINUTE_S)
        assert await fetched(world) == {"t": {0: 1}}
        await asyncio.sleep(3 * MINUTE_S)
        assert world.groups.groups() == []
        assert stored_keys(world.partition)[-2:] == [OffsetKey("g", "t", 0), GroupKey("g")]

    minute_ms = 60_000
    GroupWorld(offsets_retention_minutes=10, offsets_retention_check_interval_ms=minute_ms).run(scenario)


def test_a_group_with_members_keeps_the_offsets_it_reads_for_ever() -> None:
    async def scenario(world: GroupWorld) -> None:
        member_id = await stable(world)
        await commit(world, 1, member=(member_id, None, 1))
        for _ in range(200):
            await asyncio.sleep(9)
            assert world.groups.heartbeat("g", member_id, None, 1) is ErrorCode.none
        assert await fetched(world) == {"t": {0: 1}}

    GroupWorld(offsets_retention_minutes=10, offsets_retention_check_interval_ms=60_000).run(scenario)


def test_a_commit_keeps_the_session_of_its_member() -> None:
    async def scenario(world: GroupWorld) -> None:
        member_id = await stable(world)
        for each in range(5):
            await asyncio.sleep(9)
            assert await commit(world, each, member=(member_id, None, 1)) is ErrorCode.none

    GroupWorld().run(scenario)


def test_the_internal_topic_is_made_once_for_all_who_ask() -> None:
    async def scenario(world: GroupWorld) -> None:
        world.cluster.delete(OFFSETS_TOPIC)
        assert await asyncio.gather(*[world.groups.topic.ensure() for _ in range(10)]) == [True] * 10
        (made,) = world.cluster.created
        assert (made.name, made.num_partitions, made.replication_factor) == (OFFSETS_TOPIC, 7, 1)
        assert made.configs == {
            "cleanup.policy": "compact",
            "compression.type": "producer",
            "segment.bytes": "104857600",
        }

    GroupWorld(offsets_topic_num_partitions=7).run(scenario)


def test_a_request_does_not_wait_long_for_a_topic_that_takes_long_to_make() -> None:
    """Fetches behind it on its connection would wait as well."""

    async def scenario(world: GroupWorld) -> None:
        world.cluster.delete(OFFSETS_TOPIC)
        world.cluster.creation_s = 2.5 * CREATION_WAIT_S
        assert not await world.groups.topic.ensure()
        assert world.cluster.created == []
        while not await world.groups.topic.ensure():
            assert world.cluster.created == []
        assert len(world.cluster.created) == 1

    GroupWorld().run(scenario)


def test_a_topic_that_cannot_be_made_now_is_tried_again_at_the_next_request() -> None:
    async def scenario(world: GroupWorld) -> None:
        world.cluster.delete(OFFSETS_TOPIC)
        world.cluster.creation = ErrorCode.invalid_replication_factor
        assert not await world.groups.topic.ensure()
        world.cluster.creation = ErrorCode.none
        assert await world.groups.topic.ensure()

    GroupWorld().run(scenario)


def test_a_coordinator_that_may_have_been_replaced_sends_its_clients_to_look_for_another() -> None:
    async def scenario(world: GroupWorld) -> None:
        assert await commit(world) is ErrorCode.none
        world.partition.is_doubtful = True
        assert await commit(world, 6) is ErrorCode.not_coordinator
        world.partition.is_doubtful = False
        assert await fetched(world) == {"t": {0: 5}}

    GroupWorld().run(scenario)
